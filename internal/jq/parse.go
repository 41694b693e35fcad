package jq

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxLength bounds filters, and with them the depth of what they walk.
const maxLength = 1000

// Parse reads a filter. Its error says what it does not understand.
func Parse(text string) (*Filter, error) {
	if len(text) > maxLength {
		return nil, fmt.Errorf("it is longer than %d bytes", maxLength)
	}
	f := &Filter{}
	for rest := text; ; {
		var err error
		if rest, err = f.path(strings.TrimLeft(rest, blanks)); err != nil {
			return nil, err
		}
		rest = strings.TrimLeft(rest, blanks)
		if rest == "" {
			return f, nil
		}
		if rest[0] != '|' {
			return nil, unclear(rest)
		}
		rest = rest[1:]
	}
}

const blanks = " \t\r\n"

func unclear(at string) error {
	if at == "" {
		return errors.New("it ends too early")
	}
	return fmt.Errorf("paths like .a.b, .a[0] and .[\"a\"], and | between them, are understood, but not %q", at)
}

// path reads one path and returns what comes after it.
func (f *Filter) path(text string) (rest string, err error) {
	rest, ok := strings.CutPrefix(text, ".")
	if !ok {
		return "", unclear(text)
	}
	if s, after, ok := name(rest); ok {
		rest = f.add(s, after)
	} else if rest != "" && rest[0] == '"' {
		return "", unclear(text)
	}
	for rest != "" {
		var s step
		var after string
		ok := false
		switch rest[0] {
		case '.':
			if s, after, ok = name(rest[1:]); !ok && strings.HasPrefix(rest, ".[") {
				s, after, ok = bracket(rest[1:])
			}
		case '[':
			s, after, ok = bracket(rest)
		default:
			return rest, nil
		}
		if !ok {
			return "", unclear(rest)
		}
		rest = f.add(s, after)
	}
	return "", nil
}

// add appends a step and what makes it optional.
func (f *Filter) add(s step, rest string) string {
	for strings.HasPrefix(rest, "?") {
		s.optional, rest = true, rest[1:]
	}
	f.steps = append(f.steps, s)
	return rest
}

// name reads the name of a member: a word, or a string.
func name(text string) (s step, rest string, ok bool) {
	if strings.HasPrefix(text, `"`) {
		s.name, rest, ok = quoted(text)
		return s, rest, ok
	}
	end := 0
	for end < len(text) && (text[end] == '_' || text[end]|0x20 >= 'a' && text[end]|0x20 <= 'z' || end > 0 && text[end] >= '0' && text[end] <= '9') {
		end++
	}
	return step{name: text[:end]}, text[end:], end > 0
}

// bracket reads [], [number] or ["name"].
func bracket(text string) (s step, rest string, ok bool) {
	inner := strings.TrimLeft(text[1:], blanks)
	switch {
	case strings.HasPrefix(inner, "]"):
		return step{all: true}, inner[1:], true
	case strings.HasPrefix(inner, `"`):
		s.name, rest, ok = quoted(inner)
	default:
		end := strings.IndexAny(inner, "]"+blanks)
		if end < 0 {
			return s, "", false
		}
		n, err := strconv.Atoi(inner[:end])
		s.index, rest, ok = &n, inner[end:], err == nil
	}
	rest, closed := strings.CutPrefix(strings.TrimLeft(rest, blanks), "]")
	return s, rest, ok && closed
}

// quoted reads a JSON string. One with an interpolation of jq is none.
func quoted(text string) (s, rest string, ok bool) {
	for end := 1; end < len(text); end++ {
		switch text[end] {
		case '\\':
			end++
		case '"':
			err := json.Unmarshal([]byte(text[:end+1]), &s)
			return s, text[end+1:], err == nil
		}
	}
	return "", "", false
}

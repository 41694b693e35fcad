package deb

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a paragraph. The largest of Debian's own have some 100 kB and 40 fields.
const (
	maxStanza = 1 << 20 // bytes
	maxFields = 500
)

// A stanza is a paragraph of fields.
type stanza struct {
	fields map[string]string // by name, as JSON has them: pre_depends
	text   string            // as it is written, without ownFields and the empty line after it
}

// ownFields of an index are those of the file, not of the package.
var ownFields = []string{"filename", "size", "md5sum", "sha1", "sha256", "sha512"}

// readStanzas yields the paragraphs of a control file up to the first bad one. The error says which.
func readStanzas(r io.Reader) iter.Seq2[stanza, error] {
	return func(yield func(stanza, error) bool) {
		in, n := bufio.NewScanner(r), 1
		in.Buffer(nil, maxStanza)
		in.Split(paragraphs)
		for ; in.Scan() && in.Err() == nil; n++ {
			s, err := parseStanza(in.Text())
			if err != nil {
				yield(s, fmt.Errorf("paragraph %d: %w", n, err))
				return
			}
			if len(s.fields) > 0 && !yield(s, nil) {
				return
			}
		}
		err := in.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("it is longer than %d bytes", maxStanza)
		}
		if err != nil {
			yield(stanza{}, fmt.Errorf("paragraph %d: %w", n, err))
		}
	}
}

// paragraphs is a [bufio.SplitFunc] for what stands between empty lines.
func paragraphs(data []byte, end bool) (advance int, token []byte, err error) {
	if at := bytes.Index(data, []byte("\n\n")); at >= 0 {
		return at + 2, data[:at], nil
	}
	if end && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

var (
	fieldName = regexp.MustCompile(`^[!"$-,.-9;-~][!-9;-~]{0,99}$`)
	blankLine = regexp.MustCompile(`(?m)^[ \t]+$`) // to some readers it ends a paragraph
)

// parseStanza reads the only paragraph of a text. Names of fields are compared without case.
func parseStanza(text string) (stanza, error) {
	if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\r") || blankLine.MatchString(text) {
		return stanza{}, errors.New("it is no UTF-8 text, or has lines of nothing but blanks, or lines that end with CR")
	}
	s, kept := stanza{fields: map[string]string{}}, strings.Builder{}
	for text = strings.Trim(text, "\n"); text != ""; {
		end := 0 // of the field, whose other lines begin with a blank
		for end < len(text) && (text[end] != '\n' || text[end+1] == ' ' || text[end+1] == '\t') {
			end++
		}
		name, value, ok := strings.Cut(text[:end], ":")
		if !ok || !fieldName.MatchString(name) {
			return stanza{}, fmt.Errorf("there is an empty line, or one that is no field: %.60q", name)
		}
		key := strings.ReplaceAll(strings.ToLower(name), "-", "_")
		if _, twice := s.fields[key]; twice || len(s.fields) == maxFields {
			return stanza{}, fmt.Errorf("the field %s is there twice, or after %d others", name, maxFields)
		}
		if s.fields[key] = strings.TrimLeft(value, " \t"); !slices.Contains(ownFields, key) {
			kept.WriteString(text[:end] + "\n")
		}
		text = text[min(end+1, len(text)):]
	}
	s.text = kept.String()
	return s, nil
}

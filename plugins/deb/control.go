package deb

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxStanza bounds a paragraph of metadata, in bytes: the largest of Debian's own have some 100 kB.
const maxStanza = 1 << 20

// A stanza is a paragraph of fields, in their order. Names are compared without case.
type stanza []field

type field struct{ name, value string }

// value is that of a field; empty if there is none.
func (s stanza) value(name string) string {
	for _, f := range s {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

// text is the stanza as it is written, without some of its fields and without the empty line after it.
func (s stanza) text(without ...string) string {
	var b strings.Builder
next:
	for _, f := range s {
		for _, name := range without {
			if strings.EqualFold(name, f.name) {
				continue next
			}
		}
		b.WriteString(f.name + ":")
		if f.value != "" && f.value[0] != '\n' {
			b.WriteByte(' ')
		}
		b.WriteString(f.value + "\n")
	}
	return b.String()
}

// readStanzas yields the paragraphs of a control file, up to the first bad one. The error names its line.
func readStanzas(r io.Reader) iter.Seq2[stanza, error] {
	return func(yield func(stanza, error) bool) {
		in := bufio.NewScanner(r)
		in.Buffer(make([]byte, 0, 64<<10), maxStanza)
		var s stanza
		size, n := 0, 1
		for ; in.Scan(); n++ {
			line := strings.TrimRight(in.Text(), " \t\r")
			if size += len(line); size > maxStanza {
				yield(nil, fmt.Errorf("line %d: the paragraph is longer than %d bytes", n, maxStanza))
				return
			}
			if line == "" {
				if len(s) > 0 && !yield(s, nil) {
					return
				}
				s, size = nil, 0
				continue
			}
			var err error
			if s, err = s.add(line); err != nil {
				yield(nil, fmt.Errorf("line %d: %w", n, err))
				return
			}
		}
		switch err := in.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			yield(nil, fmt.Errorf("line %d: it is longer than %d bytes", n, maxStanza))
		case err != nil:
			yield(nil, fmt.Errorf("line %d: %w", n, err))
		case len(s) > 0:
			yield(s, nil)
		}
	}
}

var fieldName = regexp.MustCompile(`^[!"$-,.-9;-~][!-9;-~]{0,99}$`)

// add takes a line in: a field, more of the last one, or a comment.
func (s stanza) add(line string) (stanza, error) {
	if !utf8.ValidString(line) || strings.ContainsAny(line, "\x00\r") {
		return nil, errors.New("it is no UTF-8 text")
	}
	switch line[0] {
	case '#':
		return s, nil
	case ' ', '\t':
		if len(s) == 0 {
			return nil, errors.New("it continues a field, but there is none")
		}
		s[len(s)-1].value += "\n" + line
		return s, nil
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok || !fieldName.MatchString(name) {
		return nil, fmt.Errorf("%.60q is no field", line)
	}
	if s.has(name) {
		return nil, fmt.Errorf("the field %s is there twice", name)
	}
	return append(s, field{name, strings.TrimSpace(value)}), nil
}

func (s stanza) has(name string) bool {
	for _, f := range s {
		if strings.EqualFold(f.name, name) {
			return true
		}
	}
	return false
}

// oneStanza reads a file that is a single paragraph.
func oneStanza(r io.Reader) (out stanza, err error) {
	for s, err := range readStanzas(r) {
		if err != nil {
			return nil, err
		}
		if out != nil {
			return nil, errors.New("there is more than one paragraph")
		}
		out = s
	}
	if out == nil {
		return nil, errors.New("it is empty")
	}
	return out, nil
}

package sqlite

import "strings"

// A scanner takes SQL apart into words, as far as needed to tell where a statement begins
// and ends.
type scanner struct{ text string } // what is left

// next returns the next word: a name or number, a literal in its quotes, or one character of
// anything else. Comments and space are skipped. At the end it returns "".
func (s *scanner) next() string {
	s.space()
	if s.text == "" {
		return ""
	}
	n := 1
	switch c := s.text[0]; {
	case letter(c):
		for n < len(s.text) && letter(s.text[n]) {
			n++
		}
	case c == '\'' || c == '"' || c == '`':
		n = quoted(s.text, c)
	case c == '[':
		n = through(s.text, "]")
	}
	word := s.text[:n]
	s.text = s.text[n:]
	return word
}

// space skips white space and comments.
func (s *scanner) space() {
	for {
		s.text = strings.TrimLeft(s.text, " \t\r\n\f\v\ufeff")
		switch {
		case strings.HasPrefix(s.text, "--"):
			s.text = s.text[through(s.text, "\n"):]
		case strings.HasPrefix(s.text, "/*"):
			s.text = s.text[min(len(s.text), 2+through(s.text[2:], "*/")):]
		default:
			return
		}
	}
}

// quoted returns the length of the literal that text begins with. A doubled quote stands for
// one inside.
func quoted(text string, quote byte) int {
	for i := 1; i < len(text); i++ {
		if text[i] != quote {
			continue
		}
		if i+1 == len(text) || text[i+1] != quote {
			return i + 1
		}
		i++
	}
	return len(text)
}

// through returns how long text is up to the end of the first stop.
func through(text, stop string) int {
	if i := strings.Index(text, stop); i >= 0 {
		return i + len(stop)
	}
	return len(text)
}

// letter says whether c may stand in a name without quotes.
func letter(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

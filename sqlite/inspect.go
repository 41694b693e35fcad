package sqlite

import (
	"fmt"
	"strings"
)

// inspect looks at a statement of a caller before SQLite does. It refuses what would begin
// or end the batch, and returns the channel if the statement is NOTIFY.
func inspect(text string) (channel string, err error) {
	s := scanner{text: text}
	first := s.next()
	if strings.EqualFold(first, "NOTIFY") {
		channel, ok := s.channel()
		if !ok {
			return "", fmt.Errorf("sqlite: NOTIFY wants the name of one channel and nothing else: %q", text)
		}
		return channel, nil
	}
	for {
		if err := s.check(first); err != nil {
			return "", err
		}
		// Nearly every text is one statement and ends here, unread.
		if first != ";" && strings.IndexByte(s.text, ';') < 0 {
			return "", nil
		}
		s.skip(first)
		if first = s.next(); first == "" {
			return "", nil
		}
	}
}

// channel reads what follows NOTIFY. Like PostgreSQL it folds a name without quotes.
func (s *scanner) channel() (name string, ok bool) {
	name, end := s.next(), s.next()
	if end == ";" {
		end = s.next()
	}
	switch {
	case end != "" || name == "":
		return "", false
	case name[0] == '"':
		name = strings.ReplaceAll(strings.TrimSuffix(name[1:], `"`), `""`, `"`)
		return name, name != ""
	}
	return strings.ToLower(name), letter(name[0])
}

// check refuses a statement by its first word, and by the rest of a ROLLBACK.
func (s *scanner) check(first string) error {
	switch strings.ToUpper(first) {
	case "BEGIN", "COMMIT", "END":
		return fmt.Errorf("%w: %s", ErrTxControl, first)
	case "ROLLBACK":
		rest := *s
		word := rest.next()
		if strings.EqualFold(word, "TRANSACTION") {
			if word = rest.next(); word != "" && !strings.EqualFold(word, "TO") {
				word = rest.next() // the name that SQLite allows here
			}
		}
		if !strings.EqualFold(word, "TO") {
			return fmt.Errorf("%w: %s", ErrTxControl, first)
		}
		fallthrough
	case "SAVEPOINT", "RELEASE":
		if strings.Contains(strings.ToLower(s.text), strings.Trim(savepointName, `"`)) {
			return fmt.Errorf("%w: that savepoint is the engine's", ErrTxControl)
		}
	}
	return nil
}

// skip goes behind the statement that begins with first. As in SQLite's own shell, CREATE
// TRIGGER goes on to the END that follows a semicolon.
func (s *scanner) skip(first string) {
	trigger, previous := false, first
	if strings.EqualFold(first, "EXPLAIN") {
		first = s.next()
		for strings.EqualFold(first, "QUERY") || strings.EqualFold(first, "PLAN") {
			first = s.next()
		}
	}
	if strings.EqualFold(first, "CREATE") {
		word := s.next()
		if strings.EqualFold(word, "TEMP") || strings.EqualFold(word, "TEMPORARY") {
			word = s.next()
		}
		trigger, previous = strings.EqualFold(word, "TRIGGER"), word
	}
	ended := false // by ";" "END"
	for word := previous; word != ""; word = s.next() {
		if word == ";" && (!trigger || ended) {
			return
		}
		ended = strings.EqualFold(word, "END") && previous == ";"
		previous = word
	}
}

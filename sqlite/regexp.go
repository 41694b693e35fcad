package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"

	modernc "modernc.org/sqlite"
)

// The limits of REGEXP: what a stranger's pattern may cost. Go's regexp is linear in the text.
const (
	maxPattern  = 1000 // bytes; what is longer is refused
	maxPatterns = 16   // compiled ones kept for each connection
)

// patterns are the compiled patterns of one connection, which is used by one goroutine at a time.
type patterns map[string]*regexp.Regexp

// newDriver makes a driver of its own for one connection, with what SQLite leaves to programs:
// the function behind "text REGEXP pattern", in Go's syntax. NULL matches nothing. The driver
// that the whole process shares stays as it is.
func newDriver(c config) (*modernc.Driver, error) {
	d, known := &modernc.Driver{}, patterns{}
	for name, f := range c.functions {
		if err := d.RegisterFunction(name, f); err != nil {
			return nil, err
		}
	}
	return d, d.RegisterDeterministicScalarFunction("regexp", 2, func(_ *modernc.FunctionContext, args []driver.Value) (driver.Value, error) {
		return known.match(args[0], args[1])
	})
}

func (p patterns) match(pattern, text driver.Value) (driver.Value, error) {
	if pattern == nil || text == nil {
		return nil, nil
	}
	source, ok := pattern.(string)
	if !ok {
		return nil, errors.New("REGEXP: the pattern is no text")
	}
	re, err := p.compile(source)
	if err != nil {
		return nil, fmt.Errorf("REGEXP: %w", err)
	}
	switch t := text.(type) {
	case string:
		return re.MatchString(t), nil
	case []byte:
		return re.Match(t), nil
	}
	return re.MatchString(fmt.Sprint(text)), nil
}

func (p patterns) compile(source string) (*regexp.Regexp, error) {
	if re := p[source]; re != nil {
		return re, nil
	}
	if len(source) > maxPattern {
		return nil, fmt.Errorf("the pattern is longer than %d bytes", maxPattern)
	}
	re, err := regexp.Compile(source)
	if err != nil {
		return nil, err
	}
	if len(p) >= maxPatterns {
		clear(p)
	}
	p[source] = re
	return re, nil
}

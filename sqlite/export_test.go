package sqlite

import (
	"database/sql/driver"

	modernc "modernc.org/sqlite"
)

// CheckDriver lets a test tell the driver check which modules a program links.
func CheckDriver(linked map[string]string) string { return checkDriver(linked) }

// Function gives a test an SQL function of its own.
func Function(name string, args int32, f func(*modernc.FunctionContext, []driver.Value) (driver.Value, error)) Option {
	return func(c *config) {
		c.functions = map[string]*modernc.FunctionImpl{name: {NArgs: args, Scalar: f}}
	}
}

package sqlite

import modernc "modernc.org/sqlite"

// Functions adds SQL functions to every connection.
func Functions(register func(*modernc.Driver) error) Option {
	return func(c *config) { c.functions = register }
}

// CheckDriver lets a test tell the driver check which modules a program links.
func CheckDriver(linked map[string]string) string { return checkDriver(linked) }

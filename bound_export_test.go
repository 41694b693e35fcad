package pulp

// Bound takes the values out of a statement.
func Bound(text []byte) (query string, args []any) { return bound(text) }

package sqlite

// CheckDriver lets a test tell the driver check which modules a program links.
func CheckDriver(linked map[string]string) string { return checkDriver(linked) }

package sqlite_test

import "errors"

func fillDisk(string) error { return errors.New("windows has no limit on the size of a file") }

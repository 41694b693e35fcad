package sqlite_test

import "os"

// maxRSS is not known on Windows.
func maxRSS(*os.ProcessState) int64 { return 0 }

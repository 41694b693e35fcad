//go:build unix

package sqlite_test

import (
	"os"
	"runtime"
	"syscall"
)

// maxRSS is how many bytes a process that has ended ever had in memory.
func maxRSS(ended *os.ProcessState) int64 {
	rss := int64(ended.SysUsage().(*syscall.Rusage).Maxrss)
	if runtime.GOOS == "darwin" {
		return rss
	}
	return rss << 10 // the others count KiB
}

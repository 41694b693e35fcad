package sqlite

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
)

// A caller remembers who began a transaction. Noting costs a fraction of a microsecond;
// names are looked up only for a warning.
type caller struct {
	frames [24]uintptr
	n      int
}

func (c *caller) note() { c.n = runtime.Callers(3, c.frames[:]) }

// maxCallers is how many frames a warning names: the nearest is often a small function
// around BeginTx, and the one behind it is where somebody has to look.
const maxCallers = 3

// LogValue names the first functions outside of database/sql, bun and this package, the
// nearest first.
func (c *caller) LogValue() slog.Value {
	var names []string
	frames := runtime.CallersFrames(c.frames[:c.n])
	for {
		f, more := frames.Next()
		if f.Function != "" && !plumbing(f.Function) {
			names = append(names, fmt.Sprintf("%s (%s:%d)", f.Function, f.File, f.Line))
		}
		if !more || len(names) == maxCallers {
			return slog.StringValue(strings.Join(names, ", called by "))
		}
	}
}

func plumbing(function string) bool {
	for _, prefix := range []string{
		"database/sql.", "github.com/uptrace/bun.", "github.com/uptrace/bun/",
		"github.com/gopulp/pulp/sqlite.", "runtime.",
	} {
		if strings.HasPrefix(function, prefix) {
			return true
		}
	}
	return false
}

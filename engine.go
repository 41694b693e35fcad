package pulp

import (
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// An engine is what an App has for its tasks. The rows are the truth; all that is here may be
// forgotten at any time, at the price of a later start.
type engine struct {
	ready       readyList
	pool        *pool
	live        liveJobs
	lease       *lease
	commits     bell // rung after commits of a shared database
	waiters     *waiters
	events      *board
	crowded     atomic.Bool // who ended last was waited for, so that the next may be, too
	limitsNamed limitNumbers
	started     chan struct{} // closed by the first Run
	once        sync.Once     // closes it

	unlisten func() // of an App whose tasks run inline; else nil
}

func newEngine(a *App) *engine {
	workers := a.cfg.Workers
	if workers == 0 {
		workers = max(4, runtime.NumCPU())
	}
	return &engine{ready: newQueue(a.db.Writer(), a.db.Shared()), lease: newLease(a.cfg.Lease), pool: newPool(a, max(0, workers)), waiters: newWaiters(), events: newBoard(), started: make(chan struct{})}
}

// at marks a point at which tests kill the process.
func (a *App) at(point string) {
	if a.cfg.crash != nil {
		a.cfg.crash(point)
	}
}

// The failures of a handler that neither succeeds nor says why. They are all that the record
// says: stacks and values are for the log.
var (
	errPanicked = fmt.Errorf("the task panicked; the log of its process has the details")
	errExited   = fmt.Errorf("the task ended its goroutine without returning")
)

// spawn calls f on a goroutine of its own and returns a channel that yields its error. A
// panic is logged and becomes an error, and so does a Goexit.
func spawn(log func() *slog.Logger, f func() error) <-chan error {
	done := make(chan error, 1)
	go func() {
		err := errExited
		defer func() { done <- err }()
		defer func() {
			if p := recover(); p != nil {
				log().Error("task panicked", "panic", p, "stack", string(debug.Stack()))
				err = errPanicked
			}
		}()
		err = f()
	}()
	return done
}

package pulptest

import (
	"context"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
)

// A Gate stops those who come to it until it is opened, and tells the test that they are there.
type Gate struct {
	came chan struct{}
	open chan struct{}
	once sync.Once
}

// NewGate makes a gate that is closed.
func NewGate() *Gate {
	return &Gate{came: make(chan struct{}, 1<<16), open: make(chan struct{})}
}

// Pass waits until the gate is open, or ctx ends.
func (g *Gate) Pass(ctx context.Context) error {
	g.came <- struct{}{}
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Await returns when n more have come to the gate.
func (g *Gate) Await(t T, n int) {
	t.Helper()
	for i := range n {
		select {
		case <-g.came:
		case <-time.After(patience):
			require.Fail(t, "nobody comes to the gate", "%d of %d came", i, n)
		}
	}
}

// Open lets all pass, now and later. It may be called again.
func (g *Gate) Open() { g.once.Do(func() { close(g.open) }) }

// patience is how long something may take that a test waits for before it is taken for hung.
const patience = 60 * time.Second

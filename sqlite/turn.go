package sqlite

import (
	"context"
	"slices"
	"sync"
)

// A turn is the right to use the writer's connection. One caller has it at a time; the
// others wait in the order of their coming. The zero turn is free.
type turn struct {
	mu     sync.Mutex
	taken  bool
	closed bool
	line   []chan error
}

// take waits for the turn. It returns the context's error if that ends first, and ErrClosed
// if the turn is closed. If the turn and the end of the context come together, it may return
// nil: who takes the turn has to look at the context again.
func (t *turn) take(ctx context.Context) error {
	t.mu.Lock()
	switch {
	case t.closed:
		t.mu.Unlock()
		return ErrClosed
	case !t.taken:
		t.taken = true
		t.mu.Unlock()
		return nil
	}
	mine := make(chan error, 1)
	t.line = append(t.line, mine)
	t.mu.Unlock()
	select {
	case err := <-mine:
		return err
	case <-ctx.Done():
	}
	if t.step(mine) {
		return ctx.Err()
	}
	return <-mine
}

// step takes somebody out of the line. It reports false if the turn has come already.
func (t *turn) step(mine chan error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.line, mine)
	if i < 0 {
		return false
	}
	t.line = slices.Delete(t.line, i, i+1)
	return true
}

// pass gives the turn to the first in line. If nobody waits, it reports false and the turn
// stays where it is.
func (t *turn) pass() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next()
}

// free gives the turn to the first in line, or to whoever comes.
func (t *turn) free() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken = t.next()
}

func (t *turn) next() bool {
	if len(t.line) == 0 {
		return false
	}
	t.line[0] <- nil
	t.line[0] = nil
	t.line = t.line[1:]
	return true
}

// close sends away everybody who waits or comes later, and returns a channel that yields
// when the last holder has given up the turn, which is then the closer's for ever. It
// returns nil if the turn was closed before.
func (t *turn) close() <-chan error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	for _, waiting := range t.line {
		waiting <- ErrClosed
	}
	mine := make(chan error, 1)
	t.line = []chan error{mine}
	if !t.taken {
		t.taken = t.next()
	}
	return mine
}

func (t *turn) isClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

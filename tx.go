package pulp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
)

// Tx runs f in a transaction of the App's writer and commits it if f returns nil; when Tx
// returns nil, it is on the disk. An error or a panic of f, or the end of ctx before the
// commit, rolls everything back. The ctx given to f carries the App. If another process keeps the
// database locked, Tx returns ErrBusy, except in a task, which waits.
//
// Tasks dispatched in f start right after the commit if a worker is free. Called inside the f
// of the same App, Tx returns ErrNestedTx; tx.BeginTx makes a savepoint.
//
// All writers wait while f runs, so f should only write rows.
func (a *App) Tx(ctx context.Context, f func(ctx context.Context, tx bun.Tx) error) error {
	return a.inTx(ctx, func(ctx context.Context, s *scope) error { return f(ctx, s.tx) })
}

// A scope is a transaction whose end the App sees. It remembers what has to be done in memory
// when it ends: after the commit in the order of the asking, after a rollback in the reverse.
type scope struct {
	app    *App
	tx     bun.Tx
	outer  *scope // of another App
	open   atomic.Bool
	commit []func()
	undo   []func()

	events []Event
	drawn  bool // it has a turn to publish them
	turn   uint64
}

// scopeOf returns a's transaction that ctx is in, or nil.
func (a *App) scopeOf(ctx context.Context) *scope {
	s, _ := ctx.Value(txKey).(*scope)
	for s != nil && (s.app != a || !s.open.Load()) {
		s = s.outer
	}
	return s
}

// inTx is Tx for those who need the scope.
func (a *App) inTx(ctx context.Context, f func(ctx context.Context, s *scope) error) (err error) {
	if a.scopeOf(ctx) != nil {
		return ErrNestedTx
	}
	if a.closed.Load() {
		return ErrClosed
	}
	if FromContext(ctx) != a {
		ctx = a.With(ctx)
	}
	_ = CallerOf(ctx) // is found out before, if need be: nobody waits for a password to be verified
	outer, _ := ctx.Value(txKey).(*scope)
	s := &scope{app: a, outer: outer}
	ctx = context.WithValue(ctx, txKey, s)
	for err = ErrBusy; err == ErrBusy; {
		s.tx, err = a.db.Writer().BeginTx(ctx, nil)
		err = a.waitIfBusy(ctx, err)
	}
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	s.open.Store(true)
	defer s.rollback() // also on a panic or a Goexit of f; after a commit it does nothing
	if err := f(ctx, s); err != nil {
		return err
	}
	a.at("commit")
	if err := s.tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	a.at("committed")
	s.open.Store(false)
	s.tellEvents(s.events)
	for _, do := range s.commit {
		do()
	}
	return nil
}

// waitIfBusy returns how a transaction began. But if another process keeps the database locked, a
// task is to wait, so that no handler sees that: then it returns ErrBusy itself, after a pause.
// Others get an error that wraps it.
func (a *App) waitIfBusy(ctx context.Context, err error) error {
	if !isBusy(err) {
		return err
	}
	j := JobFrom(ctx)
	if j == nil {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	j.Log().Warn("a task waits for a process that keeps the database locked", "error", err)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-a.waiters.closed:
		return ErrClosed
	case <-time.After(busyPause):
		return ErrBusy
	}
}

// busyPause is how long to wait after the database itself has waited.
const busyPause = 10 * time.Millisecond

// isBusy says that err is of another process, which keeps the database locked.
func isBusy(err error) bool {
	var b interface{ Busy() bool }
	return errors.As(err, &b) && b.Busy()
}

// onCommit has do called after the commit. It must not block.
func (s *scope) onCommit(do func()) { s.commit = append(s.commit, do) }

// onRollback has do called if the transaction, or the savepoint in which this is said, is
// rolled back. It must not block.
func (s *scope) onRollback(do func()) { s.undo = append(s.undo, do) }

// sees says whether the end of tx is the end of s. A savepoint that the caller made may be
// rolled back unseen.
func (s *scope) sees(tx bun.Tx) bool { return s != nil && s.tx == tx }

func (s *scope) rollback() {
	if !s.open.Swap(false) {
		return
	}
	_ = s.tx.Rollback() // it fails only if there is nothing left to roll back
	s.app.ready.doubt()
	s.tellEvents(nil)
	s.rewind(mark{})
}

// A mark is a point in a scope to which a savepoint may go back.
type mark struct{ commit, undo, events int }

func (s *scope) mark() mark { return mark{len(s.commit), len(s.undo), len(s.events)} }

// rewind undoes in memory what was done since m.
func (s *scope) rewind(m mark) {
	for _, do := range slices.Backward(s.undo[m.undo:]) {
		do()
	}
	s.commit, s.undo, s.events = s.commit[:m.commit], s.undo[:m.undo], s.events[:m.events]
}

// savepoint runs f so that nothing of it stays if it fails. It returns f's error as failure,
// and as err why the transaction itself can not go on. s may be nil if the App does not see
// the end of tx.
func savepoint(ctx context.Context, tx bun.Tx, s *scope, f func() error) (failure, err error) {
	ctx = context.WithoutCancel(ctx) // f's context may be over; going back must work nevertheless
	if _, err := tx.Tx.ExecContext(ctx, "SAVEPOINT pulp_task"); err != nil {
		return nil, fmt.Errorf("make savepoint: %w", err)
	}
	var m mark
	if s != nil {
		m = s.mark()
	}
	if failure = f(); failure != nil {
		if s != nil {
			s.rewind(m)
		}
		if _, err := tx.Tx.ExecContext(ctx, "ROLLBACK TO pulp_task"); err != nil {
			return failure, fmt.Errorf("go back to savepoint: %w", err)
		}
	}
	if _, err := tx.Tx.ExecContext(ctx, "RELEASE pulp_task"); err != nil {
		return failure, fmt.Errorf("release savepoint: %w", err)
	}
	return failure, nil
}

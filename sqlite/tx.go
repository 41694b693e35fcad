package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"sync"
	"time"
)

// errDeferredKey is the answer to a transaction that leaves a deferred foreign key unmet.
var errDeferredKey = errors.New("FOREIGN KEY constraint failed: a deferred reference leads nowhere")

// A tx is one caller's transaction: a savepoint of the batch. Between begin and its end it
// has the turn.
type tx struct {
	engine *engine
	batch  *batch
	ctx    context.Context // of begin; database/sql gives none to Commit
	caller caller
	begun  time.Time
	slow   bool // it may be slow: no warning about it
	first  bool // it began the batch, and is all that is in it as long as it has the turn

	// mu is held by each statement, and by those who end the transaction from outside:
	// the idle timer, and close.
	mu       sync.Mutex
	over     bool
	err      error // why it is over, if not by Commit or Rollback
	used     time.Time
	idle     *time.Timer
	channels []string // of NOTIFY
}

// begin waits for the turn and opens a transaction.
func (e *engine) begin(ctx context.Context, slow bool) (*tx, error) {
	if err := e.turn.take(ctx); err != nil {
		return nil, err
	}
	t := &tx{engine: e, ctx: ctx, slow: slow, begun: time.Now()}
	t.caller.note()
	if err := t.enter(); err != nil {
		e.leave()
		return nil, err
	}
	return t, nil
}

func (t *tx) enter() (err error) {
	e := t.engine
	// Either close finds this transaction in holder, or it is found to be closed here.
	t.mu.Lock()
	defer t.mu.Unlock()
	defer func() { t.over, t.err = err != nil, err }()
	e.holder.Store(t)
	if e.turn.isClosed() {
		return ErrClosed
	}
	if err := t.ctx.Err(); err != nil {
		return err
	}
	if err := e.open(t.ctx); err != nil {
		return err
	}
	// The first of a batch can be rolled back with the batch itself.
	if t.first = e.batch.begun == 0; !t.first {
		if _, err := e.exec(savepoint, nil, true); err != nil {
			return err
		}
	}
	t.batch = e.batch
	t.batch.begun++
	t.used = time.Now()
	return nil
}

// watch rolls the transaction back if no statement comes for the idle limit.
func (t *tx) watch() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle = time.AfterFunc(t.engine.idleLimit, t.checkIdle)
}

func (t *tx) checkIdle() {
	if !t.mu.TryLock() { // a statement is running
		t.idle.Reset(t.engine.idleLimit)
		return
	}
	defer t.mu.Unlock()
	if rest := t.engine.idleLimit - time.Since(t.used); rest > 0 {
		t.idle.Reset(rest)
		return
	}
	if !t.over {
		t.engine.log.Warn("sqlite: transaction rolled back: no statement for the idle limit; is a Commit or Rollback missing?",
			"limit", t.engine.idleLimit, "caller", &t.caller)
		t.rollback(ErrTxIdle)
	}
}

// exec runs one statement.
func (t *tx) exec(ctx context.Context, text string, args []driver.NamedValue, keep bool) (res driver.Result, err error) {
	err = t.run(ctx, text, func() error {
		res, err = t.engine.exec(text, args, keep)
		return err
	})
	if res == nil && err == nil { // NOTIFY, or no statement at all
		res = driver.RowsAffected(0)
	}
	return res, err
}

// query runs one statement and returns its rows, all of them read.
func (t *tx) query(ctx context.Context, text string, args []driver.NamedValue, keep bool) (rows driver.Rows, err error) {
	err = t.run(ctx, text, func() error {
		rows, err = t.engine.query(text, args, keep)
		return err
	})
	if rows == nil && err == nil { // NOTIFY
		rows = &bufferedRows{}
	}
	return rows, err
}

// run is what all statements have in common: the context is looked at before, never during,
// and afterwards the transaction may turn out to be lost.
func (t *tx) run(ctx context.Context, text string, statement func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return t.fate()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	channel, err := inspect(text)
	if err != nil {
		return err
	}
	if channel != "" {
		if !slices.Contains(t.channels, channel) {
			t.channels = append(t.channels, channel)
		}
		return nil
	}
	err = statement()
	t.used = time.Now()
	if t.engine.batch != t.batch {
		t.finish(err)
	}
	return err
}

// fate is the error for using a transaction that is over.
func (t *tx) fate() error {
	if t.err != nil {
		return t.err
	}
	return errors.New("sqlite: transaction is over")
}

// Commit releases the savepoint and waits for the batch.
func (t *tx) Commit() error {
	if err := t.release(); err != nil {
		return err
	}
	<-t.batch.done
	if t.batch.err != nil {
		return t.batch.err
	}
	t.engine.listeners.call(t.channels)
	return nil
}

// release makes the transaction part of the batch, for better or worse. Whatever forbids
// that rolls it back.
func (t *tx) release() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return t.fate()
	}
	err := t.ctx.Err()
	if err == nil {
		err = t.checkDeferredKeys()
	}
	if err == nil && !t.first {
		_, err = t.engine.exec(release, nil, true)
	}
	if err != nil {
		t.rollback(err)
		return err
	}
	t.batch.released++
	t.finish(nil)
	return nil
}

// checkDeferredKeys finds what SQLite would look at only when the batch commits, where it
// would fail everybody.
func (t *tx) checkDeferredKeys() error {
	unmet, _, err := t.engine.link.raw.Status(dbStatusDeferredKeys, false)
	if err == nil && unmet != 0 {
		err = errDeferredKey
	}
	return err
}

// Rollback undoes the transaction. On one that is over it does nothing.
func (t *tx) Rollback() error {
	t.end(nil)
	return nil
}

// end rolls the transaction back unless it is over.
func (t *tx) end(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.rollback(why)
	}
}

// rollback undoes what the transaction did and gives up the turn. If SQLite cannot undo
// that alone, the whole batch goes.
func (t *tx) rollback(why error) {
	e := t.engine
	switch {
	case e.batch != t.batch: // it is gone
	case t.first:
		e.abandon()
		e.end(nil) // nobody waits for it
	default:
		_, err := e.exec(rollbackTo, nil, true)
		if err == nil {
			_, err = e.exec(release, nil, true)
		}
		if err != nil && e.batch == t.batch {
			e.abandon()
			e.lose(err)
		}
	}
	e.counts.rollbacks.Add(1)
	t.finish(why)
}

// finish gives up the turn; why is what later statements are told.
func (t *tx) finish(why error) {
	t.over, t.err = true, why
	if t.idle != nil {
		t.idle.Stop()
	}
	held := time.Since(t.begun)
	t.engine.leave()
	if held > t.engine.slowLimit && !t.slow {
		t.engine.log.Warn("sqlite: slow transaction kept all other writers waiting",
			"held", held.Round(time.Millisecond), "caller", &t.caller)
	}
}

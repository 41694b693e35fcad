package pulp

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// listTask notes that a task is on the ready list, and that it is runnable if that was unknown.
const listTask = `UPDATE task SET message = ?1, unblocked_at = ifnull(unblocked_at, ?2) WHERE id = ?3`

// findUnique finds the unfinished task of a key.
const findUnique = `SELECT id, pulp_id FROM task
WHERE name = ? AND unique_key = ? AND unique_key IS NOT NULL AND state IN ('waiting', 'running', 'canceling')`

// notifyTask wakes the workers after the commit of a transaction that the App does not see end.
const notifyTask = `NOTIFY ` + taskChannel

const taskChannel = "pulp_task"

// A dispatch is a task on its way into the database.
type dispatch struct {
	app          *App
	tx           bun.Tx
	typ          taskType
	args         []byte // JSON
	reservations []Reservation
	limits       []Limit
	priority     int
	at           time.Time // zero: at once
	unique       string
	timeout      time.Duration
	immediate    bool
	notDeferred  bool
	group        *int64
	groupID      ID
	under        *ID // the parent that was chosen; nil: the task of the handler

	reserved reserved
	caller   Caller
	parent   *int64
	id       int64
	pulpID   ID
	state    State
	existed  bool     // another one is there instead
	early    *outcome // if it ended in tx already
}

// run writes the task, and has its first state told.
func (d *dispatch) run(ctx context.Context) error {
	s := d.app.scopeOf(ctx)
	if err := d.place(ctx, s); err != nil {
		return err
	}
	if !d.existed && s.sees(d.tx) {
		s.tell(d.pulpID, d.typ.name, d.state)
	}
	return nil
}

// place chooses one of three ways: the task runs inside the transaction; it is handed to a free
// worker, to start after the commit; or it waits, for its time, its resources or a worker.
func (d *dispatch) place(ctx context.Context, s *scope) error {
	if err := d.check(); err != nil {
		return err
	}
	if there, err := d.findThere(ctx); err != nil || there {
		return err
	}
	claims, err := d.app.claims(ctx, d.tx, d.reservations)
	if err != nil {
		return err
	}
	d.reserved = reserve(claims, d.limits, d.app.domain.resource())
	for _, l := range d.limits {
		d.app.limitsNamed.note(l.Key, l.N)
	}
	d.pulpID, d.caller = NewID(), CallerOf(ctx)
	parent := JobFrom(ctx)
	if err := d.findParent(ctx, parent); err != nil {
		return err
	}
	switch {
	case d.held():
		return d.hold(ctx, s)
	case d.typ.runTx != nil && d.typ.slow.Load() < slowLimit && (parent == nil || !parent.inTx.Load()):
		return d.runInline(ctx, s)
	case s.sees(d.tx) && (d.app.ready.isEmpty() && d.app.pool.take() || d.immediate && d.app.pool.takeExtra()):
		return d.handOver(ctx, s)
	}
	at, err := d.insert(ctx, Waiting, nil)
	if err != nil || at != ready {
		return err
	}
	return d.announce(ctx, s, d.app.pool.wake)
}

// findThere looks for an unfinished task of the same key.
func (d *dispatch) findThere(ctx context.Context) (there bool, err error) {
	if d.unique == "" {
		return false, nil
	}
	err = d.tx.Tx.QueryRowContext(ctx, findUnique, d.typ.name, d.unique).Scan(&d.id, &d.pulpID)
	if noRows(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the task of key %q: %w", d.unique, err)
	}
	d.existed = true
	return true, nil
}

// hold writes a task that is held back.
func (d *dispatch) hold(ctx context.Context, s *scope) error {
	if _, err := d.insert(ctx, Waiting, nil); err != nil {
		return err
	}
	return d.announce(ctx, s, d.app.pool.rearm)
}

// handOver claims the task, if it is not blocked, for the slot of a worker that the caller
// has taken. The slot goes back if the task is blocked or the transaction is rolled back.
func (d *dispatch) handOver(ctx context.Context, s *scope) error {
	pool, given := d.app.pool, false
	defer func() {
		if !given {
			pool.give()
		}
	}()
	state, worker := Running, pool.enrolled()
	if gone, err := d.app.isGone(ctx, s); err != nil {
		return err
	} else if gone {
		state = Waiting
	}
	switch at, err := d.insert(ctx, state, &worker); {
	case err != nil:
		return err
	case at == ready:
		return d.announce(ctx, s, pool.wake)
	case at == started:
		given = true
		pool.startAfter(s, pool.newJob(d.assignment(worker)))
	}
	return nil
}

func (d *dispatch) assignment(worker int64) assignment {
	return assignment{
		id: d.id, pulpID: d.pulpID, name: d.typ.name, worker: worker, attempt: 1, reserved: d.reserved,
		createdBy: d.caller.AccountID, cid: d.caller.CorrelationID, plain: d.args, timeout: d.timeout,
	}
}

// announce has wake called after the commit; if the App does not see the commit, the database
// calls all there is to wake.
func (d *dispatch) announce(ctx context.Context, s *scope, wake func()) error {
	if s.sees(d.tx) {
		s.onCommit(wake)
		return nil
	}
	if _, err := d.tx.Tx.ExecContext(ctx, notifyTask); err != nil {
		return fmt.Errorf("notify workers: %w", err)
	}
	return nil
}

// push puts a waiting, runnable task on the ready list.
func (a *App) push(ctx context.Context, tx bun.Tx, task int64, priority int) error {
	message, err := a.ready.push(ctx, tx, task, priority)
	if err != nil {
		return err
	}
	if _, err := tx.Tx.ExecContext(ctx, listTask, message, a.now(), task); err != nil {
		return fmt.Errorf("note message of task %d: %w", task, err)
	}
	return nil
}

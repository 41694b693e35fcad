package pulp

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// insertTask makes the row of a task and decides whether it may run: no older unfinished task
// names one of its exclusive resources (?1), and none names one of its shared ones (?2)
// exclusively. The new task is younger than all, so every row of a resource counts. If it may
// run, it gets the state ?4 and the worker ?5, which claim it at once or not.
const insertTask = `WITH rule (blocked) AS MATERIALIZED (SELECT ` + wanted + `)
INSERT INTO task (exclusive, shared, record, state, unblocked_at, started_at, worker_id, attempt,
  pulp_id, domain_id, created_by, pulp_created, pulp_last_updated, name, logging_cid, parent_id, priority, args)
SELECT ?1, ?2, ?3,
  CASE WHEN blocked THEN 'waiting' ELSE ?4 END,
  CASE WHEN NOT blocked THEN ?6 END,
  CASE WHEN NOT blocked AND ?4 = 'running' THEN ?6 END,
  CASE WHEN NOT blocked THEN ?5 END,
  CASE WHEN NOT blocked AND ?4 = 'running' THEN 1 ELSE 0 END,
  ?7, ?8, ?9, ?6, ?6, ?10, ?11, ?12, ?13, ?14
FROM rule
RETURNING id, unblocked_at IS NULL`

// insertReservations gives a task its place in the line of each of its resources.
const insertReservations = `INSERT INTO reservation (resource, exclusive, task_id)
SELECT value, 1, ?1 FROM json_each(?2) UNION ALL SELECT value, 0, ?1 FROM json_each(?3)`

// listTask notes that a task is on the ready list, and that it is runnable if that was unknown.
const listTask = `UPDATE task SET message = ?1, unblocked_at = ifnull(unblocked_at, ?2) WHERE id = ?3`

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

	reserved reserved
	caller   Caller
	parent   *int64
	id       int64
	pulpID   ID
	early    *outcome // if it ended in tx already
}

// run chooses one of three ways: the task runs inside the transaction; it is handed to a free
// worker, to start after the commit; or it waits, for its resources or for a worker.
func (d *dispatch) run(ctx context.Context) error {
	claims, err := d.app.claims(ctx, d.tx, d.reservations)
	if err != nil {
		return err
	}
	d.reserved = reserve(claims, d.app.domain.resource())
	d.pulpID, d.caller = NewID(), CallerOf(ctx)
	s := d.app.scopeOf(ctx)
	parent := JobFrom(ctx)
	if parent != nil && parent.app == d.app {
		d.parent = &parent.id
	}
	switch {
	case d.typ.runTx != nil && d.typ.slow.Load() < slowLimit && (parent == nil || !parent.inTx.Load()):
		return d.runInline(ctx, s)
	case s.sees(d.tx) && d.app.ready.isEmpty() && d.app.pool.take():
		return d.handOver(ctx, s)
	}
	blocked, err := d.insert(ctx, Waiting, nil)
	if err != nil {
		return err
	}
	if err := d.reserve(ctx); err != nil || blocked {
		return err
	}
	return d.enqueue(ctx, s)
}

// insert writes the task; state and worker are for the case that it is not blocked.
func (d *dispatch) insert(ctx context.Context, state State, worker *int64) (blocked bool, err error) {
	row := d.tx.Tx.QueryRowContext(ctx, insertTask,
		d.reserved.exclusive, d.reserved.shared, d.reserved.record, string(state), worker, d.app.now(), d.pulpID,
		d.app.domain.ID, d.caller.AccountID, d.typ.name, d.caller.CorrelationID, d.parent, 0, d.app.box.Seal(d.args))
	if err := row.Scan(&d.id, &blocked); err != nil {
		return false, fmt.Errorf("write task: %w", err)
	}
	return blocked, nil
}

func (d *dispatch) reserve(ctx context.Context) error {
	if d.reserved.none() {
		return nil
	}
	if _, err := d.tx.Tx.ExecContext(ctx, insertReservations, d.id, d.reserved.exclusive, d.reserved.shared); err != nil {
		return fmt.Errorf("write reservations: %w", err)
	}
	return nil
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
	blocked, err := d.insert(ctx, Running, &pool.worker)
	if err != nil {
		return err
	}
	if err := d.reserve(ctx); err != nil || blocked {
		return err
	}
	given = true
	pool.startAfter(s, pool.newJob(d.assignment(pool.worker)))
	return nil
}

func (d *dispatch) assignment(worker int64) assignment {
	return assignment{
		id: d.id, pulpID: d.pulpID, name: d.typ.name, worker: worker, attempt: 1, reserved: d.reserved,
		createdBy: d.caller.AccountID, cid: d.caller.CorrelationID, plain: d.args,
	}
}

// enqueue puts a runnable task on the ready list and sees to it that the workers learn of it.
func (d *dispatch) enqueue(ctx context.Context, s *scope) error {
	if err := d.app.push(ctx, d.tx, d.id, 0); err != nil {
		return err
	}
	if s.sees(d.tx) {
		s.onCommit(d.app.pool.wake)
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

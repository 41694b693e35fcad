package pulp

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// insertTask makes the row of a task and decides whether it may run: no older unfinished task
// names one of its exclusive resources (?1), none names one of its shared ones (?2) exclusively,
// and of each of its limits (?3) less than are allowed are taken. The new task is younger than
// all, so every row of a resource counts. If it may run, it gets the state ?5 and the worker
// ?6, which claim it at once or not; but a paused type stays ready. If it may not, or ?4 says
// so, it gets the state ?7 and the error ?8.
const insertTask = `WITH rule (blocked, paused) AS MATERIALIZED (SELECT ?4 OR ` + wanted + `, EXISTS (SELECT 1 FROM paused_type WHERE name = ?13)
), fate (state, blocked, error) AS MATERIALIZED (
  SELECT CASE WHEN blocked OR paused AND ?7 <> 'waiting' THEN ?7 WHEN paused THEN 'waiting' ELSE ?5 END, blocked,
    CASE WHEN blocked OR paused AND ?7 <> 'waiting' THEN ?8 END FROM rule
)
INSERT INTO task (exclusive, shared, limits, record, state, unblocked_at, started_at, worker_id, attempt, finished_at, error,
  pulp_id, domain_id, created_by, pulp_created, pulp_last_updated, name, logging_cid, parent_id, priority, args, run_at, timeout, unique_key, group_id)
SELECT ?1, ?2, ?3, ?9, state,
  CASE WHEN NOT blocked THEN ?10 END,
  CASE WHEN state = 'running' THEN ?10 END,
  CASE WHEN state = 'running' THEN ?6 END,
  CASE WHEN state = 'running' THEN 1 ELSE 0 END,
  CASE WHEN state = 'canceled' THEN ?10 END, error,
  ?11, ?12, ?14, ?10, ?10, ?13, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22
FROM fate
RETURNING id, state, unblocked_at IS NULL`

// insertReservations gives a task its place in the line of each of its resources.
const insertReservations = `INSERT INTO reservation (resource, mode, ticket, task_id)
SELECT value, 1, ?1, ?2 FROM json_each(?3) UNION ALL SELECT value, 0, ?1, ?2 FROM json_each(?4)
UNION ALL SELECT value ->> 0, 2, ?1, ?2 FROM json_each(?5)`

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
	return d.enqueue(ctx, s)
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

// A place is where a task is after its insertion.
type place int

const (
	blocked place = iota // it waits for others, and has its reservations
	ready                // it may run
	started              // it has been claimed
	refused              // it is canceled
)

// insert writes the task and its reservations; state and worker are for the case that it may
// run. A task that runs inside the transaction needs no reservations: nobody sees it.
func (d *dispatch) insert(ctx context.Context, state State, worker *int64) (place, error) {
	otherwise, reason := Waiting, outcome{}
	unable := d.held()
	if d.notDeferred {
		otherwise, reason = Canceled, ended(Canceled, reasonBusy)
		unable = state == Waiting // nobody can take it at once
	}
	var got State
	var isBlocked bool
	row := d.tx.Tx.QueryRowContext(ctx, insertTask,
		d.reserved.exclusive, d.reserved.shared, d.reserved.limits, unable, string(state), worker, string(otherwise), nullable(reason.err),
		d.reserved.record, d.app.now(), d.pulpID, d.app.domain.ID, d.typ.name, d.caller.AccountID, d.caller.CorrelationID, d.parent,
		d.priority, d.app.box.Seal(d.args), timeOrNull(d.at), microsOrNull(d.timeout), textOrNull(d.unique), d.group)
	if err := row.Scan(&d.id, &got, &isBlocked); err != nil {
		return 0, fmt.Errorf("write task: %w", err)
	}
	d.reserved.ticket, d.state = d.id, got
	switch {
	case got == Canceled:
		d.early = &reason
		return refused, nil
	case d.held():
		return blocked, nil
	case got == Running && worker == nil:
		return started, nil
	}
	if err := d.app.reserve(ctx, d.tx, d.id, d.reserved); err != nil {
		return 0, err
	}
	switch {
	case got == Running:
		return started, nil
	case isBlocked:
		return blocked, nil
	}
	return ready, nil
}

// reserve gives a task its place in the lines.
func (a *App) reserve(ctx context.Context, tx bun.Tx, task int64, r reserved) error {
	if r.none() {
		return nil
	}
	if _, err := tx.Tx.ExecContext(ctx, insertReservations, r.ticket, task, r.exclusive, r.shared, r.limits); err != nil {
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
		return d.enqueue(ctx, s)
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

// enqueue puts a runnable task on the ready list and sees to it that the workers learn of it.
func (d *dispatch) enqueue(ctx context.Context, s *scope) error {
	if err := d.app.push(ctx, d.tx, d.id, d.priority); err != nil {
		return err
	}
	return d.announce(ctx, s, d.app.pool.wake)
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

func timeOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return TimeOf(t)
}

func microsOrNull(d time.Duration) any {
	if d == 0 {
		return nil
	}
	return d.Microseconds()
}

func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

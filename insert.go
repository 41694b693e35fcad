package pulp

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// judgeTask says of a task that is about to be written whether it is blocked: somebody names one of
// its exclusive resources (?1), or one of its shared ones (?2) exclusively, or of one of its limits
// (?3) as many as are allowed are taken. The new task is younger than all, so every row of a
// resource counts. It also says whether the task's type (?4) is paused, and draws its number.
const judgeTask = `SELECT ` + wanted + `, EXISTS (SELECT 1 FROM paused_type WHERE name = ?4),
  1 + ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'task'), 0)`

// insertTask numbers none of its many arguments, for the driver would look for each by its name.
const insertTask = `INSERT INTO task (id, pulp_id, domain_id, created_by, pulp_created, pulp_last_updated, name, state, logging_cid,
  unblocked_at, started_at, finished_at, run_at, priority, worker_id, attempt, parent_id, message, exclusive, shared, record, args,
  error, timeout, limits, unique_key, group_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// insertReservations gives a task its place in the line of each of its resources.
const insertReservations = `INSERT INTO reservation (resource, mode, ticket, task_id)
SELECT value, 1, ?1, ?2 FROM json_each(?3) UNION ALL SELECT value, 0, ?1, ?2 FROM json_each(?4)
UNION ALL SELECT value ->> 0, 2, ?1, ?2 FROM json_each(?5)`

// A place is where a task is after its insertion.
type place int

const (
	blocked place = iota // it waits for others, and has its reservations
	ready                // it may run
	started              // it has been claimed
	refused              // it is canceled
)

// insert writes the task, its reservations and, if it is ready, its message; state and worker
// are for the case that it may run. A task that runs inside the transaction needs no
// reservations: nobody sees it.
func (d *dispatch) insert(ctx context.Context, state State, worker *int64) (place, error) {
	at, err := d.judge(ctx, state, worker)
	if err != nil {
		return 0, fmt.Errorf("judge task: %w", err)
	}
	if err := d.write(ctx, at, worker); err != nil {
		return 0, err
	}
	if at == refused || d.held() || at == started && worker == nil {
		return at, nil
	}
	return at, d.app.reserve(ctx, d.tx, d.id, d.reserved)
}

// judge decides where the task is to be, and draws its number. If it is blocked or paused, it
// does not get the state that it should have; one that may not wait is then canceled.
func (d *dispatch) judge(ctx context.Context, state State, worker *int64) (place, error) {
	var isBlocked, paused bool
	row := d.tx.Tx.QueryRowContext(ctx, judgeTask, d.reserved.exclusive, d.reserved.shared, d.reserved.limits, d.typ.name)
	if err := row.Scan(&isBlocked, &paused, &d.id); err != nil {
		return 0, err
	}
	d.reserved.ticket = d.id
	nobody := state == Waiting // it is to start, but there is nobody who can take it
	switch {
	case d.notDeferred && (isBlocked || paused || nobody):
		reason := ended(Canceled, reasonBusy)
		d.state, d.early = Canceled, &reason
		return refused, nil
	case isBlocked || d.held():
		d.state = Waiting
		return blocked, nil
	case paused || nobody:
		d.state = Waiting
		return ready, nil
	}
	d.state = state
	return started, nil
}

// write writes the row of a task, after the message that the row names.
func (d *dispatch) write(ctx context.Context, at place, worker *int64) error {
	now := d.app.now()
	var message, unblocked, start, finish, fault, attempt any = nil, nil, nil, nil, nil, 0
	switch at {
	case ready:
		id, err := d.app.ready.push(ctx, d.tx, d.id, d.priority)
		if err != nil {
			return err
		}
		message, unblocked = id, now
	case started:
		unblocked, start, attempt = now, now, 1
	case refused:
		finish, fault = now, nullable(d.early.err)
	}
	if at != started {
		worker = nil
	}
	_, err := d.tx.Tx.ExecContext(ctx, insertTask,
		d.id, d.pulpID, d.app.domain.ID, d.caller.AccountID, now, now, d.typ.name, string(d.state), d.caller.CorrelationID,
		unblocked, start, finish, timeOrNull(d.at), d.priority, worker, attempt, d.parent, message,
		d.reserved.exclusive, d.reserved.shared, d.reserved.record, d.app.box.Seal(d.args),
		fault, microsOrNull(d.timeout), d.reserved.limits, textOrNull(d.unique), d.group)
	if err != nil {
		return fmt.Errorf("write task: %w", err)
	}
	return nil
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

package pulp

import (
	"context"
	"fmt"
)

const findTask = `SELECT id, name, state, message, exclusive, shared, record, limits, ifnull(ticket, id) FROM task WHERE pulp_id = ?`

const cancelWaiting = `UPDATE task SET state = 'canceled', finished_at = ?1, pulp_last_updated = ?1, message = NULL, run_at = NULL WHERE id = ?2`

const cancelRunning = `UPDATE task SET state = 'canceling', pulp_last_updated = ? WHERE id = ?`

// Cancel ends a task. One that waits is canceled when Cancel returns. One that runs has its
// context canceled, with ErrCanceled as the cause, and from then on commits nothing; it is
// canceled when its handler returns, and keeps its reservations until then. ErrConflict says
// that the task has ended already, ErrNotFound that there is none.
func (a *App) Cancel(ctx context.Context, id ID) error {
	var task struct {
		id       int64
		name     string
		state    State
		message  *string
		reserved reserved
	}
	var rest bool
	err := a.inTx(ctx, func(ctx context.Context, s *scope) error {
		row := s.tx.Tx.QueryRowContext(ctx, findTask, id)
		err := row.Scan(&task.id, &task.name, &task.state, &task.message, &task.reserved.exclusive, &task.reserved.shared, &task.reserved.record,
			&task.reserved.limits, &task.reserved.ticket)
		switch {
		case noRows(err):
			return ErrNotFound
		case err != nil:
			return err
		case task.state.Final():
			return ErrConflict
		case task.state == Waiting:
			s.tell(id, task.name, Canceled)
			rest, err = a.cancelWaiting(ctx, s, task.id, task.message, task.reserved)
			return err
		case task.state == Running:
			s.tell(id, task.name, Canceling)
		}
		return a.cancelRunning(ctx, s, task.id)
	})
	if err != nil {
		return fmt.Errorf("cancel task %s: %w", id, err)
	}
	a.releaseRest(ctx, task.id, task.reserved, rest)
	return nil
}

func (a *App) cancelWaiting(ctx context.Context, s *scope, task int64, message *string, r reserved) (rest bool, err error) {
	if _, err := s.tx.Tx.ExecContext(ctx, cancelWaiting, a.now(), task); err != nil {
		return false, err
	}
	if message != nil {
		if err := a.ready.drop(ctx, s.tx, *message); err != nil {
			return false, err
		}
	}
	freed, rest, err := a.free(ctx, s.tx, task, r)
	if err != nil {
		return false, err
	}
	if _, err := a.pass(ctx, s, freed, false); err != nil {
		return false, err
	}
	s.onCommit(func() { a.waiters.tell(task, outcome{state: Canceled}) })
	return rest, nil
}

// cancelRunning finds the job, if the task runs here, because jobs are made in the transaction
// that claims their task.
func (a *App) cancelRunning(ctx context.Context, s *scope, task int64) error {
	if _, err := s.tx.Tx.ExecContext(ctx, cancelRunning, a.now(), task); err != nil {
		return err
	}
	s.onCommit(func() {
		if j := a.live.job(task); j != nil {
			j.cancel(ErrCanceled)
		}
	})
	return nil
}

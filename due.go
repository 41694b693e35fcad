package pulp

import (
	"context"
	"fmt"
)

// admitBatch is how many tasks that are due one transaction admits.
const admitBatch = 100

const (
	// dueTasks are tasks that were held back, in the order in which they take their places.
	dueTasks = `SELECT id, exclusive, shared, limits FROM task
WHERE state = 'waiting' AND run_at IS NOT NULL AND run_at <= ?1 ORDER BY run_at, id LIMIT ?2 + 0`
	nextDue = `SELECT min(run_at) FROM task WHERE state = 'waiting' AND run_at IS NOT NULL`
	// drawTicket yields a number that is greater than those of all tasks and tickets there are,
	// and less than those to come.
	drawTicket = `UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'task' RETURNING seq`
	admitTask  = `UPDATE task SET run_at = NULL, ticket = ?1, pulp_last_updated = ?2 WHERE id = ?3`
)

// admitDue gives all tasks that are due their places in the lines, dispatches those of schedules
// that are due, and sets the alarm for what is next. If it fails, the sweep has it tried again.
func (a *App) admitDue(ctx context.Context, next *alarm) error {
	for {
		n, err := a.admitSome(ctx)
		if err != nil {
			return fmt.Errorf("admit tasks that are due: %w", err)
		}
		if n < admitBatch {
			break
		}
	}
	if err := a.runSchedules(ctx); err != nil {
		return err
	}
	for _, q := range [][]any{{nextDue}, {nextSchedule, a.scheduleNames()}} {
		var at *Time
		if err := a.db.Reader().DB.QueryRowContext(ctx, q[0].(string), q[1:]...).Scan(&at); err != nil {
			return fmt.Errorf("find what is due next: %w", err)
		}
		if at != nil {
			next.set(at.Time())
		}
	}
	next.arm()
	return nil
}

// admitSome admits a batch, if there is one: who looks first need not begin a transaction.
func (a *App) admitSome(ctx context.Context) (n int, err error) {
	var at *Time
	if err := a.db.Reader().DB.QueryRowContext(ctx, nextDue).Scan(&at); err != nil || at == nil || *at > a.now() {
		return 0, err
	}
	err = a.inTx(ctx, func(ctx context.Context, s *scope) error {
		tasks, err := a.dueTasks(ctx, s)
		if err != nil {
			return err
		}
		n = len(tasks)
		for _, t := range tasks {
			if err := a.admit(ctx, s, t); err != nil {
				return fmt.Errorf("task %d: %w", t.id, err)
			}
		}
		return nil
	})
	return n, err
}

// A dueTask is a task that was held back.
type dueTask struct {
	id       int64
	reserved reserved
}

func (a *App) dueTasks(ctx context.Context, s *scope) (tasks []dueTask, err error) {
	rows, err := s.tx.Tx.QueryContext(ctx, dueTasks, a.now(), admitBatch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var t dueTask
		if err := rows.Scan(&t.id, &t.reserved.exclusive, &t.reserved.shared, &t.reserved.limits); err != nil {
			return nil, err
		}
		tasks = append(tasks, t)
	}
	return tasks, rows.Err()
}

// admit gives a task its place behind all who are there.
func (a *App) admit(ctx context.Context, s *scope, t dueTask) error {
	if err := s.tx.Tx.QueryRowContext(ctx, drawTicket).Scan(&t.reserved.ticket); err != nil {
		return fmt.Errorf("draw ticket: %w", err)
	}
	if _, err := s.tx.Tx.ExecContext(ctx, admitTask, t.reserved.ticket, a.now(), t.id); err != nil {
		return err
	}
	a.at("admitted")
	if err := a.reserve(ctx, s.tx, t.id, t.reserved); err != nil {
		return err
	}
	return a.unblockStray(ctx, s, t.id)
}

package pulp

import (
	"context"
	"fmt"
	"os"
)

// recoverBatch is how many lost tasks are ended in one transaction.
const recoverBatch = 100

const forgetWorkers = `DELETE FROM worker`

// running lists the tasks that somebody should be running, and whether that worker is enrolled.
const running = `SELECT t.id, t.pulp_id, t.name, t.worker_id, t.attempt, t.exclusive, t.shared, t.limits, ifnull(t.ticket, t.id), w.id IS NOT NULL
FROM task t LEFT JOIN worker w ON w.id = t.worker_id WHERE t.state IN ('running', 'canceling')`

// endLost ends a task whose worker is gone, if nobody else did.
const endLost = `UPDATE task SET finished_at = ?1, pulp_last_updated = ?1,
  state = CASE state WHEN 'running' THEN 'failed' ELSE 'canceled' END,
  error = CASE state WHEN 'running' THEN ?2 END
WHERE id = ?3 AND attempt = ?4 AND state IN ('running', 'canceling')
RETURNING state`

const endReports = `UPDATE progress_report SET state = ? WHERE task_id = ? AND state = 'running'`

// recover puts in order what a killed process left. If the database is not shared, the lock on
// the data directory proves that no other process runs tasks of it, so all that are running
// were lost. If it is, only those are lost whose workers have been expelled; the leases of others
// who died end while somebody runs. recover may be killed at any point itself, and is then done
// again.
func (a *App) recover(ctx context.Context) error {
	a.at("recovery begun")
	if !a.db.Shared() {
		if err := a.forgetAll(ctx); err != nil {
			return err
		}
	}
	if err := a.sweep(ctx); err != nil {
		return fmt.Errorf("recover tasks: %w", err)
	}
	return a.keepSchedules(ctx)
}

func (a *App) forgetAll(ctx context.Context) error {
	if err := os.RemoveAll(workDir(a.db)); err != nil {
		return fmt.Errorf("remove working directories of lost tasks: %w", err)
	}
	if _, err := a.db.Writer().DB.ExecContext(ctx, forgetWorkers); err != nil {
		return fmt.Errorf("forget lost workers: %w", err)
	}
	return nil
}

// A lostTask is a task that says that it is running and is not.
type lostTask struct {
	id       int64
	pulpID   ID
	name     string
	attempt  int
	reserved reserved
}

// endLost ends all tasks whose worker is not enrolled, and those that are of this process by
// their rows but not in truth: a commit may have succeeded that was reported as failed.
func (a *App) endLost(ctx context.Context) error {
	lost, err := a.lostTasks(ctx)
	for len(lost) > 0 && err == nil {
		n := min(recoverBatch, len(lost))
		err = a.inTx(ctx, func(ctx context.Context, s *scope) error {
			for _, t := range lost[:n] {
				if err := a.endOneLost(ctx, s, t); err != nil {
					return fmt.Errorf("end lost task %d: %w", t.id, err)
				}
			}
			return nil
		})
		lost = lost[n:]
	}
	return err
}

func (a *App) lostTasks(ctx context.Context) (lost []lostTask, err error) {
	rows, err := a.db.Reader().DB.QueryContext(ctx, running)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var t lostTask
		var worker *int64
		var enrolled bool
		if err := rows.Scan(&t.id, &t.pulpID, &t.name, &worker, &t.attempt, &t.reserved.exclusive, &t.reserved.shared, &t.reserved.limits, &t.reserved.ticket, &enrolled); err != nil {
			return nil, err
		}
		// The row was read before the map is: a task that is in neither did not start.
		mine := !a.db.Shared() || worker != nil && *worker == a.pool.enrolled()
		if !enrolled || mine && a.live.job(t.id) == nil {
			lost = append(lost, t)
		}
	}
	return lost, rows.Err()
}

// restartLost makes a lost task ready again that has attempts left.
func (a *App) restartLost(ctx context.Context, s *scope, t lostTask) (again bool, err error) {
	if !a.mayRetry(t.name, t.attempt) {
		return false, nil
	}
	ready, err := a.requeue(ctx, s, t.id, t.attempt)
	if err != nil || len(ready) == 0 {
		return false, err
	}
	s.tell(t.pulpID, t.name, Waiting)
	_, err = a.pass(ctx, s, ready, false)
	return true, err
}

func (a *App) endOneLost(ctx context.Context, s *scope, t lostTask) error {
	if again, err := a.restartLost(ctx, s, t); err != nil || again {
		return err
	}
	out := ended(Failed, reasonLost)
	err := s.tx.Tx.QueryRowContext(ctx, endLost, a.now(), nullable(out.err), t.id, t.attempt).Scan(&out.state)
	if noRows(err) {
		return nil
	}
	if err != nil {
		return err
	}
	s.tell(t.pulpID, t.name, out.state)
	a.at("lost recorded")
	if _, err := s.tx.Tx.ExecContext(ctx, endReports, string(out.state), t.id); err != nil {
		return err
	}
	freed, _, err := a.free(ctx, s.tx, t.id, t.reserved) // the sweep releases the rest
	if err != nil {
		return err
	}
	a.at("lost freed")
	if _, err := a.pass(ctx, s, freed, false); err != nil {
		return err
	}
	s.onCommit(func() {
		if out.state == Canceled {
			out.err = nil
		}
		a.waiters.tell(t.id, out)
	})
	return nil
}

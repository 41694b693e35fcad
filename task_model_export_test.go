package pulp

import (
	"cmp"
	"context"
	"fmt"
	"maps"
)

// Step makes a test the only worker: tasks are claimed and ended one by one, by ClaimTask,
// ClaimNext and EndTask. The App has no workers of its own.
func (a *App) Step(ctx context.Context) error {
	worker, err := a.enroll(ctx)
	if err == nil && a.pool.begin(ctx, worker) {
		a.pool.open = false
	}
	return err
}

// ClaimTask claims a ready task.
func (a *App) ClaimTask(ctx context.Context, id ID) (j *Job, err error) {
	err = a.inTx(ctx, func(ctx context.Context, s *scope) error {
		var task int64
		var message *string
		row := s.tx.Tx.QueryRowContext(ctx, "SELECT id, message FROM task WHERE pulp_id = ?", id)
		if err := row.Scan(&task, &message); err != nil {
			return err
		}
		if message != nil {
			if err := a.ready.drop(ctx, s.tx, *message); err != nil {
				return err
			}
		}
		j, err = a.pool.claim(ctx, s, task)
		return err
	})
	return j, err
}

// ClaimNext claims what a worker would claim; nil if there is nothing. If undo is not nil, it
// is undone.
func (a *App) ClaimNext(ctx context.Context, undo error) (j *Job, err error) {
	a.pool.open = true
	defer func() { a.pool.open = false }()
	err = a.inTx(ctx, func(ctx context.Context, s *scope) error {
		jobs, err := a.pool.pop(ctx, s, 1)
		if len(jobs) > 0 {
			j = jobs[0]
		}
		return cmp.Or(err, undo)
	})
	return j, err
}

// EndTask ends a claimed task as if its handler had returned err. That of a RunTx task runs.
func (a *App) EndTask(ctx context.Context, j *Job, failure error) error {
	out := outcomeOf(nil, failure)
	if a.tasks[j.name].runTx != nil {
		out = outcome{}
		var err error
		if j.plain, err = a.box.Unseal(j.sealed); err != nil {
			return err
		}
	}
	return a.endWith(ctx, j, out)
}

// AbortTask ends a claimed task as the end of its process does.
func (a *App) AbortTask(ctx context.Context, j *Job) error {
	return a.endWith(ctx, j, aborted(reasonShutdown))
}

func (a *App) endWith(ctx context.Context, j *Job, out outcome) error {
	return a.inTx(ctx, func(ctx context.Context, s *scope) error {
		_, _, err := a.end(ctx, s, j, out)
		return err
	})
}

// EndTogether ends claimed tasks whose handlers have succeeded, in one transaction.
func (a *App) EndTogether(ctx context.Context, jobs ...*Job) error {
	all := make([]*ending, len(jobs))
	for i, j := range jobs {
		all[i] = &ending{j: j, out: outcome{state: Completed}}
	}
	return a.inTx(ctx, func(ctx context.Context, s *scope) error { return a.endAll(ctx, s, all) })
}

// Forget makes the App not know that it runs a task, as if somebody else had run it.
func (j *Job) Forget() { j.app.live.remove(j) }

// Ghost is what a process has that is thought to be dead, and goes on with a task.
func (a *App) Ghost(j *Job) *Job {
	g := &Job{assignment: j.assignment, app: a}
	g.ctx, g.cancel = context.WithCancelCause(context.WithValue(a.With(context.Background()), jobKey, g))
	return g
}

// FlushProgress is what Run does when reports have changed.
func (a *App) FlushProgress(ctx context.Context) error { return a.flushProgress(ctx) }

// FlushGhost writes the reports of a task, whoever has it.
func (a *App) FlushGhost(ctx context.Context, j *Job) error {
	return a.inTx(ctx, func(ctx context.Context, s *scope) error {
		_, err := j.flushProgress(ctx, s.tx)
		return err
	})
}

// MendInVain does to a task what the sweep does to one that is not in order, and what recovery
// does to an attempt that was lost.
func (a *App) MendInVain(ctx context.Context, id ID, attempt int) error {
	return a.inTx(ctx, func(ctx context.Context, s *scope) error {
		t := lostTask{pulpID: id, attempt: attempt}
		var message *string
		row := s.tx.Tx.QueryRowContext(ctx, `SELECT id, message, name, exclusive, shared, limits, ifnull(ticket, id) FROM task WHERE pulp_id = ?`, id)
		if err := row.Scan(&t.id, &message, &t.name, &t.reserved.exclusive, &t.reserved.shared, &t.reserved.limits, &t.reserved.ticket); err != nil {
			return err
		}
		if message != nil {
			if err := a.dropMessage(ctx, s, *message); err != nil {
				return err
			}
		}
		keys, err := t.reserved.keys()
		if err != nil {
			return err
		}
		for _, k := range keys {
			if err := a.dropStray(ctx, s, fmt.Sprintf("[%d,%d,%d]", k.resource, k.mode, t.reserved.ticket)); err != nil {
				return err
			}
		}
		for _, mend := range []func(context.Context, *scope, any) error{a.unblockStray, a.listStray} {
			if err := mend(ctx, s, t.id); err != nil {
				return err
			}
		}
		if err := a.endOneLost(ctx, s, t); err != nil {
			return fmt.Errorf("end attempt %d: %w", attempt, err)
		}
		return nil
	})
}

// TaskStatements are all statements that move tasks, by name.
func TaskStatements() map[string]string {
	all := map[string]string{
		"running": running, "drawTicket": drawTicket, "pauseType": pauseType, "resumeType": resumeType,
		"deleteStray": deleteStray, "isStray": isStray, "isListed": isListed,
	}
	maps.Copy(all, HotStatements())
	maps.Copy(all, SweepStatements())
	return all
}

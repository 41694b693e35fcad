package pulp

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// claimTask makes a task running that is known to be runnable, unless somebody was quicker or
// its type is paused. claimTasks is the same for several.
const (
	claimTask  = claiming + ` AND id = ?3 ` + claimed
	claimTasks = claiming + ` AND id IN (SELECT value FROM json_each(?3)) ` + claimed

	claiming = `UPDATE task SET state = 'running', worker_id = ?1, attempt = attempt + 1, started_at = ?2, pulp_last_updated = ?2,
  unblocked_at = ifnull(unblocked_at, ?2), message = NULL
WHERE state = 'waiting' AND run_at IS NULL AND NOT EXISTS (SELECT 1 FROM paused_type p WHERE p.name = task.name)`
	claimed = `RETURNING id, pulp_id, name, attempt, exclusive, shared, record, limits, ifnull(ticket, id), created_by, logging_cid, args, ifnull(timeout, 0)`
)

// next claims the first ready task for a slot in use; nil if there is none. While the database
// fails, it tries again.
func (p *pool) next() (j *Job) {
	_ = p.retry("claim a task", func(ctx context.Context) error {
		if j = nil; !p.accepts() {
			return nil
		}
		return p.app.inTx(ctx, func(ctx context.Context, s *scope) error {
			jobs, err := p.pop(ctx, s, 1)
			if len(jobs) > 0 {
				j = jobs[0]
			}
			return err
		})
	})
	return j
}

// pop claims the first n ready tasks in s, or as many as there are. Messages of tasks that are
// not waiting are dropped.
func (p *pool) pop(ctx context.Context, s *scope, n int) (jobs []*Job, err error) {
	if gone, err := p.app.isGone(ctx, s); gone || err != nil {
		return nil, err
	}
	for len(jobs) < n && p.accepts() {
		tasks, err := p.app.ready.pop(ctx, s.tx, n-len(jobs))
		if err != nil {
			return nil, err
		}
		if len(tasks) == 0 {
			break
		}
		more, err := p.claimAll(ctx, s, tasks)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, more...)
	}
	if len(jobs) > 0 && !p.app.ready.seemsEmpty() {
		p.wake() // there may be more
	}
	return jobs, nil
}

// claimAll makes tasks running in s, and returns those that are waiting and not paused, in
// their order.
func (p *pool) claimAll(ctx context.Context, s *scope, tasks []int64) (jobs []*Job, err error) {
	if len(tasks) == 1 {
		j, err := p.claim(ctx, s, tasks[0])
		if j != nil {
			jobs = append(jobs, j)
		}
		return jobs, err
	}
	worker := p.enrolled()
	rows, err := s.tx.Tx.QueryContext(ctx, claimTasks, worker, p.app.now(), asJSON(tasks))
	if err != nil {
		return nil, fmt.Errorf("claim tasks: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		j, err := p.readClaim(s, worker, rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("claim tasks: %w", err)
		}
		jobs = append(jobs, j)
	}
	slices.SortFunc(jobs, func(x, y *Job) int {
		return cmp.Compare(slices.Index(tasks, x.id), slices.Index(tasks, y.id))
	})
	return jobs, rows.Err()
}

// claim makes a task running in s; nil if it is not waiting, or paused.
func (p *pool) claim(ctx context.Context, s *scope, task int64) (*Job, error) {
	worker := p.enrolled()
	j, err := p.readClaim(s, worker, s.tx.Tx.QueryRowContext(ctx, claimTask, worker, p.app.now(), task).Scan)
	if noRows(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("claim task %d: %w", task, err)
	}
	return j, nil
}

// readClaim makes the job of a task whose row says that it is claimed.
func (p *pool) readClaim(s *scope, worker int64, scan func(dest ...any) error) (*Job, error) {
	as := assignment{worker: worker}
	var micros int64
	err := scan(&as.id, &as.pulpID, &as.name, &as.attempt, &as.reserved.exclusive, &as.reserved.shared, &as.reserved.record,
		&as.reserved.limits, &as.reserved.ticket, &as.createdBy, &as.cid, &as.sealed, &micros)
	if err != nil {
		return nil, err
	}
	as.timeout = time.Duration(micros) * time.Microsecond
	s.tell(as.pulpID, as.name, Running)
	j := p.newJob(as)
	s.onRollback(j.forget)
	return j, nil
}

// A released is a task that has just become runnable.
type released struct {
	id       int64
	priority int
	ticket   int64
}

// compare puts those of higher priority first, then the oldest.
func (t released) compare(u released) int {
	return cmp.Or(cmp.Compare(u.priority, t.priority), cmp.Compare(t.ticket, u.ticket))
}

// pass hands tasks that have just become runnable to free slots, and the rest to the ready
// list. If own is set, the caller has a slot in use, and gets the first task for it.
func (a *App) pass(ctx context.Context, s *scope, tasks []released, own bool) (next *Job, err error) {
	slots := 0
	if own {
		slots = 1
	}
	jobs, err := a.passAll(ctx, s, tasks, slots)
	if len(jobs) > 0 {
		next = jobs[0]
	}
	return next, err
}

// passAll is pass for a caller that has so many slots in use. If the list may hold tasks, it
// goes first, so that nobody overtakes by being released.
func (a *App) passAll(ctx context.Context, s *scope, tasks []released, own int) (next []*Job, err error) {
	p := a.pool
	straight := a.ready.isEmpty()
	for _, t := range tasks {
		claimed := false
		switch {
		case straight && len(next) < own && p.accepts():
			var j *Job
			if j, err = p.claim(ctx, s, t.id); j != nil {
				next, claimed = append(next, j), true
			}
		case straight && p.take():
			claimed, err = p.claimFor(ctx, s, t.id)
		}
		if err == nil && !claimed {
			err = a.push(ctx, s.tx, t.id, t.priority)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(next) < own {
		more, err := p.pop(ctx, s, own-len(next))
		return append(next, more...), err
	}
	if !a.ready.seemsEmpty() {
		s.onCommit(p.wake)
	}
	return next, nil
}

// claimFor claims a task for a slot that the caller has taken, to start after the commit.
func (p *pool) claimFor(ctx context.Context, s *scope, task int64) (claimed bool, err error) {
	j, err := p.claim(ctx, s, task)
	if j == nil {
		p.give()
		return false, err
	}
	s.onRollback(p.give)
	s.onCommit(func() { p.launch(j) })
	return true, nil
}

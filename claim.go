package pulp

import (
	"context"
	"fmt"
	"time"
)

// claimTask makes a task running that is known to be runnable, unless somebody was quicker or
// its type is paused.
const claimTask = `UPDATE task SET state = 'running', worker_id = ?1, attempt = attempt + 1, started_at = ?2, pulp_last_updated = ?2,
  unblocked_at = ifnull(unblocked_at, ?2), message = NULL
WHERE id = ?3 AND state = 'waiting' AND run_at IS NULL AND NOT EXISTS (SELECT 1 FROM paused_type p WHERE p.name = task.name)
RETURNING pulp_id, name, attempt, exclusive, shared, record, limits, ifnull(ticket, id), created_by, logging_cid, args, ifnull(timeout, 0)`

// next claims the first ready task for a slot in use; nil if there is none. While the database
// fails, it tries again.
func (p *pool) next() (j *Job) {
	_ = p.retry("claim a task", func(ctx context.Context) error {
		if j = nil; !p.accepts() {
			return nil
		}
		return p.app.inTx(ctx, func(ctx context.Context, s *scope) (err error) {
			j, err = p.pop(ctx, s)
			return err
		})
	})
	return j
}

// pop claims the first ready task in s. Messages of tasks that are not waiting are dropped.
func (p *pool) pop(ctx context.Context, s *scope) (*Job, error) {
	if gone, err := p.app.isGone(ctx, s); gone || err != nil {
		return nil, err
	}
	for p.accepts() {
		task, ok, err := p.app.ready.pop(ctx, s.tx)
		if err != nil || !ok {
			return nil, err
		}
		j, err := p.claim(ctx, s, task)
		if err != nil {
			return nil, err
		}
		if j != nil {
			p.wake() // there may be more
			return j, nil
		}
	}
	return nil, nil
}

// claim makes a task running in s; nil if it is not waiting, or paused.
func (p *pool) claim(ctx context.Context, s *scope, task int64) (*Job, error) {
	as := assignment{id: task, worker: p.enrolled()}
	var micros int64
	row := s.tx.Tx.QueryRowContext(ctx, claimTask, as.worker, p.app.now(), task)
	err := row.Scan(&as.pulpID, &as.name, &as.attempt, &as.reserved.exclusive, &as.reserved.shared, &as.reserved.record,
		&as.reserved.limits, &as.reserved.ticket, &as.createdBy, &as.cid, &as.sealed, &micros)
	if noRows(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("claim task %d: %w", task, err)
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

// pass hands tasks that have just become runnable to free slots, and the rest to the ready
// list. If own is set, the caller has a slot in use, and gets the first task for it. If the
// list may hold tasks, it goes first, so that nobody overtakes by being released.
func (a *App) pass(ctx context.Context, s *scope, tasks []released, own bool) (next *Job, err error) {
	p := a.pool
	straight := a.ready.isEmpty()
	for _, t := range tasks {
		claimed := false
		switch {
		case straight && own && next == nil && p.accepts():
			next, err = p.claim(ctx, s, t.id)
			claimed = next != nil
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
	if own && next == nil {
		return p.pop(ctx, s)
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

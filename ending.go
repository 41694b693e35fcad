package pulp

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"

	"github.com/uptrace/bun"
)

const (
	// endTask records the end of a task, if it runs and still belongs to this attempt.
	endTask = `UPDATE task SET finished_at = ?1, pulp_last_updated = ?1, state = ?2, result = ?3, error = ?4
WHERE id = ?5 AND worker_id = ?6 AND attempt = ?7 AND state = 'running'`
	// endCanceled does it for a task that was canceled meanwhile: it ends as canceled, whatever
	// its handler returned, and without what an earlier attempt ended with.
	endCanceled = `UPDATE task SET finished_at = ?1, pulp_last_updated = ?1, state = 'canceled', error = NULL
WHERE id = ?2 AND worker_id = ?3 AND attempt = ?4 AND state = 'canceling'`
)

// An ending is the end of a task on its way into the database.
type ending struct {
	j        *Job
	out      outcome
	next     *Job // the next task of its slot
	rest     bool // more tasks wait for it than one transaction releases
	recorded bool
	over     chan struct{} // closed when the others are known
}

// endings are the ends that nobody has begun to record. Workers whose tasks end at about the
// same time share a transaction, and its statements: the first who comes begins it, and when
// its turn has come, it takes all who have come until then.
type endings struct {
	mu      sync.Mutex
	waiting []*ending
}

// add reports whether e is the first.
func (l *endings) add(e *ending) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, e)
	return len(l.waiting) == 1
}

func (l *endings) take() []*ending {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.waiting
	l.waiting = nil
	return all
}

// endTogether ends a task, and others with it. If it was not recorded, each of them has to be
// ended alone: one may have failed for all.
func (p *pool) endTogether(j *Job, out outcome) *ending {
	e := &ending{j: j, out: out, over: make(chan struct{})}
	if p.endings.add(e) {
		p.endWaiting()
	}
	<-e.over
	return e
}

func (p *pool) endWaiting() {
	var all []*ending
	recorded := false
	defer func() {
		if all == nil { // it has not come to its turn
			all = p.endings.take()
		}
		for _, e := range all {
			e.recorded = recorded
			close(e.over)
		}
	}()
	err := p.app.inTx(context.WithoutCancel(p.ctx), func(ctx context.Context, s *scope) error {
		all = p.endings.take()
		return p.app.endAll(ctx, s, all)
	})
	recorded = err == nil
}

// endAll ends tasks in s to which nothing more belongs than rows of the engine's own.
func (a *App) endAll(ctx context.Context, s *scope, all []*ending) (err error) {
	now := a.now()
	for _, e := range all {
		if e.out, err = a.recordEnd(ctx, s, e.j, e.out, now); err != nil {
			return err
		}
		s.tell(e.j.pulpID, e.j.name, e.out.state)
		if err := e.j.writeRest(ctx, s.tx, e.out.state); err != nil {
			return err
		}
	}
	freed, err := a.freeAll(ctx, s.tx, all)
	if err != nil {
		return err
	}
	a.at("end freed")
	next, err := a.passAll(ctx, s, freed, len(all))
	if err != nil {
		return err
	}
	for i, j := range next {
		all[i].next = j
	}
	s.onCommit(func() {
		for _, e := range all {
			e.j.removeDir()
			e.j.forget()
			a.waiters.tell(e.j.id, e.out)
		}
	})
	return nil
}

// recordEnd writes how a task ended, and returns it, which is not out if it was canceled.
func (a *App) recordEnd(ctx context.Context, s *scope, j *Job, out outcome, now Time) (outcome, error) {
	n, err := changed(s.tx.Tx.ExecContext(ctx, endTask, now, string(out.state), nullable(out.result), nullable(out.err), j.id, j.worker, j.attempt))
	if n == 0 && err == nil {
		out = outcome{state: Canceled}
		n, err = changed(s.tx.Tx.ExecContext(ctx, endCanceled, now, j.id, j.worker, j.attempt))
	}
	if err != nil {
		return out, fmt.Errorf("record end of task %d: %w", j.id, err)
	}
	if n == 0 {
		return out, ErrLost
	}
	return out, nil
}

// changed is how many rows a statement changed.
func changed(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// freeAll is free for tasks that end together.
func (a *App) freeAll(ctx context.Context, tx bun.Tx, all []*ending) (freed []released, err error) {
	exclusive, shared, limited := []int64{}, []int64{}, false
	for _, e := range all {
		keys, err := a.unreserve(ctx, tx, e.j.reserved)
		if err != nil {
			return nil, fmt.Errorf("delete reservations of task %d: %w", e.j.id, err)
		}
		for _, k := range keys {
			switch k.mode {
			case modeExclusive:
				exclusive = append(exclusive, k.resource)
			case modeShared:
				shared = append(shared, k.resource)
			default:
				limited = true
			}
		}
	}
	if len(all) > 1 || !a.crowded.Load() { // one question is cheaper than one for each
		if waits, err := a.anyWaits(ctx, tx, exclusive, shared, limited); err != nil || !waits {
			return nil, err
		}
	}
	for _, e := range all {
		if len(freed) >= releaseLimit {
			e.rest = true
			continue
		}
		var some []released
		if some, e.rest, err = a.released(ctx, tx, e.j.id, e.j.reserved); err != nil {
			return nil, err
		}
		freed = append(freed, some...)
	}
	a.crowded.Store(len(freed) > 0)
	slices.SortFunc(freed, released.compare)
	return slices.Compact(freed), nil
}

package pulp

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/uptrace/bun"
)

// perform runs the handler of a task. A RunTx handler is left to finish.
func (p *pool) perform(j *Job) outcome {
	typ, known := p.app.tasks[j.name]
	if !known {
		return failed(fmt.Errorf("this App has no task type %q", j.name))
	}
	if cause := context.Cause(j.ctx); cause != nil {
		return aborted(reasonShutdown) // if it was canceled, finish says so
	}
	if j.plain == nil {
		var err error
		if j.plain, err = p.app.box.Unseal(j.sealed); err != nil {
			return failed(fmt.Errorf("open arguments: %w", err))
		}
	}
	if typ.run == nil {
		return outcome{}
	}
	ctx, stop := j.limit(j.ctx, typ)
	defer stop()
	var result []byte
	done := spawn(j.Log, func() error {
		return p.app.around(ctx, j, func(ctx context.Context) (err error) {
			result, err = typ.run(ctx, j, j.plain)
			return err
		})
	})
	select {
	case err := <-done:
		if err != nil && errors.Is(context.Cause(j.ctx), errShutdown) {
			return aborted(reasonShutdown)
		}
		return outcomeOf(result, explain(ctx, err))
	case <-p.last.Done():
		return aborted(reasonShutdown)
	}
}

// around runs a handler within what the configuration puts around it.
func (a *App) around(ctx context.Context, j *Job, run func(ctx context.Context) error) error {
	if a.cfg.Around == nil {
		return run(ctx)
	}
	return a.cfg.Around(ctx, j, run)
}

// limit returns the context of a handler.
func (j *Job) limit(ctx context.Context, typ taskType) (context.Context, context.CancelFunc) {
	timeout := cmp.Or(j.timeout, typ.timeout)
	if timeout == 0 {
		return ctx, func() {}
	}
	return j.app.timeout(ctx, timeout, &TaskError{Text: fmt.Sprintf("The task took longer than %s.", timeout)})
}

// explain returns the error of a handler, or why its context ended if that is the reason.
func explain(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
	}
	return err
}

// finish commits the end of a task and, with it, the claim of the next one for the same slot;
// nil if there is none. No outcome is dropped.
func (p *pool) finish(j *Job, out outcome) (next *Job) {
	if !p.app.endsAlone(j, out) {
		if e := p.endTogether(j, out); e.recorded {
			p.app.releaseRest(j.ctx, j.id, j.reserved, e.rest)
			return e.next
		}
	}
	return p.endAlone(j, out)
}

// endAlone ends a task in a transaction of its own. While the database fails, it tries again.
func (p *pool) endAlone(j *Job, out outcome) (next *Job) {
	var rest bool
	err := p.retry("record the end of a task", func(ctx context.Context) error {
		next = nil
		return p.app.inTx(ctx, func(ctx context.Context, s *scope) (err error) {
			next, rest, err = p.app.end(ctx, s, j, out)
			return err
		})
	})
	if err != nil {
		j.Log().Warn("a task is not ended by who ran it", "error", err)
		j.removeDir()
		j.forget()
		p.app.tellEnd(j.id)
		return p.next()
	}
	p.app.releaseRest(j.ctx, j.id, j.reserved, rest)
	return next
}

// endsAlone says whether more belongs to the end of a task than rows of the engine's own, or less.
func (a *App) endsAlone(j *Job, out outcome) bool {
	return j.disowned() || out.state == "" || out.state == Completed && j.hasFinish() || a.retries(j, out)
}

// retries says whether another attempt follows.
func (a *App) retries(j *Job, out outcome) bool {
	return out.state == Failed && !out.permanent && a.mayRetry(j.name, j.attempt)
}

// end ends a task in s: the writes that belong to its success, its final state, its
// reservations, those who waited for them, and the next task of its slot.
func (a *App) end(ctx context.Context, s *scope, j *Job, out outcome) (next *Job, rest bool, err error) {
	if j.disowned() {
		return nil, false, ErrLost
	}
	if out.state == "" || out.state == Completed && j.hasFinish() {
		if out, err = a.concludeFenced(ctx, s, j, out); err != nil {
			return nil, false, err
		}
	}
	if a.retries(j, out) {
		next, rest, done, err := a.endAttempt(ctx, s, j, out)
		if done || err != nil {
			return next, rest, err
		}
	}
	e := &ending{j: j, out: out}
	err = a.endAll(ctx, s, []*ending{e})
	return e.next, e.rest, err
}

// concludeFenced runs what must not run once the task was canceled or lost.
func (a *App) concludeFenced(ctx context.Context, s *scope, j *Job, out outcome) (outcome, error) {
	state, err := j.state(ctx, s.tx)
	if err != nil || state == Canceling {
		return outcome{state: Canceled}, err
	}
	j.inTx.Store(true)
	s.onRollback(j.restore())
	return a.conclude(context.WithValue(j.ctx, txKey, s), s.tx, s, j, out)
}

// conclude runs, in the transaction that ends a task, a RunTx handler and what was given to
// OnFinish. If any of it fails, nothing of it stays, and the task is failed.
func (a *App) conclude(ctx context.Context, tx bun.Tx, s *scope, j *Job, out outcome) (outcome, error) {
	typ := a.tasks[j.name]
	begun := a.clock()
	defer func() {
		if took := a.clock().Sub(begun); took > slowInline && typ.runTx != nil {
			typ.slow.Add(1)
			j.Log().Warn("a task kept all writers waiting; it should be quicker, or have Run instead of RunTx", "took", took)
		}
	}()
	result := out.result
	failure, err := savepoint(ctx, tx, s, func() error {
		ctx, stop := j.limit(ctx, typ)
		defer stop()
		if typ.runTx == nil {
			ctx = context.WithoutCancel(ctx) // the handler has succeeded already
		}
		return <-spawn(j.Log, func() (err error) {
			if typ.runTx != nil {
				if result, err = typ.runTx(ctx, tx, j, j.plain); err != nil {
					return explain(ctx, err)
				}
			}
			return j.runFinish(ctx, tx)
		})
	})
	return outcomeOf(result, failure), err
}

// runFinish calls what was given to OnFinish, also by one of these functions.
func (j *Job) runFinish(ctx context.Context, tx bun.Tx) error {
	for i := 0; ; i++ {
		j.mu.Lock()
		if i >= len(j.finish) {
			j.mu.Unlock()
			return nil
		}
		f := j.finish[i]
		j.mu.Unlock()
		if err := f(ctx, tx); err != nil {
			return err
		}
	}
}

package pulp

import (
	"context"
	"errors"
	"fmt"
)

// RunReady runs the tasks that may run, and those that may run when these have ended, one after
// the other, and returns when there are none left: the ids of all that started, in their order.
// What is held back ([At], a [Retry]'s pause, a [Schedule]) it leaves; see [App.RunDue]. It is for
// programs that do something and exit, and for tests.
//
// ErrConflict says that Run is under way. When ctx ends, the task at hand is canceled as at the
// end of Run, and no other starts; the error is then the context's.
func (a *App) RunReady(ctx context.Context) (ran []ID, err error) {
	return a.runHere(ctx, func() error { return nil })
}

// RunDue is [App.RunReady] for all that is due by now, too: tasks that were held back get their
// places in line, schedules dispatch, and what becomes due meanwhile is run as well.
func (a *App) RunDue(ctx context.Context) (ran []ID, err error) {
	never := newAlarm(a.cfg.Clock)
	defer func() { never.stop() }()
	return a.runHere(ctx, func() error { return a.admitDue(ctx, never) })
}

// runHere calls admit and runs what is ready, until nothing is.
func (a *App) runHere(ctx context.Context, admit func() error) (ran []ID, err error) {
	leave, err := a.beginHere(ctx)
	if err != nil {
		return nil, fmt.Errorf("run tasks: %w", err)
	}
	p := a.pool
	p.here.ran = &ran
	for before := -1; before < len(ran) && err == nil; {
		before = len(ran)
		if err = admit(); err == nil {
			a.ready.doubt()
			p.wake()
			err = ctx.Err()
		}
	}
	p.here.ran = nil
	if err = errors.Join(err, leave()); err != nil {
		return ran, fmt.Errorf("run tasks: %w", err)
	}
	return ran, nil
}

// beginHere opens the pool for the goroutine that calls it, unless it is so already.
func (a *App) beginHere(ctx context.Context) (leave func() error, err error) {
	p := a.pool
	switch {
	case a.cfg.Inline:
		return func() error { return nil }, nil
	case a.db.Shared():
		return nil, errors.New("the database is open for several processes, which must be told that this one is alive: use Run")
	}
	worker, err := a.enroll(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	if !p.beginHere(ctx, worker) {
		return nil, errors.Join(fmt.Errorf("the App runs already: %w", ErrConflict), a.leave(worker))
	}
	stop := context.AfterFunc(ctx, func() {
		p.stop()
		p.cancel(errShutdown)
	})
	return func() error {
		stop()
		p.stop()
		p.end()
		p.cancel(errShutdown)
		return a.leave(worker)
	}, nil
}

// openInline opens the pool of an App whose tasks run where they are dispatched.
func (a *App) openInline(ctx context.Context) error {
	if !a.cfg.Inline {
		return nil
	}
	if a.db.Shared() {
		return errors.New("Config.Inline: the database is open for several processes, which would wait for this one's tasks: open it without Shared")
	}
	worker, err := a.enroll(ctx)
	if err != nil {
		return err
	}
	a.pool.beginHere(ctx, worker)
	a.unlisten = a.db.Listen(func(channel string) {
		if channel == taskChannel {
			a.pool.look()
		}
	})
	return nil
}

func (a *App) closeInline() error {
	if a.unlisten == nil {
		return nil
	}
	a.unlisten()
	a.pool.stop()
	a.pool.end()
	a.pool.cancel(errShutdown)
	return a.leave(a.pool.worker)
}

// A here is what a pool has whose only slot is served by whoever brings it a task.
type here struct {
	busy  bool // somebody serves
	queue []*Job
	ran   *[]ID // where the ids of tasks go that start; nil: nowhere
}

// beginHere is begin for a pool of one slot and no goroutines.
func (p *pool) beginHere(ctx context.Context, worker int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open || p.free < p.all {
		return false
	}
	p.all, p.free, p.here = 1, 1, &here{}
	p.start(ctx, worker)
	return true
}

// runHere serves until nothing is left to serve, unless somebody does so already: a task that
// another one brings waits for the end of that.
func (p *pool) runHere() {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.here
	if h == nil || h.busy {
		return
	}
	p.running.Add(1)
	defer p.running.Done()
	h.busy = true
	for len(h.queue) > 0 {
		j := h.queue[0]
		h.queue = h.queue[1:]
		p.mu.Unlock()
		p.serve(j)
		p.mu.Lock()
	}
	h.busy = false
}

// note remembers that a task starts.
func (p *pool) note(j *Job) {
	if p.here != nil && p.here.ran != nil {
		*p.here.ran = append(*p.here.ran, j.pulpID)
	}
}

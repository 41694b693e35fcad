package pulp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// The rhythm of a process that has nothing to do, and of the rows of progress reports.
const (
	sweepEvery    = time.Minute
	progressEvery = 500 * time.Millisecond
)

// Run runs tasks until ctx ends. Then it claims no more, and lets those that run go on for
// [Config.Drain]; then it cancels their contexts and waits as long again. A task that was
// canceled so and did not succeed is failed. Run returns nil if all handlers have returned;
// if some have not, their tasks are failed and the error says how many.
//
// One Run at a time: a second one returns ErrConflict. With Workers below zero Run only waits
// for ctx.
func (a *App) Run(ctx context.Context) error {
	p := a.pool
	if a.cfg.Inline {
		r := a.newRounds()
		a.once.Do(func() { close(a.started) })
		a.keepHouse(ctx, r)
		return nil
	}
	if p.slots == 0 {
		a.once.Do(func() { close(a.started) })
		<-ctx.Done()
		return nil
	}
	if err := a.beginRun(ctx); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	unlisten := a.db.Listen(func(channel string) {
		if channel == taskChannel {
			p.look()
		}
	})
	defer unlisten()
	a.ready.doubt()
	p.look()
	r := a.newRounds()
	a.once.Do(func() { close(a.started) })
	tending, stop := context.WithCancel(context.WithoutCancel(ctx))
	var house sync.WaitGroup
	house.Go(func() { a.keepHouse(tending, r) })
	<-ctx.Done()
	left := p.drain(a.cfg.Drain)
	stop()
	house.Wait()
	if err := a.leave(p.enrolled()); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	if left > 0 {
		return fmt.Errorf("run: %d tasks did not stop when their contexts ended; they are failed, but their goroutines go on", left)
	}
	return nil
}

// beginRun makes the process a worker, as soon as the database lets it.
func (a *App) beginRun(ctx context.Context) error {
	worker, err := a.enroll(context.WithoutCancel(ctx))
	for isBusy(err) && ctx.Err() == nil {
		a.log.Warn("no task can run yet; it is tried again", "error", err)
		worker, err = a.enroll(context.WithoutCancel(ctx))
	}
	if err == nil && !a.pool.begin(ctx, worker) {
		return errors.Join(fmt.Errorf("the App runs already: %w", ErrConflict), a.leave(worker))
	}
	return err
}

// Started returns a channel that is closed once [App.Run] claims tasks: what a probe of
// readiness, or a test, waits for. It stays closed when Run has ended.
func (a *App) Started() <-chan struct{} { return a.started }

// keepHouse does what has to be done beside the tasks, until ctx ends.
func (a *App) keepHouse(ctx context.Context, r *rounds) {
	defer r.stop()
	var all sync.WaitGroup
	all.Go(func() { a.tend(ctx, r) })
	all.Go(func() { a.keepLease(ctx, r.beat) })
	if a.db.Shared() {
		all.Go(func() { a.attend(ctx) })
	}
	all.Wait()
}

// tend does what has to be done from time to time, until ctx ends.
func (a *App) tend(ctx context.Context, r *rounds) {
	var flush <-chan time.Time // nil while no report differs from its row
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-r.sweep.rings:
			r.sweep.in(sweepEvery)
			err = a.sweep(ctx)
		case <-a.pool.lost:
			err = a.sweep(ctx)
		case <-a.pool.due:
			err = a.admitDue(ctx, r.due)
		case <-r.due.rings:
			err = a.admitDue(ctx, r.due)
		case <-a.pool.progress:
			if flush == nil {
				flush = time.After(progressEvery)
			}
		case <-flush:
			if flush, err = nil, a.flushProgress(ctx); err != nil {
				flush = time.After(progressEvery)
			}
		}
		if err != nil && ctx.Err() == nil {
			a.log.Warn("housekeeping failed; it is tried again", "error", err)
		}
	}
}

// drain closes the pool in three steps, and returns how many tasks did not stop.
func (p *pool) drain(patience time.Duration) (left int) {
	idle := p.stop()
	defer p.cancel(errShutdown)
	for range 2 {
		select {
		case <-idle:
			return p.end()
		case <-time.After(patience):
			p.cancel(errShutdown)
		}
	}
	return p.end()
}

// retry calls f until it succeeds, with growing pauses: what can fail here is the machine (a
// full disk, an I/O error), and passes. It ends early if the task is lost, the database is
// closed, or the pool gives up.
func (p *pool) retry(what string, f func(ctx context.Context) error) error {
	ctx := context.WithoutCancel(p.ctx)
	err := f(ctx)
	if err == nil {
		return nil
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 20*time.Millisecond, 10*time.Second
	_, err = backoff.Retry(p.last, func() (struct{}, error) {
		if errors.Is(err, ErrLost) || errors.Is(err, ErrClosed) {
			return struct{}{}, backoff.Permanent(err)
		}
		err = f(ctx)
		return struct{}{}, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, next time.Duration) {
		p.app.log.Error("cannot "+what+"; it is tried again", "error", err, "after", next)
	}))
	return err
}

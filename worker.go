package pulp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// The rhythm of a worker that has nothing to do, and of the rows of progress reports.
const (
	heartbeatEvery = 10 * time.Second
	sweepEvery     = time.Minute
	progressEvery  = 500 * time.Millisecond
)

const (
	insertWorker = `INSERT INTO worker (pulp_id, name, versions, pulp_created, pulp_last_updated, last_heartbeat)
VALUES (?1, ?2, ?3, ?4, ?4, ?4) RETURNING id`
	beatWorker   = `UPDATE worker SET last_heartbeat = ?1, pulp_last_updated = ?1 WHERE id = ?2`
	deleteWorker = `DELETE FROM worker WHERE id = ?`
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
		a.tend(ctx, p.worker, r)
		return nil
	}
	if p.slots == 0 {
		a.once.Do(func() { close(a.started) })
		<-ctx.Done()
		return nil
	}
	worker, err := a.enroll(context.WithoutCancel(ctx))
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	if !p.begin(ctx, worker) {
		return errors.Join(fmt.Errorf("run: the App runs already: %w", ErrConflict), a.leave(worker))
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
	tended := make(chan struct{})
	go func() {
		defer close(tended)
		a.tend(tending, worker, r)
	}()
	<-ctx.Done()
	left := p.drain(a.cfg.Drain)
	stop()
	<-tended
	if err := a.leave(worker); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	if left > 0 {
		return fmt.Errorf("run: %d tasks did not stop when their contexts ended; they are failed, but their goroutines go on", left)
	}
	return nil
}

// Started returns a channel that is closed once [App.Run] claims tasks: what a probe of
// readiness, or a test, waits for. It stays closed when Run has ended.
func (a *App) Started() <-chan struct{} { return a.started }

// enroll writes the row of a process that runs tasks. Its id is new each time.
func (a *App) enroll(ctx context.Context) (worker int64, err error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	b, err := json.Marshal(a.Versions())
	if err != nil {
		return 0, err
	}
	name := fmt.Sprintf("%d@%s", os.Getpid(), host)
	row := a.db.Writer().DB.QueryRowContext(ctx, insertWorker, NewID(), name, string(b), a.now())
	if err := row.Scan(&worker); err != nil {
		return 0, fmt.Errorf("enroll worker: %w", err)
	}
	return worker, nil
}

func (a *App) leave(worker int64) error {
	if _, err := a.db.Writer().DB.Exec(deleteWorker, worker); err != nil {
		return fmt.Errorf("take leave of worker: %w", err)
	}
	return nil
}

// tend does what has to be done from time to time, until ctx ends.
func (a *App) tend(ctx context.Context, worker int64, r *rounds) {
	defer r.stop()
	var flush <-chan time.Time // nil while no report differs from its row
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-r.beat.rings:
			r.beat.in(heartbeatEvery)
			_, err = a.db.Writer().DB.ExecContext(ctx, beatWorker, a.now(), worker)
		case <-r.sweep.rings:
			r.sweep.in(sweepEvery)
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

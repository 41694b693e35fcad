package pulp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

const (
	insertWorker = `INSERT INTO worker (pulp_id, name, versions, pulp_created, pulp_last_updated, last_heartbeat, lease)
VALUES (?1, ?2, ?3, ?4, ?4, ?4, ?5) RETURNING id`
	// beatWorker gives the row another heartbeat whatever the clock says: others only look
	// whether it changes.
	beatWorker = `UPDATE worker SET pulp_last_updated = ?1,
  last_heartbeat = CASE last_heartbeat WHEN ?1 THEN ?1 + 1 ELSE ?1 END WHERE id = ?2`
	deleteWorker = `DELETE FROM worker WHERE id = ?`
	isWorker     = `SELECT EXISTS (SELECT 1 FROM worker WHERE id = ?)`
)

// A lease is what a process that runs tasks has on them. It lasts as long as the process's row in
// the table of workers. The process gives a sign of life in it each third of the lease's term;
// if it does not for a whole term, another one deletes the row, and with that all its tasks are
// lost: see [judge]. It claims none without the row, see [App.isGone], and what it still writes
// for those that it had is stopped by their fence.
type lease struct {
	judge judge
	gone  chan struct{} // the row is gone

	mu     sync.Mutex
	seen   time.Time // when the row was last known to be there
	former int64     // the row that the process had before
}

func newLease(term time.Duration) *lease {
	return &lease{judge: judge{term: term}, gone: make(chan struct{}, 1)}
}

func (l *lease) saw(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at.After(l.seen) {
		l.seen = at
	}
}

func (l *lease) lastSeen() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}

func (l *lease) lose(worker int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.former = worker
}

func (l *lease) formerly() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.former
}

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
	name, at := fmt.Sprintf("%d@%s", os.Getpid(), host), a.clock()
	row := a.db.Writer().DB.QueryRowContext(ctx, insertWorker, NewID(), name, string(b), TimeOf(at), a.cfg.Lease.Microseconds())
	if err := row.Scan(&worker); err != nil {
		return 0, fmt.Errorf("enroll worker: %w", err)
	}
	a.lease.saw(at)
	return worker, nil
}

func (a *App) leave(worker int64) error {
	if _, err := a.db.Writer().DB.Exec(deleteWorker, worker); err != nil {
		return fmt.Errorf("take leave of worker: %w", err)
	}
	return nil
}

// keepLease gives signs of life, and enrolls the process anew if its row is gone, until ctx
// ends. It does nothing else, so that nothing else keeps it from that.
func (a *App) keepLease(ctx context.Context, beat *alarm) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.lease.gone:
		case <-beat.rings:
		}
		pause := a.cfg.Lease / 3
		if err := a.renew(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("cannot write a sign of life; it is tried again", "error", err)
			pause /= 4
		}
		beat.in(pause)
	}
}

// renew writes one sign of life, or another row if that of the process is gone.
func (a *App) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Lease/3)
	defer cancel()
	worker := a.pool.enrolled()
	if worker == 0 {
		worker, err := a.enroll(ctx)
		if err != nil {
			return err
		}
		a.log.Warn("this process was taken for dead, and lost the tasks that it ran; it goes on as another worker", "worker", worker)
		a.pool.enroll(worker)
		a.pool.look()
		return a.leave(a.lease.formerly()) // mostly gone already
	}
	err := a.beat(ctx, worker)
	switch {
	case err == nil || !a.db.Shared():
		return err
	case errors.Is(err, ErrLost):
		a.disown(worker)
		return nil
	}
	a.doubtLease(context.WithoutCancel(ctx), worker)
	return err
}

// beat writes a sign of life and, in the same transaction, deletes the rows of those who gave
// none for longer than their leases. ErrLost says that the own row is gone.
func (a *App) beat(ctx context.Context, worker int64) error {
	var at time.Time
	err := a.inTx(ctx, func(ctx context.Context, s *scope) error {
		at = a.clock()
		res, err := s.tx.Tx.ExecContext(ctx, beatWorker, TimeOf(at), worker)
		if err != nil {
			return err
		}
		if !a.db.Shared() {
			return nil // nobody else could have deleted it, and nobody else is there
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrLost)
		}
		return a.expel(ctx, s, worker, at)
	})
	if err == nil {
		a.lease.saw(at)
		a.lease.judge.beaten(at)
	}
	return err
}

// doubtLease is for a process that cannot write. As long as it reads that its row is there, its
// tasks are its own: whoever could take them would have to write first. If it cannot read
// either, it gives up after one term, because others may.
func (a *App) doubtLease(ctx context.Context, worker int64) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Lease/3)
	defer cancel()
	at := a.clock()
	there, err := a.isEnrolled(ctx, a.db.Reader().DB, worker)
	switch {
	case err == nil && there:
		a.lease.saw(at)
	case err == nil, at.Sub(a.lease.lastSeen()) > a.cfg.Lease:
		a.disown(worker)
	}
}

func (a *App) isEnrolled(ctx context.Context, db querier, worker int64) (there bool, err error) {
	err = db.QueryRowContext(ctx, isWorker, worker).Scan(&there)
	return there, err
}

// isGone says, in a transaction that would claim a task, that this process must not: it was
// taken for dead while it was stopped. In a database that is not shared nobody could do that.
func (a *App) isGone(ctx context.Context, s *scope) (gone bool, err error) {
	if !a.db.Shared() {
		return false, nil
	}
	worker := a.pool.enrolled()
	there, err := a.isEnrolled(ctx, s.tx.Tx, worker)
	if err != nil {
		return false, fmt.Errorf("check that the worker is enrolled: %w", err)
	}
	if !there {
		a.disown(worker)
	}
	return !there, nil
}

// disown gives up all tasks of a worker that this process was.
func (a *App) disown(worker int64) {
	if !a.pool.dismiss(worker) {
		return
	}
	a.lease.lose(worker)
	for _, j := range a.live.of(worker) {
		j.cancel(ErrLost)
	}
	select {
	case a.lease.gone <- struct{}{}:
	default:
	}
}

package pulp

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Retry lets the tasks of a type start again.
//
// A task whose process died, or shut down, starts again at once: it keeps its reservations and
// its place in line. A task whose handler failed is held back for a pause, as with [After]: it
// gives its reservations free, so that nobody waits for a pause, and takes a new place in line
// when the pause is over. Its record shows the last error meanwhile, and its reports begin
// anew. A task that was canceled does not start again.
//
// Handlers of such types must be made to be run twice: what an attempt committed stays.
type Retry struct {
	// Attempts is how often a task may start, the first time included. Zero means once.
	Attempts int
	// Pause is how long the task is held back after its first failure; it doubles with each
	// further one. Zero means a second.
	Pause time.Duration
	// MaxPause is the longest pause. Zero means an hour.
	MaxPause time.Duration
}

func (r Retry) check(inTx bool) error {
	switch {
	case r.Attempts < 0 || r.Pause < 0 || r.MaxPause < 0:
		return errors.New("a retry cannot be of less than nothing")
	case r.Attempts > 1 && inTx:
		return errors.New("RunTx tasks are not retried")
	}
	return nil
}

// pause is how long to wait after so many attempts.
func (r Retry) pause(attempts int) time.Duration {
	pause, most := r.Pause, r.MaxPause
	if pause == 0 {
		pause = time.Second
	}
	if most == 0 {
		most = time.Hour
	}
	for range attempts - 1 {
		if pause *= 2; pause >= most {
			break
		}
	}
	return min(pause, most)
}

// NoRetry marks an error of a handler as one that another attempt would not mend: the task
// fails at once. The record says what err says.
func NoRetry(err error) error {
	if err == nil {
		return nil
	}
	return &permanent{err}
}

type permanent struct{ error }

func (p *permanent) Unwrap() error { return p.error }

const (
	// retryTask holds a task back for its next attempt.
	retryTask = `UPDATE task SET state = 'waiting', run_at = ?1, error = ?2, pulp_last_updated = ?3,
  unblocked_at = NULL, started_at = NULL, worker_id = NULL
WHERE id = ?4 AND worker_id = ?5 AND attempt = ?6 AND state = 'running' RETURNING id`
	// requeueTask makes a task ready again, in its place.
	requeueTask = `UPDATE task SET state = 'waiting', started_at = NULL, worker_id = NULL, pulp_last_updated = ?1
WHERE id = ?2 AND attempt = ?3 AND state = 'running' RETURNING priority, ifnull(ticket, id)`
	deleteReports = `DELETE FROM progress_report WHERE task_id = ?`
)

// mayRetry says whether a task of that type may start again after so many attempts.
func (a *App) mayRetry(name string, attempts int) bool {
	return a.tasks[name].retry.Attempts > attempts
}

// endAttempt ends an attempt after which there is to be another one; done is false if the task
// is canceled meanwhile, or not this one's any more.
func (a *App) endAttempt(ctx context.Context, s *scope, j *Job, out outcome) (next *Job, rest, done bool, err error) {
	var freed []released
	if out.aborted {
		freed, err = a.requeue(ctx, s, j.id, j.attempt)
		done = len(freed) > 0
	} else {
		done, err = a.holdBack(ctx, s, j, out)
	}
	if err != nil || !done {
		return nil, false, done, err
	}
	s.tell(j.pulpID, j.name, Waiting)
	a.at("attempt ended")
	if !out.aborted {
		if freed, rest, err = a.free(ctx, s.tx, j.id, j.reserved); err != nil {
			return nil, false, true, err
		}
	}
	if next, err = a.pass(ctx, s, freed, true); err != nil {
		return nil, false, true, err
	}
	s.onCommit(func() {
		j.removeDir()
		j.forget()
		a.pool.rearm()
	})
	return next, rest, true, nil
}

// holdBack holds a task back that failed.
func (a *App) holdBack(ctx context.Context, s *scope, j *Job, out outcome) (done bool, err error) {
	at := a.clock().Add(a.tasks[j.name].retry.pause(j.attempt))
	row := s.tx.Tx.QueryRowContext(ctx, retryTask, TimeOf(at), nullable(out.err), a.now(), j.id, j.worker, j.attempt)
	if err := row.Scan(new(int64)); noRows(err) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("hold back task %d: %w", j.id, err)
	}
	_, err = s.tx.Tx.ExecContext(ctx, deleteReports, j.id)
	return true, err
}

// requeue makes a task ready again whose attempt broke off; none is returned if it is not
// running in that attempt.
func (a *App) requeue(ctx context.Context, s *scope, task int64, attempt int) ([]released, error) {
	t := released{id: task}
	err := s.tx.Tx.QueryRowContext(ctx, requeueTask, a.now(), task, attempt).Scan(&t.priority, &t.ticket)
	if noRows(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("make task %d ready again: %w", task, err)
	}
	if _, err := s.tx.Tx.ExecContext(ctx, deleteReports, task); err != nil {
		return nil, err
	}
	return []released{t}, nil
}

package pulp

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A Ticket stands for a task that was dispatched. It means something once the transaction of
// the dispatch has committed.
type Ticket[R any] struct {
	// ID is the task's id.
	ID    ID
	app   *App
	task  int64
	early *outcome // if the task ended in its dispatching transaction

	existed bool
}

// Finished says whether the task ended in the transaction that dispatched it already, see
// [Task.RunTx]. Wait then returns at once.
func (k *Ticket[R]) Finished() bool { return k.early != nil }

// Existed says that the task was there before, see [Unique].
func (k *Ticket[R]) Existed() bool { return k.existed }

// Wait returns the result of the task when it has ended: a *TaskError if it failed, ErrCanceled
// if it was canceled, ErrNotFound if there is no such task (any more), the context's error if
// ctx ends first. Inside a transaction or a task Wait may wait for its own caller; do not call
// it there.
func (k *Ticket[R]) Wait(ctx context.Context) (R, error) {
	out, err := k.outcome(ctx)
	if err == nil {
		err = out.error()
	}
	if err != nil {
		var none R
		return none, fmt.Errorf("task %s: %w", k.ID, err)
	}
	return decodeResult[R](out.result)
}

// WaitFor waits at most so long. It is false if the task had not ended by then: it goes on.
func (k *Ticket[R]) WaitFor(ctx context.Context, length time.Duration) (ended bool, err error) {
	brief, cancel := k.app.timeout(ctx, length, context.DeadlineExceeded)
	defer cancel()
	_, err = k.Wait(brief)
	if over := brief.Err(); over != nil && errors.Is(err, over) && ctx.Err() == nil {
		return false, nil
	}
	return true, err
}

func (k *Ticket[R]) outcome(ctx context.Context) (outcome, error) {
	if k.early != nil {
		return *k.early, nil
	}
	return k.app.wait(ctx, k.task)
}

// Wait is [Ticket.Wait] for a task of which only the id is known: it returns the result as JSON,
// nil for null.
func (a *App) Wait(ctx context.Context, id ID) (result json.RawMessage, err error) {
	var task int64
	err = a.db.Reader().DB.QueryRowContext(ctx, findTaskID, id).Scan(&task)
	if noRows(err) {
		err = ErrNotFound
	}
	var out outcome
	if err == nil {
		out, err = a.wait(ctx, task)
	}
	if err == nil {
		err = out.error()
	}
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", id, err)
	}
	return out.result, nil
}

const findTaskID = `SELECT id FROM task WHERE pulp_id = ?`

const readOutcome = `SELECT state, result, error FROM task WHERE id = ?`

// wait waits for the end of a task. It first asks to be told, then looks, so that no end
// slips through in between. If another process may end the task, it looks again after each
// change.
func (a *App) wait(ctx context.Context, task int64) (outcome, error) {
	told := a.waiters.add(task)
	defer a.waiters.remove(task, told)
	for {
		changed := a.elsewhere()
		var out outcome
		err := a.db.Reader().DB.QueryRowContext(ctx, readOutcome, task).Scan(&out.state, &out.result, &out.err)
		switch {
		case noRows(err):
			return out, ErrNotFound
		case err != nil:
			return out, fmt.Errorf("read task: %w", err)
		case out.state.Final():
			return out, nil
		}
		select {
		case out = <-told:
			return out, nil
		case <-changed:
		case <-ctx.Done():
			return out, ctx.Err()
		case <-a.waiters.closed:
			return out, ErrClosed
		}
	}
}

// tellEnd tells those who wait for a task how it ended, if it was not ended by this process.
func (a *App) tellEnd(task int64) {
	var out outcome
	err := a.db.Reader().DB.QueryRow(readOutcome, task).Scan(&out.state, &out.result, &out.err)
	if err == nil && out.state.Final() {
		a.waiters.tell(task, out)
	}
}

func noRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// waiters are those who wait for the end of a task.
type waiters struct {
	closed chan struct{} // closed when no task will end any more
	mu     sync.Mutex
	byTask map[int64][]chan outcome
}

func newWaiters() *waiters {
	return &waiters{closed: make(chan struct{}), byTask: map[int64][]chan outcome{}}
}

func (w *waiters) add(task int64) chan outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := make(chan outcome, 1)
	w.byTask[task] = append(w.byTask[task], c)
	return c
}

func (w *waiters) remove(task int64, c chan outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := slices.DeleteFunc(w.byTask[task], func(x chan outcome) bool { return x == c })
	if w.byTask[task] = rest; len(rest) == 0 {
		delete(w.byTask, task)
	}
}

// tell tells all who wait for task how it ended.
func (w *waiters) tell(task int64, out outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.byTask[task] {
		c <- out
	}
	delete(w.byTask, task)
}

// close sends away all who wait or will wait.
func (w *waiters) close() { close(w.closed) }

// TaskID is the task's id, whatever its result.
func (k *Ticket[R]) TaskID() ID { return k.ID }

package pulp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
)

// A Task is a kind of work that is dispatched with arguments of type A, runs later or at once,
// and leaves a result of type R. It is a value, declared once and named in [Plugin.Parts] or
// [Config.Parts]; any number of Apps may share it.
//
// A task starts at most once, unless its type has a [Retry]. If its process dies, the next Open
// records it as failed. Both A and R travel as JSON; A is sealed with the App's key while it is stored.
type Task[A, R any] struct {
	// Name is in the records of tasks for ever: "file.sync". It is never used for another
	// kind of work.
	Name string
	// Timeout is how long a task may run before its context ends. Zero means for ever. A
	// handler that succeeds in spite of it has succeeded.
	Timeout time.Duration
	// Limits bound how many tasks of the type run at once, together with others that name the
	// same keys. None means no bounds.
	Limits []Limit
	// Retry lets a task of the type start again if its process died or its handler failed. The
	// zero value does not: a task starts at most once.
	Retry Retry
	// Run is the handler. What it returns is the outcome of the task: an error, or a panic,
	// makes it failed. Its last writes belong into [Job.OnFinish], which commits them
	// together with the outcome. Exactly one of Run and RunTx is set.
	Run func(ctx context.Context, j *Job, args A) (R, error)
	// RunTx is a handler that does nothing but write to the database. If the task may run
	// when it is dispatched, it runs at once, inside the dispatching transaction, and is
	// recorded as final there; else it runs on a worker, inside the transaction that ends
	// the task. If it fails, its writes are undone and the task is failed, while the
	// dispatching transaction goes on. It must be quick: it keeps all other writers
	// waiting. A type that took longer than 50 ms three times runs on workers only.
	RunTx func(ctx context.Context, tx bun.Tx, j *Job, args A) (R, error)
}

// A taskType is what the engine knows of a [Task]. Each App has its own.
type taskType struct {
	name    string
	timeout time.Duration
	limits  []Limit
	retry   Retry
	task    any // the *Task it was made from
	run     func(ctx context.Context, j *Job, args []byte) ([]byte, error)
	runTx   func(ctx context.Context, tx bun.Tx, j *Job, args []byte) ([]byte, error)
	slow    *atomic.Int32 // how often runTx took too long
}

func (t *Task[A, R]) declare(r *registry, _ Plugin) error {
	switch {
	case t.Name == "":
		return fmt.Errorf("a task has no name")
	case (t.Run == nil) == (t.RunTx == nil):
		return fmt.Errorf("task %q needs either Run or RunTx", t.Name)
	case r.tasks[t.Name].task != nil:
		return fmt.Errorf("task %q is declared twice", t.Name)
	}
	if err := errors.Join(checkLimits(t.Limits), t.Retry.check(t.RunTx != nil)); err != nil {
		return fmt.Errorf("task %q: %w", t.Name, err)
	}
	for _, l := range t.Limits {
		if n, ok := r.limits[l.Key]; ok && n != l.N {
			return fmt.Errorf("task %q: the limit %q is of %d elsewhere", t.Name, l.Key, n)
		}
		r.limits[l.Key] = l.N
	}
	r.tasks[t.Name] = t.erase()
	return nil
}

// erase hides A and R behind JSON. The arguments make the way through JSON even if the task
// runs at once, so that a handler sees the same whenever it runs.
func (t *Task[A, R]) erase() taskType {
	typ := taskType{name: t.Name, timeout: t.Timeout, limits: t.Limits, retry: t.Retry, task: t, slow: new(atomic.Int32)}
	if t.Run != nil {
		typ.run = func(ctx context.Context, j *Job, plain []byte) ([]byte, error) {
			var args A
			if err := json.Unmarshal(plain, &args); err != nil {
				return nil, fmt.Errorf("read arguments: %w", err)
			}
			return encodeResult(t.Run(ctx, j, args))
		}
		return typ
	}
	typ.runTx = func(ctx context.Context, tx bun.Tx, j *Job, plain []byte) ([]byte, error) {
		var args A
		if err := json.Unmarshal(plain, &args); err != nil {
			return nil, fmt.Errorf("read arguments: %w", err)
		}
		return encodeResult(t.RunTx(ctx, tx, j, args))
	}
	return typ
}

// encodeResult makes the JSON of a result; nil stands for null, as which "nothing" is recorded.
func encodeResult[R any](r R, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	if _, nothing := any(r).(struct{}); nothing {
		return nil, nil
	}
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write result: %w", err)
	}
	if string(b) == "null" {
		return nil, nil
	}
	return b, nil
}

func decodeResult[R any](b []byte) (r R, err error) {
	if b == nil {
		return r, nil
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("read result: %w", err)
	}
	return r, nil
}

// Dispatch records a task in tx, with its reservations: if tx commits, the task is there and
// will run; if not, there never was one. The reservations take their place in the line of
// each resource at once.
//
// ctx must carry the App, as it does in [App.Tx], in requests and in tasks; else the error is
// ErrNoApp. The task remembers the ctx's [Caller], and the task in which it was dispatched. tx
// must be one of the App's writer; if there is a savepoint open in it, tx must be the savepoint.
//
// In App.Tx a task that may run and finds a worker of this process free is handed to it right
// after the commit, without a way through the queue.
func (t *Task[A, R]) Dispatch(ctx context.Context, tx bun.Tx, args A, opts ...DispatchOption) (*Ticket[R], error) {
	a := FromContext(ctx)
	if a == nil {
		return nil, fmt.Errorf("dispatch %s: %w", t.Name, ErrNoApp)
	}
	typ := a.tasks[t.Name]
	if typ.task != any(t) {
		return nil, fmt.Errorf("dispatch %s: the task is not among the parts of this App", t.Name)
	}
	plain, err := json.Marshal(args)
	if err != nil {
		return nil, fmt.Errorf("dispatch %s: write arguments: %w", t.Name, err)
	}
	d := &dispatch{app: a, tx: tx, typ: typ, args: plain, limits: slices.Clone(typ.limits)}
	for _, o := range opts {
		o.apply(d)
	}
	if err := d.run(ctx); err != nil {
		return nil, fmt.Errorf("dispatch %s: %w", t.Name, err)
	}
	return &Ticket[R]{ID: d.pulpID, app: a, task: d.id, early: d.early, existed: d.existed}, nil
}

package pulptest

import (
	"context"
	"sync"

	"github.com/gopulp/pulp"
)

// holds are the gates at which tasks are stopped.
type holds struct {
	next around // what the test has around its tasks; may be nil

	mu    sync.Mutex
	types map[string]*Gate
	tasks map[pulp.ID]*Gate
	all   []*Gate
}

type around = func(ctx context.Context, j *pulp.Job, run func(ctx context.Context) error) error

func newHolds(next around) *holds {
	return &holds{next: next, types: map[string]*Gate{}, tasks: map[pulp.ID]*Gate{}}
}

// Hold stops the tasks of a type at a gate, running and with all that they reserve, before their
// handlers begin. Canceling one lets it go. Tasks with RunTx do not come to gates: they are
// part of a transaction, which would keep all writers waiting; reserve what they need instead.
// With [Inline] and in [App.Drain] it is the dispatching or draining goroutine that waits.
func (a *App) Hold(taskType string) *Gate { return hold(a.held, a.held.types, taskType) }

// HoldTask is Hold for one task. That it has not begun is certain in the transaction that
// dispatches it.
func (a *App) HoldTask(id pulp.ID) *Gate { return hold(a.held, a.held.tasks, id) }

func hold[K comparable](h *holds, gates map[K]*Gate, of K) *Gate {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := NewGate()
	gates[of], h.all = g, append(h.all, g)
	return g
}

// OpenGates opens all gates of tasks. [App.Stop] does so, too.
func (a *App) OpenGates() {
	a.held.mu.Lock()
	defer a.held.mu.Unlock()
	for _, g := range a.held.all {
		g.Open()
	}
}

// around has a task pass its gates before it runs.
func (h *holds) around(ctx context.Context, j *pulp.Job, run func(context.Context) error) error {
	h.mu.Lock()
	gates := []*Gate{h.types[j.Name()], h.tasks[j.ID()]}
	h.mu.Unlock()
	for _, g := range gates {
		if g == nil {
			continue
		}
		if err := g.Pass(ctx); err != nil {
			return err
		}
	}
	if h.next == nil {
		return run(ctx)
	}
	return h.next(ctx, j, run)
}

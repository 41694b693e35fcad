package pulptest

import (
	"context"
	"net/http"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
)

// mode says who runs the tasks of an App.
type mode int

const (
	onWorkers mode = iota
	inline
	manual
)

// Inline makes an App without workers: a task that may run when the transaction that dispatched
// it has committed has run when [pulp.App.Tx], or the request, returns, and so has everything
// that it dispatched or that waited for it. See [pulp.Config.Inline].
func Inline() Option {
	return func(o *options) { o.mode, o.Config.Inline = inline, true }
}

// Manual makes an App that dispatches tasks and runs none, until [App.Drain].
func Manual() Option { return func(o *options) { o.mode = manual } }

// Time has the App live by a clock of the test's.
func Time(c *Clock) Option {
	return func(o *options) { o.clock, o.Config.Clock = c, c }
}

// Wait returns a task, of which the href is known, when it has ended; see [Client.Wait].
func (a *App) Wait(t T, task string) Object {
	t.Helper()
	return a.Client.Wait(t, task)
}

// A Ran is a task that was run, and where it is when all have been.
type Ran struct {
	ID    pulp.ID
	Name  string
	State pulp.State // waiting, if it is to be tried again; empty, if its record was deleted
	Error string     // why it failed
}

// Drain runs all tasks that may run, and those that may run after them, one after the other, and
// returns them in the order of their starts; one that was tried twice is there twice. What is held
// back stays so. The App must be [Manual] or [Inline].
func (a *App) Drain(t T) []Ran {
	t.Helper()
	return a.ran(t, a.RunReady)
}

// DrainDue is Drain for all that is due by the App's clock as well: tasks that were held back,
// further attempts, schedules.
func (a *App) DrainDue(t T) []Ran {
	t.Helper()
	return a.ran(t, a.RunDue)
}

func (a *App) ran(t T, run func(context.Context) ([]pulp.ID, error)) []Ran {
	t.Helper()
	ids, err := run(context.Background())
	require.NoError(t, err)
	out := make([]Ran, len(ids))
	for i, id := range ids {
		out[i].ID = id
		answer := a.Do(t, "GET", "tasks/"+id.String()+"/", nil)
		if answer.Code == http.StatusNotFound {
			continue
		}
		o := answer.Object(t)
		reason := o.Object("error")
		out[i].Name, out[i].State, out[i].Error = o.Text("name"), pulp.State(o.Text("state")), reason.Text("description")+reason.Text("reason")
	}
	return out
}

const dueSQL = `SELECT EXISTS (SELECT 1 FROM task WHERE state = 'waiting' AND run_at <= ?1)
OR EXISTS (SELECT 1 FROM task_schedule WHERE next_dispatch <= ?1)`

// Advance moves the App's clock, which [Time] has set, and sees to what is then due. On workers
// it returns when all of that may run; with [Inline] it has run; with [Manual] nothing happens
// until [App.DrainDue]. A schedule dispatches once, however many of its times have passed.
func (a *App) Advance(t T, d time.Duration) {
	t.Helper()
	require.NotNil(t, a.clock, "the App has the clock of the system: use pulptest.Time")
	a.clock.Advance(d)
	switch a.mode {
	case inline:
		_, err := a.RunDue(context.Background())
		require.NoError(t, err)
	case onWorkers:
		due, now := true, pulp.TimeOf(a.clock.Now())
		for begin := time.Now(); due && time.Since(begin) < patience; time.Sleep(time.Millisecond) { // nobody tells
			require.NoError(t, a.DB().Reader().DB.QueryRow(dueSQL, now).Scan(&due))
		}
		require.False(t, due, "what is due is not taken up")
	}
}

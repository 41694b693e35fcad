package pulptest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

// A diary has a task that writes down what it is told, and dispatches what comes after it.
type diary struct {
	task  *pulp.Task[[]string, string]
	lines []string
}

func newDiary() *diary {
	d := &diary{}
	d.task = &pulp.Task[[]string, string]{Name: "diary", Run: func(ctx context.Context, j *pulp.Job, lines []string) (string, error) {
		d.lines = append(d.lines, lines[0])
		if lines[0] == "fail" {
			return "", errors.New("no ink")
		}
		if len(lines) == 1 {
			return lines[0], nil
		}
		return lines[0], j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
			_, err := d.task.Dispatch(ctx, tx, lines[1:])
			return err
		})
	}}
	return d
}

func dispatch[A, R any](t testing.TB, app *pulptest.App, task *pulp.Task[A, R], args A, opts ...pulp.DispatchOption) *pulp.Ticket[R] {
	t.Helper()
	var ticket *pulp.Ticket[R]
	require.NoError(t, app.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) (err error) {
		ticket, err = task.Dispatch(ctx, tx, args, opts...)
		return err
	}))
	return ticket
}

func names(ran []pulptest.Ran) (out []string) {
	for _, r := range ran {
		out = append(out, r.Name+" "+string(r.State)+" "+r.Error)
	}
	return out
}

func TestInlineTasksHaveRunWhenTheirTransactionReturns(t *testing.T) {
	t.Parallel()
	d := newDiary()
	app := pulptest.New(t, pulptest.Inline(), pulptest.Parts(d.task))
	chair := pulp.Exclusive(pulp.Name("chair"))
	require.NoError(t, app.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		for _, lines := range [][]string{{"a", "after a"}, {"b"}, {"fail"}} {
			if _, err := d.task.Dispatch(ctx, tx, lines, chair); err != nil {
				return err
			}
		}
		require.Empty(t, d.lines, "nothing runs before the commit")
		return nil
	}))
	require.Equal(t, []string{"a", "after a", "b", "fail"}, d.lines)

	text, err := dispatch(t, app, d.task, []string{"at once"}, pulp.NotDeferred()).Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, "at once", text)

	tx, err := app.DB().Writer().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = d.task.Dispatch(app.With(t.Context()), tx, []string{"own transaction", "its child"})
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	require.Equal(t, []string{"at once", "own transaction", "its child"}, d.lines[4:])

	later := dispatch(t, app, d.task, []string{"later"}, pulp.After(time.Hour))
	require.NoError(t, app.Cancel(t.Context(), later.ID))
	require.Empty(t, app.Drain(t))
}

func TestInlineTasksOfRequestsHaveRunWhenTheAnswerComes(t *testing.T) {
	t.Parallel()
	app := pulptest.New(t, pulptest.Inline())
	task := app.Start(t, "POST", "tasks/purge/", pulptest.Object{})
	require.Equal(t, "completed", app.State(t, task))
}

func TestDrainRunsWhatIsReadyAndSaysWhatRan(t *testing.T) {
	t.Parallel()
	d, clock := newDiary(), pulptest.NewClock()
	app := pulptest.New(t, pulptest.Manual(), pulptest.Time(clock), pulptest.Parts(d.task))
	dispatch(t, app, d.task, []string{"low"})
	dispatch(t, app, d.task, []string{"high", "child"}, pulp.Priority(1))
	dispatch(t, app, d.task, []string{"fail"})
	dispatch(t, app, d.task, []string{"later"}, pulp.After(time.Hour))
	require.Empty(t, d.lines)
	require.Equal(t, []string{"diary completed ", "diary completed ", "diary failed no ink", "diary completed "}, names(app.Drain(t)))
	require.Equal(t, []string{"high", "low", "fail", "child"}, d.lines)
	require.Empty(t, app.DrainDue(t), "it is not yet later")
	app.Advance(t, time.Hour)
	require.Empty(t, app.Drain(t), "due, but nobody has looked")
	require.Equal(t, []string{"diary completed "}, names(app.DrainDue(t)))
	require.Contains(t, d.lines, "later")
}

func TestDrainIsRefusedWhileWorkersRun(t *testing.T) {
	t.Parallel()
	app := pulptest.New(t)
	_, err := app.RunReady(t.Context())
	require.ErrorIs(t, err, pulp.ErrConflict)
}

func TestHeldTaskIsRunningAndReservesUntilTheGateOpens(t *testing.T) {
	t.Parallel()
	d := newDiary()
	app := pulptest.New(t, pulptest.Parts(d.task))
	gate := app.Hold(d.task.Name)
	chair := pulp.Exclusive(pulp.Name("chair"))
	first, second := dispatch(t, app, d.task, []string{"1"}, chair), dispatch(t, app, d.task, []string{"2"}, chair)
	gate.Await(t, 1)
	require.Equal(t, "running", app.State(t, "tasks/"+first.ID.String()+"/"))
	require.Equal(t, "waiting", app.State(t, "tasks/"+second.ID.String()+"/"))
	require.Empty(t, d.lines)
	gate.Open()
	_, err := second.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"1", "2"}, d.lines)
}

func TestOneTaskCanBeHeldAndCanceledThere(t *testing.T) {
	t.Parallel()
	d := newDiary()
	app := pulptest.New(t, pulptest.Parts(d.task))
	var held *pulp.Ticket[string]
	var gate *pulptest.Gate
	require.NoError(t, app.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) (err error) {
		held, err = d.task.Dispatch(ctx, tx, []string{"held"})
		gate = app.HoldTask(held.ID)
		return err
	}))
	gate.Await(t, 1)
	_, err := dispatch(t, app, d.task, []string{"free"}).Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, "canceled", app.Cancels(t, "tasks/"+held.ID.String()+"/").Text("state"))
	require.Equal(t, []string{"free"}, d.lines)
}

func TestGatesStandAroundWhatTheHostHasAroundItsTasks(t *testing.T) {
	t.Parallel()
	d, around := newDiary(), []string(nil)
	app := pulptest.New(t, pulptest.Inline(), pulptest.Parts(d.task), pulptest.Configure(func(c *pulp.Config) {
		c.Around = func(ctx context.Context, j *pulp.Job, run func(context.Context) error) error {
			err := run(ctx)
			around = append(around, fmt.Sprint(j.Name(), " ", err))
			if err != nil {
				return &pulp.TaskError{Text: "around: " + err.Error()}
			}
			return nil
		}
	}))
	dispatch(t, app, d.task, []string{"x"})
	ticket := dispatch(t, app, d.task, []string{"fail"})
	require.Equal(t, []string{"diary <nil>", "diary no ink"}, around)
	_, err := ticket.Wait(t.Context())
	require.EqualError(t, errors.Unwrap(err), "around: no ink")
}

func TestClockFiresWhatIsDueOnWorkers(t *testing.T) {
	t.Parallel()
	d, clock := newDiary(), pulptest.NewClock()
	hourly := pulp.Schedule{Name: "hourly", Every: time.Hour, Work: d.task.With([]string{"hourly"})}
	app := pulptest.New(t, pulptest.Time(clock), pulptest.Parts(d.task, hourly))
	held := dispatch(t, app, d.task, []string{"held back"}, pulp.After(59*time.Minute))
	app.Advance(t, 58*time.Minute)
	require.Equal(t, "waiting", app.State(t, "tasks/"+held.ID.String()+"/"))
	app.Advance(t, time.Minute)
	_, err := held.Wait(t.Context())
	require.NoError(t, err)
	app.Advance(t, time.Minute)
	run := pulptest.RequireDispatched(t, app, d.task, []string{"hourly"})
	require.Equal(t, "completed", app.Wait(t, "tasks/"+run.ID.String()+"/").Text("state"))
	app.Advance(t, 5*time.Hour)
	pulptest.RequireDispatches(t, app, d.task, 3)
}

func TestClockMovesRetriesTimeoutsAndRetention(t *testing.T) {
	t.Parallel()
	tries, clock := 0, pulptest.NewClock()
	flaky := &pulp.Task[string, int]{Name: "flaky", Retry: pulp.Retry{Attempts: 3, Pause: time.Hour}, Run: func(context.Context, *pulp.Job, string) (int, error) {
		if tries++; tries < 3 {
			return 0, errors.New("no answer")
		}
		return tries, nil
	}}
	slow := &pulp.Task[string, int]{Name: "slow", Timeout: time.Hour, Run: func(ctx context.Context, _ *pulp.Job, _ string) (int, error) {
		clock.Advance(time.Hour)
		<-ctx.Done()
		return 0, ctx.Err()
	}}
	app := pulptest.New(t, pulptest.Inline(), pulptest.Time(clock), pulptest.Parts(flaky, slow))
	dispatch(t, app, flaky, "")
	require.Equal(t, 1, tries)
	app.Advance(t, time.Hour)
	require.Equal(t, 2, tries)
	app.Advance(t, 2*time.Hour)
	require.Equal(t, pulp.Completed, pulptest.RequireDispatched(t, app, flaky, "").State)

	_, err := dispatch(t, app, slow, "").Wait(t.Context())
	require.EqualError(t, errors.Unwrap(err), "The task took longer than 1h0m0s.")

	app.Advance(t, 31*24*time.Hour)
	pulptest.RequireNotDispatched(t, app, flaky)
	pulptest.RequireNotDispatched(t, app, slow)
}

func TestWorkersBeatByTheClock(t *testing.T) {
	t.Parallel()
	clock := pulptest.NewClock()
	app := pulptest.New(t, pulptest.Time(clock))
	app.Advance(t, time.Hour)
	require.Eventually(t, func() bool { return len(app.List(t, "workers/", "online=true")) == 1 }, time.Minute, time.Millisecond)
}

package pulp_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
)

func TestPriorityDecidesAmongReadyTasksOnly(t *testing.T) {
	t.Parallel()
	s := newStage()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{s.task}, Workers: 1})
	h.run()
	dispatch(h, s.task, "busy")
	require.Equal(t, "busy", receive(t, s.started))
	r := pulp.Exclusive(pulp.Name("r"))
	for _, x := range []struct {
		name    string
		options []pulp.DispatchOption
	}{
		{"plain", nil}, {"low", []pulp.DispatchOption{pulp.Priority(-1)}}, {"first of r", []pulp.DispatchOption{r}},
		{"urgent of r", []pulp.DispatchOption{r, pulp.Priority(9)}}, {"urgent", []pulp.DispatchOption{pulp.Priority(5)}},
	} {
		dispatch(h, s.task, x.name, x.options...)
	}
	last := "busy"
	for _, want := range []string{"urgent", "plain", "first of r", "urgent of r", "low"} {
		s.end(last, nil)
		require.Equal(t, want, receive(t, s.started))
		last = want
	}
	s.end(last, nil)
}

// In a bubble of synctest the clock goes on when everybody waits.
func TestTaskIsHeldBackUntilItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		h := hostTasks(t, s.task)
		defer h.Close()
		defer h.stop()
		r := pulp.Exclusive(pulp.Name("r"))
		begun := time.Now()
		late := dispatch(h, s.task, "late", r, pulp.At(begun.Add(3*time.Hour)))
		soon := dispatch(h, s.task, "soon", r, pulp.After(time.Hour))
		now := dispatch(h, s.task, "now", r, pulp.At(begun.Add(-time.Hour)))
		require.Equal(t, "now", <-s.started, "who is held back blocks nobody")
		require.Equal(t, pulp.Waiting, h.row(soon.ID).State)
		require.Equal(t, 1, h.count("SELECT count(*) FROM reservation"))
		s.end("now", nil)
		require.Equal(t, "soon", <-s.started)
		require.Equal(t, time.Hour, time.Since(begun))
		next := dispatch(h, s.task, "next", r)
		time.Sleep(2 * time.Hour) // now late is due
		synctest.Wait()
		require.Equal(t, 3, h.count("SELECT count(*) FROM reservation"))
		s.end("soon", nil)
		require.Equal(t, "next", <-s.started, "who was held back takes its place at the end of the line")
		s.end("next", nil)
		require.Equal(t, "late", <-s.started)
		s.end("late", nil)
		for _, ticket := range []*pulp.Ticket[struct{}]{late, now, next} {
			_, err := ticket.Wait(t.Context())
			require.NoError(t, err)
		}
		require.Zero(t, h.count("SELECT count(*) FROM reservation"))
	})
}

func TestTaskThatIsHeldBackSurvivesARestartAndCanBeCanceled(t *testing.T) {
	t.Parallel()
	task, dir := double(), t.TempDir()
	h := openTasks(t, dir, pulp.Config{Parts: []pulp.Part{task}})
	dropped := dispatch(h, task, 1, pulp.After(time.Hour), pulp.Exclusive(pulp.Name("r")))
	kept := dispatch(h, task, 2, pulp.After(time.Millisecond), pulp.Exclusive(pulp.Name("r")))
	require.NoError(t, h.Cancel(t.Context(), dropped.ID))
	require.NoError(t, h.Close())
	h = openTasks(t, dir, pulp.Config{Parts: []pulp.Part{task}})
	h.run()
	require.Eventually(t, func() bool { return h.row(kept.ID).State == pulp.Completed }, patience, tick)
	require.Equal(t, pulp.Canceled, h.row(dropped.ID).State)
}

func TestHeldBackTaskOfAnUnseenTransactionIsNotForgotten(t *testing.T) {
	t.Parallel()
	task := double()
	h := hostTasks(t, task)
	tx, err := h.DB().Writer().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	ticket, err := task.Dispatch(h.With(t.Context()), tx, 4, pulp.After(5*time.Millisecond))
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	n, err := wait(t, ticket)
	require.NoError(t, err)
	require.Equal(t, 8, n)
}

func TestUniqueReturnsTheTaskThatIsThere(t *testing.T) {
	t.Parallel()
	s, other := newStage(), double()
	h := hostTasks(t, s.task, other)
	first := dispatch(h, s.task, "a", pulp.Unique("k"))
	require.False(t, first.Existed())
	require.Equal(t, "a", receive(t, s.started))
	second := dispatch(h, s.task, "b", pulp.Unique("k"))
	require.True(t, second.Existed())
	require.Equal(t, first.ID, second.ID)
	require.False(t, dispatch(h, other, 1, pulp.Unique("k")).Existed(), "a key is of one type")
	require.False(t, dispatch(h, s.task, "c", pulp.Unique("other")).Existed())
	s.end("a", nil)
	s.end("c", nil)
	_, err := wait(t, second)
	require.NoError(t, err)
	require.False(t, dispatch(h, s.task, "d", pulp.Unique("k")).Existed(), "it has finished")
	s.end("d", nil)
}

func TestTimeoutOfATaskReplacesThatOfItsType(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		task := &pulp.Task[int, int]{Name: "slow", Timeout: time.Hour, Run: func(ctx context.Context, _ *pulp.Job, _ int) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}}
		h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}, Workers: 1})
		h.run()
		defer h.Close()
		defer h.stop()
		begun := time.Now()
		own := dispatch(h, task, 1, pulp.Timeout(time.Minute))
		behind := dispatch(h, task, 2, pulp.Timeout(time.Second)) // claimed from the list
		_, err := own.Wait(t.Context())
		require.ErrorContains(t, err, "The task took longer than 1m0s.")
		_, err = behind.Wait(t.Context())
		require.ErrorContains(t, err, "The task took longer than 1s.")
		require.Equal(t, time.Minute+time.Second, time.Since(begun))
	})
}

func TestTaskAtOnceDoesNotWaitForAWorker(t *testing.T) {
	t.Parallel()
	s := newStage()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{s.task}, Workers: 1})
	h.run()
	dispatch(h, s.task, "busy")
	require.Equal(t, "busy", receive(t, s.started))
	queued := dispatch(h, s.task, "queued")
	dispatch(h, s.task, "at once", pulp.AtOnce())
	require.Equal(t, "at once", receive(t, s.started))
	s.end("at once", nil)
	require.Eventually(t, func() bool { return h.count("SELECT count(*) FROM task WHERE state = 'running'") == 1 }, patience, tick)
	require.Equal(t, pulp.Waiting, h.row(queued.ID).State, "the extra slot is gone")
	s.end("busy", nil)
	require.Equal(t, "queued", receive(t, s.started))
	s.end("queued", nil)
	_, err := wait(t, queued)
	require.NoError(t, err)
}

func TestTaskThatIsNotDeferredIsCanceledIfItCannotRun(t *testing.T) {
	t.Parallel()
	s := newStage()
	inTx := writing(succeed)
	h := hostWithTable(t, s.task, inTx)
	r := pulp.Exclusive(pulp.Name("r"))
	holder := dispatch(h, s.task, "holder", r, pulp.NotDeferred())
	require.Equal(t, "holder", receive(t, s.started))
	refused := dispatch(h, s.task, "refused", r, pulp.NotDeferred())
	require.True(t, refused.Finished())
	_, err := wait(t, refused)
	require.ErrorIs(t, err, pulp.ErrCanceled)
	row := h.row(refused.ID)
	require.Equal(t, `{"reason":"Resources temporarily unavailable."}`, *row.Error)
	require.True(t, row.Finished)
	require.Equal(t, pulp.Canceled, h.row(dispatch(h, inTx, 1, r, pulp.NotDeferred()).ID).State)
	require.Equal(t, pulp.Completed, h.row(dispatch(h, inTx, 1, pulp.NotDeferred()).ID).State)
	require.Equal(t, 1, h.count("SELECT count(*) FROM reservation"))
	s.end("holder", nil)
	_, err = wait(t, holder)
	require.NoError(t, err)
	require.NoError(t, h.stop())
	require.Equal(t, pulp.Canceled, h.row(dispatch(h, s.task, "nobody there", pulp.NotDeferred()).ID).State)
}

func TestOptionsThatContradictAreRefused(t *testing.T) {
	t.Parallel()
	task := double()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}})
	for _, options := range [][]pulp.DispatchOption{
		{pulp.NotDeferred(), pulp.After(time.Hour)}, {pulp.Timeout(-1)}, {pulp.Limit{N: 1}}, {pulp.Limit{Key: "k"}}, {pulp.Limit{Key: "k", N: 1001}},
	} {
		err := h.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
			_, err := task.Dispatch(ctx, tx, 1, options...)
			return err
		})
		require.Error(t, err)
	}
	require.Zero(t, h.count("SELECT count(*) FROM task"))
}

func TestLimitLetsSoManyRunAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage()
	s.task.Limits = []pulp.Limit{{Key: "stage", N: 2}}
	h := hostTasks(t, s.task)
	var tickets []*pulp.Ticket[struct{}]
	for _, name := range []string{"a", "b", "c", "d"} {
		tickets = append(tickets, dispatch(h, s.task, name))
	}
	first := []string{receive(t, s.started), receive(t, s.started)}
	require.ElementsMatch(t, []string{"a", "b"}, first)
	require.Equal(t, 2, h.count("SELECT count(*) FROM task WHERE unblocked_at IS NULL"))
	s.end("b", nil)
	require.Equal(t, "c", receive(t, s.started))
	require.NoError(t, h.Cancel(t.Context(), tickets[3].ID))
	s.end("a", nil)
	s.end("c", nil)
	for _, ticket := range tickets[:3] {
		_, err := wait(t, ticket)
		require.NoError(t, err)
	}
	require.Zero(t, h.count("SELECT count(*) FROM reservation"))
}

func TestLimitOfAnotherNumberElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	one, two := double(), newStage().task
	one.Limits, two.Limits = []pulp.Limit{{Key: "k", N: 1}}, []pulp.Limit{{Key: "k", N: 2}}
	err := openFails(t, one, two)
	require.ErrorContains(t, err, `the limit "k" is of 1 elsewhere`)
	one.Limits, one.Retry = nil, pulp.Retry{Attempts: -1}
	require.Error(t, openFails(t, one))
	inTx := writing(succeed)
	inTx.Retry.Attempts = 2
	require.ErrorContains(t, openFails(t, inTx), "RunTx tasks are not retried")
}

// openFails opens an App that has something against its parts.
func openFails(t *testing.T, parts ...pulp.Part) error {
	t.Helper()
	db := testDatabase(t)
	_, err := pulp.Open(t.Context(), db, pulp.Config{Parts: parts})
	require.Error(t, err)
	return err
}

func TestWhoSaysAnotherNumberForALimitWaitsForItsOwn(t *testing.T) {
	t.Parallel()
	s := newStage()
	h := hostTasks(t, s.task)
	three, two := pulp.Limit{Key: "l", N: 3}, pulp.Limit{Key: "l", N: 2}
	dispatch(h, s.task, "one", three)
	dispatch(h, s.task, "other", three)
	require.ElementsMatch(t, []string{"one", "other"}, []string{receive(t, s.started), receive(t, s.started)})
	late := dispatch(h, s.task, "late", two)
	require.False(t, h.row(late.ID).Unblocked, "two are there")
	s.end("one", nil)
	require.Equal(t, "late", receive(t, s.started), "one is left")
	s.end("other", nil)
	s.end("late", nil)
	_, err := wait(t, late)
	require.NoError(t, err)
}

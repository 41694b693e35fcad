package pulp_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
)

func TestPausedTypeDoesNotStartUntilItIsResumed(t *testing.T) {
	t.Parallel()
	s, inTx := newStage(), writing(succeed)
	dir := t.TempDir()
	h := openTasks(t, dir, pulp.Config{Parts: []pulp.Part{s.task, inTx}})
	h.exec("CREATE TABLE host (n INTEGER)")
	h.run()
	require.ErrorIs(t, h.Pause(t.Context(), "nothing"), pulp.ErrNotFound)
	require.NoError(t, h.Pause(t.Context(), "stage"))
	require.NoError(t, h.Pause(t.Context(), "writing"))
	waiting := dispatch(h, s.task, "waiting", pulp.Exclusive(pulp.Name("r")))
	require.False(t, dispatch(h, inTx, 1).Finished())
	require.Equal(t, pulp.Canceled, h.row(dispatch(h, s.task, "refused", pulp.NotDeferred()).ID).State)
	require.NoError(t, h.stop())
	require.NoError(t, h.Close())

	h = openTasks(t, dir, pulp.Config{Parts: []pulp.Part{s.task, inTx}})
	h.run()
	types, err := h.Paused(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"stage", "writing"}, types)
	require.Eventually(t, func() bool { return h.count("SELECT count(*) FROM goqite") == 0 }, patience, tick)
	require.NoError(t, h.Sweep(t.Context()))
	require.Zero(t, h.count("SELECT count(*) FROM goqite"))
	require.Equal(t, pulp.Waiting, h.row(waiting.ID).State)
	require.NoError(t, h.Resume(t.Context(), "stage"))
	require.Equal(t, "waiting", receive(t, s.started))
	s.end("waiting", nil)
	require.NoError(t, h.Resume(t.Context(), "writing"))
	require.Eventually(t, func() bool { return h.count("SELECT count(*) FROM host") == 1 }, patience, tick)
}

func TestFailedAttemptIsRetriedAfterAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var starts []time.Duration
		begun := time.Now()
		task := &pulp.Task[int, int]{
			Name: "flaky", Retry: pulp.Retry{Attempts: 4, Pause: time.Minute, MaxPause: 3 * time.Minute},
			Run: func(_ context.Context, j *pulp.Job, successAt int) (int, error) {
				starts = append(starts, time.Since(begun))
				j.Progress("p", "Trying", 0).Add(1)
				if len(starts) < successAt {
					return 0, errors.New("not yet")
				}
				return len(starts), nil
			},
		}
		s := newStage()
		h := hostTasks(t, task, s.task)
		defer h.Close()
		defer h.stop()
		r := pulp.Exclusive(pulp.Name("r"))
		ticket := dispatch(h, task, 4, r)
		time.Sleep(time.Second)
		synctest.Wait()
		row := h.row(ticket.ID)
		require.Equal(t, pulp.Waiting, row.State)
		require.Contains(t, *row.Error, "not yet")
		require.False(t, row.Unblocked)
		require.Zero(t, h.count("SELECT count(*) FROM reservation"), "nobody waits for a pause")
		n, err := ticket.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, 4, n)
		require.Equal(t, []time.Duration{0, time.Minute, 3 * time.Minute, 6 * time.Minute}, starts)
		require.Nil(t, h.row(ticket.ID).Error)
		require.Equal(t, 1, h.count("SELECT done FROM progress_report"))
		_, err = dispatch(h, task, 100, r).Wait(t.Context())
		require.ErrorContains(t, err, "not yet")
		require.Len(t, starts, 8)
	})
}

func TestPermanentFailureIsNotRetried(t *testing.T) {
	t.Parallel()
	starts := 0
	task := &pulp.Task[int, int]{Name: "broken", Retry: pulp.Retry{Attempts: 9}, Run: func(context.Context, *pulp.Job, int) (int, error) {
		starts++
		return 0, pulp.NoRetry(&pulp.TaskError{Code: "X1", Text: "never"})
	}}
	h := hostTasks(t, task)
	ticket := dispatch(h, task, 1)
	_, err := wait(t, ticket)
	var failure *pulp.TaskError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, "X1", failure.Code)
	require.Equal(t, 1, starts)
	require.NoError(t, pulp.NoRetry(nil))
}

func TestAttemptThatTheShutdownEndsKeepsItsPlace(t *testing.T) {
	t.Parallel()
	s := newStage()
	s.task.Retry.Attempts = 2
	dir := t.TempDir()
	h := openTasks(t, dir, pulp.Config{Parts: []pulp.Part{s.task}, Drain: time.Millisecond})
	h.run()
	r := pulp.Exclusive(pulp.Name("r"))
	first := dispatch(h, s.task, "first", r)
	require.Equal(t, "first", receive(t, s.started))
	second := dispatch(h, s.task, "second", r)
	_ = h.stop()
	require.Equal(t, pulp.Waiting, h.row(first.ID).State)
	require.True(t, h.row(first.ID).Unblocked)
	require.False(t, h.row(second.ID).Unblocked)
	h.run()
	require.Equal(t, "first", receive(t, s.started))
	s.end("first", nil)
	require.Equal(t, "second", receive(t, s.started))
	s.end("second", nil)
	_, err := wait(t, second)
	require.NoError(t, err)
}

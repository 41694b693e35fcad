package pulp_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
)

func TestCancelOfAWaitingTaskIsImmediate(t *testing.T) {
	t.Parallel()
	s := newStage()
	h := hostTasks(t, s.task)
	r := pulp.Exclusive(pulp.Name("r"))
	first := dispatch(h, s.task, "first", r)
	require.Equal(t, "first", receive(t, s.started))
	blocked := dispatch(h, s.task, "blocked", r, pulp.Exclusive(pulp.Name("q")))
	behind := dispatch(h, s.task, "behind", pulp.Exclusive(pulp.Name("q")))
	require.False(t, h.row(behind.ID).Unblocked)
	require.NoError(t, h.Cancel(t.Context(), blocked.ID))
	row := h.row(blocked.ID)
	require.Equal(t, pulp.Canceled, row.State)
	require.True(t, row.Finished)
	require.Nil(t, row.Error)
	_, err := wait(t, blocked)
	require.ErrorIs(t, err, pulp.ErrCanceled)
	require.Equal(t, "behind", receive(t, s.started), "who waited for it goes on")
	require.ErrorIs(t, h.Cancel(t.Context(), blocked.ID), pulp.ErrConflict)
	require.ErrorIs(t, h.Cancel(t.Context(), pulp.NewID()), pulp.ErrNotFound)
	s.end("first", nil)
	s.end("behind", nil)
	_, err = wait(t, first)
	require.NoError(t, err)
}

func TestCancelOfAReadyTaskTakesItOffTheList(t *testing.T) {
	t.Parallel()
	task := double()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}})
	ticket := dispatch(h, task, 1, pulp.Exclusive(pulp.Name("r")))
	require.Equal(t, 1, h.count("SELECT count(*) FROM goqite"))
	waited := make(chan error)
	go func() {
		_, err := ticket.Wait(t.Context())
		waited <- err
	}()
	require.NoError(t, h.Cancel(t.Context(), ticket.ID))
	require.ErrorIs(t, receive(t, waited), pulp.ErrCanceled)
	require.Zero(t, h.count("SELECT count(*) FROM goqite"))
	require.Zero(t, h.count("SELECT count(*) FROM reservation"))
}

func TestCanceledTaskWritesNothingAndKeepsItsReservationsUntilItReturns(t *testing.T) {
	t.Parallel()
	running, checked := make(chan struct{}), make(chan struct{})
	task := doing(func(ctx context.Context, j *pulp.Job) error {
		j.OnFinish(insertHost(0))
		running <- struct{}{}
		<-ctx.Done()
		require.ErrorIs(t, context.Cause(ctx), pulp.ErrCanceled)
		require.ErrorIs(t, j.Tx(ctx, insertHost(1)), pulp.ErrCanceled)
		require.ErrorIs(t, j.Tx(context.WithoutCancel(ctx), insertHost(2)), pulp.ErrCanceled)
		require.NoError(t, j.CleanUp(insertHost(3)))
		<-checked
		return nil // it claims success, but was canceled
	})
	s := newStage()
	h := hostWithTable(t, task, s.task)
	ticket := dispatch(h, task, 1, pulp.Exclusive(pulp.Name("r")))
	receive(t, running)
	next := dispatch(h, s.task, "next", pulp.Exclusive(pulp.Name("r")))
	require.NoError(t, h.Cancel(t.Context(), ticket.ID))
	require.Equal(t, pulp.Canceling, h.row(ticket.ID).State)
	require.NoError(t, h.Cancel(t.Context(), ticket.ID), "asking twice is no conflict")
	require.False(t, h.row(next.ID).Unblocked)
	close(checked)
	_, err := wait(t, ticket)
	require.ErrorIs(t, err, pulp.ErrCanceled)
	require.Equal(t, taskRow{State: pulp.Canceled, Record: h.row(ticket.ID).Record, Unblocked: true, Finished: true}, h.row(ticket.ID))
	require.Equal(t, "next", receive(t, s.started))
	s.end("next", nil)
	require.Equal(t, 3, h.count("SELECT sum(n) FROM host"))
}

func TestShutdownLetsTasksEnd(t *testing.T) {
	t.Parallel()
	s := newStage()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{s.task}, Workers: 1})
	h.run()
	running := dispatch(h, s.task, "running")
	require.Equal(t, "running", receive(t, s.started))
	waiting := dispatch(h, s.task, "waiting")
	stopped := make(chan error)
	go func() { stopped <- h.stop() }()
	require.Eventually(t, func() bool { return !h.Claims() }, patience, tick)
	s.end("running", nil)
	require.NoError(t, receive(t, stopped))
	require.Equal(t, pulp.Completed, h.row(running.ID).State)
	require.Equal(t, pulp.Waiting, h.row(waiting.ID).State)
	require.Zero(t, h.count("SELECT count(*) FROM worker"))
}

func TestShutdownCancelsTasksThatTakeTooLong(t *testing.T) {
	t.Parallel()
	s := newStage()
	late := doing(func(ctx context.Context, _ *pulp.Job) error {
		s.started <- "late"
		<-ctx.Done()
		return nil // it had just succeeded
	})
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{s.task, late}, Drain: time.Millisecond})
	h.run()
	stubborn, done := dispatch(h, s.task, "stubborn"), dispatch(h, late, 1)
	receive(t, s.started)
	receive(t, s.started)
	_ = h.stop() // nil if both returned within the second millisecond
	_, err := wait(t, stubborn)
	require.ErrorContains(t, err, "Aborted during worker shutdown.")
	require.Equal(t, `{"reason":"Aborted during worker shutdown."}`, *h.row(stubborn.ID).Error)
	require.True(t, h.row(done.ID).State.Final())
}

func TestShutdownGivesUpTasksThatDoNotStop(t *testing.T) {
	t.Parallel()
	started, release := make(chan struct{}), make(chan struct{})
	written := make(chan error)
	task := doing(func(_ context.Context, j *pulp.Job) error {
		started <- struct{}{}
		<-release
		written <- j.CleanUp(insertHost(1))
		return nil
	})
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}, Drain: time.Millisecond})
	h.exec("CREATE TABLE host (n INTEGER)")
	h.run()
	ticket := dispatch(h, task, 1)
	receive(t, started)
	require.ErrorContains(t, h.stop(), "tasks did not stop") // one of the App's own may be among them
	require.Equal(t, pulp.Failed, h.row(ticket.ID).State)
	h.run() // it can run again
	close(release)
	require.ErrorIs(t, receive(t, written), pulp.ErrLost)
	again := dispatch(h, task, 2)
	receive(t, started)
	require.NoError(t, receive(t, written))
	_, err := wait(t, again)
	require.NoError(t, err)
}

func TestRunRunsOnce(t *testing.T) {
	t.Parallel()
	s := newStage()
	h := hostTasks(t, s.task)
	dispatch(h, s.task, "a")
	receive(t, s.started)
	require.ErrorIs(t, h.Run(t.Context()), pulp.ErrConflict)
	require.Equal(t, 1, h.count("SELECT count(*) FROM worker"))
	s.end("a", nil)
}

// A logbook is a logger whose lines a test reads.
type logbook struct {
	slog.Handler
	lines chan string
}

func newLogbook() *logbook { return &logbook{slog.DiscardHandler, make(chan string, 1000)} }

func (l *logbook) Enabled(context.Context, slog.Level) bool { return true }

func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	l.lines <- r.Message
	return nil
}

func TestEndOfATaskIsRecordedWhenTheDatabaseWorksAgain(t *testing.T) {
	t.Parallel()
	task, log := double(), newLogbook()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}, Workers: 1, Logger: slog.New(log)})
	h.run()
	h.exec("CREATE TRIGGER full BEFORE UPDATE ON task WHEN NEW.state = 'completed' BEGIN SELECT raise(ABORT, 'disk full'); END")
	ticket := dispatch(h, task, 21)
	for range 3 {
		require.Equal(t, "cannot record the end of a task; it is tried again", receive(t, log.lines))
	}
	h.exec("DROP TRIGGER full")
	n, err := wait(t, ticket)
	require.NoError(t, err)
	require.Equal(t, 42, n)
	n, err = wait(t, dispatch(h, task, 22))
	require.NoError(t, err)
	require.Equal(t, 44, n)
}

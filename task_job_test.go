package pulp_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
)

// A handler is a task's work as the test wants it.
type handler = func(ctx context.Context, j *pulp.Job) error

func doing(f handler) *pulp.Task[int, int] {
	return &pulp.Task[int, int]{Name: "doing", Run: func(ctx context.Context, j *pulp.Job, n int) (int, error) { return n, f(ctx, j) }}
}

func insertHost(n int) func(ctx context.Context, tx bun.Tx) error {
	return func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO host VALUES (?)", n)
		return err
	}
}

// hostWithTable is hostTasks with a table of the host's own.
func hostWithTable(t *testing.T, parts ...pulp.Part) *taskHost {
	h := hostTasks(t, parts...)
	h.exec("CREATE TABLE host (n INTEGER)")
	return h
}

func TestJobKnowsItself(t *testing.T) {
	t.Parallel()
	var id pulp.ID
	var h *taskHost
	task := doing(func(ctx context.Context, j *pulp.Job) error {
		id = j.ID()
		require.Same(t, h.App, j.App())
		require.Same(t, h.App, pulp.FromContext(ctx))
		require.Same(t, j, pulp.JobFrom(ctx))
		require.NotNil(t, j.Log())
		for name, exclusive := range map[string]bool{"prn:x": true, "prn:s": false} {
			require.True(t, j.Reserved(name, false), name)
			require.Equal(t, exclusive, j.Reserved(name, true), name)
		}
		require.False(t, j.Reserved("prn:other", false))
		return nil
	})
	h = hostTasks(t, task)
	ticket := dispatch(h, task, 1, pulp.Exclusive(plain("prn:x")), pulp.Shared(plain("prn:s")))
	_, err := wait(t, ticket)
	require.NoError(t, err)
	require.Equal(t, ticket.ID, id)
}

// plain is a resource that is known by its own name.
type plain string

func (p plain) Resource() string { return string(p) }

// failures are the ways in which a task can fail at its end.
func failures() map[string]handler {
	boom := errors.New("boom")
	return map[string]handler{
		"handler fails":  func(context.Context, *pulp.Job) error { return boom },
		"handler panics": func(context.Context, *pulp.Job) error { panic(boom) },
		"function fails": func(_ context.Context, j *pulp.Job) error {
			j.OnFinish(func(context.Context, bun.Tx) error { return boom })
			return nil
		},
		"function panics": func(_ context.Context, j *pulp.Job) error {
			j.OnFinish(func(context.Context, bun.Tx) error { panic(boom) })
			return nil
		},
		"function begins a transaction": func(ctx context.Context, j *pulp.Job) error {
			j.OnFinish(func(context.Context, bun.Tx) error { return j.Tx(ctx, insertHost(3)) })
			return nil
		},
	}
}

func TestOnFinishIsOneCommitWithTheEnd(t *testing.T) {
	t.Parallel()
	var more handler
	task := doing(func(ctx context.Context, j *pulp.Job) error {
		j.OnFinish(insertHost(1))
		j.OnFinish(func(ctx context.Context, tx bun.Tx) error {
			j.Created("repository", 5)
			return insertHost(2)(ctx, tx)
		})
		return more(ctx, j)
	})
	h := hostWithTable(t, task)
	for name, f := range failures() {
		more = f
		ticket := dispatch(h, task, 1)
		_, err := wait(t, ticket)
		require.Error(t, err, name)
		require.Equal(t, pulp.Failed, h.row(ticket.ID).State, name)
		require.Zero(t, h.count("SELECT count(*) FROM host"), name)
		require.Zero(t, h.count("SELECT count(*) FROM created_resource"), name)
	}
	more = func(context.Context, *pulp.Job) error { return nil }
	_, err := wait(t, dispatch(h, task, 1))
	require.NoError(t, err)
	require.Equal(t, 2, h.count("SELECT count(*) FROM host"))
	require.Equal(t, 1, h.count("SELECT count(*) FROM created_resource WHERE kind = 'repository' AND object_id = 5"))
}

func TestOnFinishThatIsTriedAgainLeavesNothingTwice(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	task := doing(func(_ context.Context, j *pulp.Job) error {
		j.OnFinish(func(ctx context.Context, tx bun.Tx) error {
			tries.Add(1)
			j.Created("thing", 1)
			j.OnFinish(insertHost(2))
			return insertHost(1)(ctx, tx)
		})
		return nil
	})
	log := newLogbook()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}, Logger: slog.New(log)})
	h.exec("CREATE TABLE host (n INTEGER)")
	h.exec("CREATE TRIGGER full BEFORE UPDATE ON task WHEN NEW.state = 'completed' BEGIN SELECT raise(ABORT, 'disk full'); END")
	h.run()
	ticket := dispatch(h, task, 1)
	receive(t, log.lines)
	h.exec("DROP TRIGGER full")
	_, err := wait(t, ticket)
	require.NoError(t, err)
	require.Greater(t, tries.Load(), int32(1))
	require.Equal(t, 2, h.count("SELECT count(*) FROM host"))
	require.Equal(t, 1, h.count("SELECT count(*) FROM created_resource"))
}

func TestLostTaskWritesNothing(t *testing.T) {
	t.Parallel()
	begin, lost := make(chan struct{}), make(chan error, 3)
	task := doing(func(ctx context.Context, j *pulp.Job) error {
		j.OnFinish(insertHost(0))
		begin <- struct{}{}
		begin <- struct{}{}
		lost <- j.Tx(ctx, insertHost(1))
		lost <- j.CleanUp(insertHost(2))
		return nil
	})
	h := hostWithTable(t, task)
	ticket := dispatch(h, task, 1)
	receive(t, begin)
	h.exec("UPDATE task SET attempt = attempt + 1") // somebody else has it now
	receive(t, begin)
	require.ErrorIs(t, receive(t, lost), pulp.ErrLost)
	require.ErrorIs(t, receive(t, lost), pulp.ErrLost)
	next := dispatch(h, task, 2)
	receive(t, begin) // the worker goes on with others
	receive(t, begin)
	_, err := wait(t, next)
	require.NoError(t, err)
	require.Equal(t, pulp.Running, h.row(ticket.ID).State)
	require.Equal(t, 3, h.count("SELECT count(*) FROM host"), "the three rows of the second")
	h.exec("UPDATE task SET worker_id = 424242 WHERE state = 'running'")
	require.NoError(t, h.Sweep(t.Context()))
	_, err = wait(t, ticket)
	require.ErrorContains(t, err, "Worker has gone missing.")
}

func TestWorkingDirectoryGoesWithTheTask(t *testing.T) {
	t.Parallel()
	var dir string
	task := doing(func(_ context.Context, j *pulp.Job) (err error) {
		if dir, err = j.Dir(); err != nil {
			return err
		}
		again, err := j.Dir()
		require.Equal(t, dir, again)
		return errors.Join(err, os.WriteFile(filepath.Join(dir, "f"), nil, 0o600))
	})
	h := hostTasks(t, task)
	_, err := wait(t, dispatch(h, task, 1))
	require.NoError(t, err)
	require.True(t, filepath.IsAbs(dir))
	require.Equal(t, filepath.Join(h.DB().Dir(), "tasks"), filepath.Dir(dir))
	require.NoDirExists(t, dir)
	require.NoError(t, os.MkdirAll(dir, 0o700)) // what a killed process leaves
	require.NoError(t, h.stop())
	require.NoError(t, h.Close())
	openTasks(t, h.dir, pulp.Config{})
	require.NoDirExists(t, dir)
}

func TestProgressIsVisibleWhileTheTaskRuns(t *testing.T) {
	t.Parallel()
	step := make(chan struct{})
	task := doing(func(_ context.Context, j *pulp.Job) error {
		files := j.Progress("files", "Reading files", 10)
		files.Add(3)
		files.Suffix("a.txt")
		j.Progress("lines", "Counting lines", 0).Set(7)
		step <- struct{}{}
		step <- struct{}{}
		files.Add(7)
		files.SetTotal(11)
		files.Suffix("")
		return errors.New("failed")
	})
	h := hostTasks(t, task)
	ticket := dispatch(h, task, 1)
	receive(t, step)
	reports, ok := h.LiveProgress(ticket.ID)
	require.True(t, ok)
	ten, name := int64(10), "a.txt"
	require.Equal(t, []pulp.ProgressReport{
		{Message: "Reading files", Code: "files", State: pulp.Running, Total: &ten, Done: 3, Suffix: &name},
		{Message: "Counting lines", Code: "lines", State: pulp.Running, Done: 7},
	}, reports)
	require.Eventually(t, func() bool {
		return h.count("SELECT count(*) FROM progress_report WHERE state = 'running' AND (code, done, total) = ('files', 3, 10)") == 1
	}, patience, tick, "the rows follow")
	receive(t, step)
	_, err := wait(t, ticket)
	require.Error(t, err)
	_, ok = h.LiveProgress(ticket.ID)
	require.False(t, ok)
	require.Equal(t, 1, h.count(`SELECT count(*) FROM progress_report
		WHERE (code, state, done, total, position) = ('files', 'failed', 10, 11, 0) AND suffix IS NULL`))
	require.Equal(t, 1, h.count("SELECT count(*) FROM progress_report WHERE (code, state, done, position) = ('lines', 'failed', 7, 1) AND total IS NULL"))
}

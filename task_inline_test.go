package pulp_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
)

// writing is a task that writes a row into the host's table, and then ends as the test wants.
func writing(end func(ctx context.Context, tx bun.Tx, j *pulp.Job) error) *pulp.Task[int, int] {
	return &pulp.Task[int, int]{Name: "writing", RunTx: func(ctx context.Context, tx bun.Tx, j *pulp.Job, n int) (int, error) {
		if err := insertHost(n)(ctx, tx); err != nil {
			return 0, err
		}
		return 2 * n, end(ctx, tx, j)
	}}
}

func succeed(context.Context, bun.Tx, *pulp.Job) error { return nil }

func TestRunTxRunsInTheDispatchingTransaction(t *testing.T) {
	t.Parallel()
	task := writing(func(_ context.Context, _ bun.Tx, j *pulp.Job) error {
		j.Created("thing", 9)
		j.Progress("p", "Doing", 1).Add(1)
		j.OnFinish(insertHost(100))
		return nil
	})
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}, Workers: -1})
	h.exec("CREATE TABLE host (n INTEGER)")
	var ticket *pulp.Ticket[int]
	err := h.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) (err error) {
		ticket, err = task.Dispatch(ctx, tx, 1, pulp.Exclusive(pulp.Name("r")))
		require.True(t, ticket.Finished())
		return errors.Join(err, errBack)
	})
	require.ErrorIs(t, err, errBack)
	require.Zero(t, h.count("SELECT count(*) FROM host"))
	require.Zero(t, h.count("SELECT count(*) FROM task"))
	ticket = dispatch(h, task, 2, pulp.Exclusive(pulp.Name("r")))
	require.True(t, ticket.Finished())
	n, err := wait(t, ticket)
	require.NoError(t, err)
	require.Equal(t, 4, n)
	row := h.row(ticket.ID)
	require.Equal(t, pulp.Completed, row.State)
	require.Equal(t, "4", *row.Result)
	require.True(t, row.Finished && row.Unblocked)
	require.Equal(t, 102, h.count("SELECT sum(n) FROM host"))
	require.Equal(t, 1, h.count("SELECT count(*) FROM created_resource"))
	require.Equal(t, 1, h.count("SELECT count(*) FROM progress_report WHERE state = 'completed'"))
	require.Zero(t, h.count("SELECT count(*) FROM reservation"))
}

func TestRunTxThatFailsUndoesItsWritesOnly(t *testing.T) {
	t.Parallel()
	ends := map[string]func(context.Context, bun.Tx, *pulp.Job) error{
		"error":           func(context.Context, bun.Tx, *pulp.Job) error { return errBack },
		"panic":           func(context.Context, bun.Tx, *pulp.Job) error { panic("p") },
		"nested":          func(ctx context.Context, _ bun.Tx, j *pulp.Job) error { return j.Tx(ctx, insertHost(1)) },
		"nested clean-up": func(_ context.Context, _ bun.Tx, j *pulp.Job) error { return j.CleanUp(insertHost(1)) },
		"bad statement": func(ctx context.Context, tx bun.Tx, _ *pulp.Job) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO nowhere VALUES (1)")
			return err
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			task := writing(end)
			h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}, Workers: -1})
			h.exec("CREATE TABLE host (n INTEGER)")
			var ticket *pulp.Ticket[int]
			require.NoError(t, h.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) (err error) {
				require.NoError(t, insertHost(10)(ctx, tx))
				ticket, err = task.Dispatch(ctx, tx, 1)
				return errors.Join(err, insertHost(20)(ctx, tx))
			}))
			_, err := wait(t, ticket)
			var failure *pulp.TaskError
			require.ErrorAs(t, err, &failure)
			require.Equal(t, pulp.Failed, h.row(ticket.ID).State)
			require.Equal(t, 30, h.count("SELECT sum(n) FROM host"))
		})
	}
}

func TestRunTxThatIsBlockedRunsOnAWorker(t *testing.T) {
	t.Parallel()
	s := newStage()
	var fail bool
	task := writing(func(_ context.Context, _ bun.Tx, j *pulp.Job) error {
		if fail {
			return errBack
		}
		return nil
	})
	h := hostWithTable(t, s.task, task)
	r := pulp.Exclusive(pulp.Name("r"))
	for i, want := range []pulp.State{pulp.Completed, pulp.Failed} {
		dispatch(h, s.task, "holder", r)
		require.Equal(t, "holder", receive(t, s.started))
		ticket := dispatch(h, task, 1, r)
		require.False(t, ticket.Finished())
		fail = want == pulp.Failed
		s.end("holder", nil)
		_, err := wait(t, ticket)
		require.Equal(t, want == pulp.Completed, err == nil)
		require.Equal(t, want, h.row(ticket.ID).State)
		require.Equal(t, 1, h.count("SELECT count(*) FROM host"), i)
	}
}

func TestTaskDispatchedInRunTxStartsAfterTheCommit(t *testing.T) {
	t.Parallel()
	s := newStage()
	var outcome error
	task := writing(func(ctx context.Context, tx bun.Tx, _ *pulp.Job) error {
		_, err := s.task.Dispatch(ctx, tx, "child", pulp.Exclusive(pulp.Name("r")))
		return errors.Join(err, outcome)
	})
	h := hostWithTable(t, s.task, task)
	outcome = errBack
	_, err := wait(t, dispatch(h, task, 1, pulp.Exclusive(pulp.Name("r"))))
	require.Error(t, err)
	require.Equal(t, 1, h.count("SELECT count(*) FROM task"), "the child of a failed task is undone with it")
	outcome = nil
	_, err = wait(t, dispatch(h, task, 1, pulp.Exclusive(pulp.Name("r"))))
	require.NoError(t, err)
	require.Equal(t, "child", receive(t, s.started))
	s.end("child", nil)
	require.Equal(t, 1, h.count("SELECT count(*) FROM task WHERE parent_id IS NOT NULL"))
}

func TestSlowRunTxIsSentToWorkers(t *testing.T) {
	t.Parallel()
	task := writing(func(ctx context.Context, tx bun.Tx, _ *pulp.Job) error {
		for begun := time.Now(); time.Since(begun) < 51*time.Millisecond; {
			if _, err := tx.ExecContext(ctx, "SELECT 1"); err != nil {
				return err
			}
		}
		return nil
	})
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}, Workers: -1})
	h.exec("CREATE TABLE host (n INTEGER)")
	for range 3 {
		require.True(t, dispatch(h, task, 1).Finished())
	}
	require.False(t, dispatch(h, task, 1).Finished())
	require.Equal(t, 1, h.count("SELECT count(*) FROM goqite"))
}

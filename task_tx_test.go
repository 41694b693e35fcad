package pulp_test

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
)

var errBack = errors.New("roll back")

func TestTaskAndHostRowsAreOneCommit(t *testing.T) {
	t.Parallel()
	task := double()
	h := hostTasks(t, task)
	h.exec("CREATE TABLE host (n INTEGER)")
	var ticket *pulp.Ticket[int]
	write := func(ctx context.Context, tx bun.Tx) (err error) {
		if _, err := tx.ExecContext(ctx, "INSERT INTO host VALUES (1)"); err != nil {
			return err
		}
		ticket, err = task.Dispatch(ctx, tx, 1, pulp.Exclusive(pulp.Name("r")))
		return err
	}
	err := h.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) error { return errors.Join(write(ctx, tx), errBack) })
	require.ErrorIs(t, err, errBack)
	for _, table := range []string{"host", "task", "reservation", "goqite"} {
		require.Zero(t, h.count("SELECT count(*) FROM "+table), table)
	}
	_, err = wait(t, ticket)
	require.ErrorIs(t, err, pulp.ErrNotFound)
	require.NoError(t, h.Tx(t.Context(), write))
	_, err = wait(t, ticket)
	require.NoError(t, err)
	require.Equal(t, 1, h.count("SELECT count(*) FROM host"))
}

func TestTransactionOfTheCallersOwnWakesTheWorkers(t *testing.T) {
	t.Parallel()
	task := double()
	h := hostTasks(t, task)
	for i := range 50 {
		tx, err := h.DB().Writer().BeginTx(t.Context(), nil)
		require.NoError(t, err)
		ticket, err := task.Dispatch(h.With(t.Context()), tx, i)
		require.NoError(t, err)
		require.NoError(t, tx.Commit())
		n, err := wait(t, ticket)
		require.NoError(t, err)
		require.Equal(t, 2*i, n)
	}
}

func TestTasksDispatchedBeforeRunStartWithIt(t *testing.T) {
	t.Parallel()
	task := double()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}})
	tickets := make([]*pulp.Ticket[int], 50)
	for i := range tickets {
		tickets[i] = dispatch(h, task, i)
	}
	require.Equal(t, 50, h.count("SELECT count(*) FROM goqite"))
	h.run()
	for _, ticket := range tickets {
		_, err := wait(t, ticket)
		require.NoError(t, err)
	}
	require.Zero(t, h.count("SELECT count(*) FROM goqite"))
}

func TestTxInsideTxIsRefused(t *testing.T) {
	t.Parallel()
	one, two := openTasks(t, t.TempDir(), pulp.Config{}), openTasks(t, t.TempDir(), pulp.Config{})
	nothing := func(context.Context, bun.Tx) error { return nil }
	err := one.Tx(t.Context(), func(ctx context.Context, _ bun.Tx) error { return one.Tx(ctx, nothing) })
	require.ErrorIs(t, err, pulp.ErrNestedTx)
	err = one.Tx(t.Context(), func(ctx context.Context, _ bun.Tx) error {
		return two.Tx(ctx, func(ctx context.Context, _ bun.Tx) error {
			require.Same(t, two.App, pulp.FromContext(ctx))
			return one.Tx(ctx, nothing)
		})
	})
	require.ErrorIs(t, err, pulp.ErrNestedTx, "also through the transaction of another App")
	var leaked context.Context
	require.NoError(t, one.Tx(t.Context(), func(ctx context.Context, _ bun.Tx) error { leaked = ctx; return nil }))
	require.NoError(t, one.Tx(leaked, nothing), "the transaction of that context is over")
}

// Each of these ends a transaction in which a task was handed to the only worker.
func TestWorkerIsFreeAgainAfterARollback(t *testing.T) {
	t.Parallel()
	task := double()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}, Workers: 1})
	h.run()
	_, err := wait(t, dispatch(h, task, 0)) // the worker runs, and knows that the list is empty
	require.NoError(t, err)
	ends := map[string]func(cancel func()) error{
		"error":  func(func()) error { return errBack },
		"panic":  func(func()) error { panic("p") },
		"exit":   func(func()) error { runtime.Goexit(); return nil },
		"cancel": func(cancel func()) error { cancel(); return nil },
	}
	for name, end := range ends {
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() { _ = recover() }()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := h.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
				if _, err := task.Dispatch(ctx, tx, 1); err != nil {
					return err
				}
				return end(cancel)
			})
			require.Error(t, err)
		}()
		receive(t, done)
		require.Zero(t, h.count("SELECT count(*) FROM task WHERE state = 'running'"), name)
		n, err := wait(t, dispatch(h, task, 21))
		require.NoError(t, err, name)
		require.Equal(t, 42, n)
	}
}

func TestTaskOfASavepointThatIsRolledBackDoesNotRun(t *testing.T) {
	t.Parallel()
	s := newStage()
	h := hostTasks(t, s.task)
	require.NoError(t, h.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		point, err := tx.BeginTx(ctx, nil)
		require.NoError(t, err)
		_, err = s.task.Dispatch(ctx, point, "undone")
		require.NoError(t, err)
		require.NoError(t, point.Rollback())
		point, err = tx.BeginTx(ctx, nil)
		require.NoError(t, err)
		_, err = s.task.Dispatch(ctx, point, "kept")
		require.NoError(t, err)
		return point.Commit()
	}))
	require.Equal(t, "kept", receive(t, s.started))
	require.Equal(t, 1, h.count("SELECT count(*) FROM task"))
	s.end("kept", nil)
}

func TestHandOverNeedsNoMessage(t *testing.T) {
	t.Parallel()
	s := newStage()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{s.task}, Workers: 1})
	h.run()
	first := dispatch(h, s.task, "0")
	require.Equal(t, "0", receive(t, s.started))
	s.end("0", nil)
	_, err := wait(t, first)
	require.NoError(t, err)
	h.exec("CREATE TRIGGER no_message BEFORE INSERT ON goqite BEGIN SELECT raise(ABORT, 'a message'); END")
	handed := dispatch(h, s.task, "1")
	require.Equal(t, pulp.Running, h.row(handed.ID).State)
	require.Equal(t, "1", receive(t, s.started))
	err = h.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		_, err := s.task.Dispatch(ctx, tx, "2")
		return err
	})
	require.ErrorContains(t, err, "a message", "the only worker is busy")
	s.end("1", nil)
}

func TestLostWakeUpsAreMadeGoodByTheSweep(t *testing.T) {
	t.Parallel()
	task := double()
	h := hostTasks(t, task)
	restore := h.LoseWakeUps()
	tickets := make([]*pulp.Ticket[int], 30)
	for i := range tickets {
		tickets[i] = dispatch(h, task, i, pulp.Exclusive(pulp.Name([]string{"a", "b", "c"}[i%3])))
	}
	restore()
	// Beyond lost wake-ups: rows that disagree, as no version of this code should leave them.
	h.exec("UPDATE task SET unblocked_at = NULL, message = NULL WHERE id IN (SELECT id FROM task WHERE unblocked_at IS NOT NULL LIMIT 1)")
	h.exec("DELETE FROM goqite WHERE id IN (SELECT message FROM task WHERE unblocked_at IS NOT NULL LIMIT 1)")
	h.exec("UPDATE goqite SET timeout = '2999-01-01T00:00:00.000Z'")
	h.exec("INSERT INTO goqite (queue, body, timeout) VALUES ('pulp', CAST('424242' AS BLOB), '2000-01-01T00:00:00.000Z')")
	require.NoError(t, h.Sweep(t.Context()))
	for _, ticket := range tickets {
		_, err := wait(t, ticket)
		require.NoError(t, err)
	}
	require.NoError(t, h.Sweep(t.Context()))
	require.Zero(t, h.count("SELECT count(*) FROM goqite"))
	require.Zero(t, h.count("SELECT count(*) FROM reservation"))
}

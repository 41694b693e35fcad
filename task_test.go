package pulp_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

func double() *pulp.Task[int, int] {
	return &pulp.Task[int, int]{Name: "double", Run: func(_ context.Context, _ *pulp.Job, n int) (int, error) { return 2 * n, nil }}
}

func TestTaskReturnsItsResult(t *testing.T) {
	t.Parallel()
	task := double()
	h := hostTasks(t, task)
	for i := range 100 {
		n, err := wait(t, dispatch(h, task, i, pulp.Exclusive(pulp.Name("a")), pulp.Shared(pulp.Name("b"))))
		require.NoError(t, err)
		require.Equal(t, 2*i, n)
	}
}

func TestTaskThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	task := &pulp.Task[string, struct{}]{Name: "fail", Run: func(_ context.Context, _ *pulp.Job, how string) (struct{}, error) {
		switch how {
		case "coded":
			return struct{}{}, &pulp.TaskError{Code: "PLP0042", Text: "no answer"}
		case "panic":
			panic("secret")
		}
		return struct{}{}, errors.New(how)
	}}
	h := hostTasks(t, task)
	var failure *pulp.TaskError
	_, err := wait(t, dispatch(h, task, "plain"))
	require.ErrorAs(t, err, &failure)
	require.Equal(t, pulp.TaskError{Text: "plain"}, *failure)
	_, err = wait(t, dispatch(h, task, "coded"))
	require.ErrorAs(t, err, &failure)
	require.Equal(t, pulp.TaskError{Code: "PLP0042", Text: "no answer"}, *failure)
	_, err = wait(t, dispatch(h, task, "panic"))
	require.ErrorAs(t, err, &failure)
	require.Contains(t, failure.Text, "panicked")
	require.NotContains(t, failure.Text, "secret")
}

func TestTaskThatTakesTooLongFails(t *testing.T) {
	t.Parallel()
	task := &pulp.Task[int, int]{Name: "slow", Timeout: time.Millisecond, Run: func(ctx context.Context, _ *pulp.Job, _ int) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	}}
	h := hostTasks(t, task)
	var failure *pulp.TaskError
	_, err := wait(t, dispatch(h, task, 1))
	require.ErrorAs(t, err, &failure)
	require.Equal(t, "The task took longer than 1ms.", failure.Text)
}

func TestTaskThatEndsItsGoroutineFails(t *testing.T) {
	t.Parallel()
	task := &pulp.Task[int, int]{Name: "exit", Run: func(context.Context, *pulp.Job, int) (int, error) {
		runtime.Goexit()
		return 0, nil
	}}
	h := hostTasks(t, task)
	var failure *pulp.TaskError
	_, err := wait(t, dispatch(h, task, 1))
	require.ErrorAs(t, err, &failure)
}

func TestErrorRecordHasWhatClientsLookFor(t *testing.T) {
	t.Parallel()
	task := &pulp.Task[string, *int]{Name: "fail", Run: func(_ context.Context, _ *pulp.Job, how string) (*int, error) {
		switch how {
		case "coded":
			return nil, fmt.Errorf("wrapped: %w", &pulp.TaskError{Code: "PLP0042", Text: "no answer"})
		case "plain":
			return nil, errors.New("plain")
		}
		return nil, nil
	}}
	h := hostTasks(t, task)
	for how, want := range map[string]string{
		"plain": `{"description": "plain", "traceback": null}`,
		"coded": `{"description": "no answer", "error_code": "PLP0042", "traceback": null}`,
	} {
		ticket := dispatch(h, task, how)
		_, err := wait(t, ticket)
		require.Error(t, err)
		require.JSONEq(t, want, *h.row(ticket.ID).Error)
	}
	ticket := dispatch(h, task, "nothing")
	_, err := wait(t, ticket)
	require.NoError(t, err)
	require.Equal(t, taskRow{State: pulp.Completed, Record: h.row(ticket.ID).Record, Unblocked: true, Finished: true}, h.row(ticket.ID))
}

func TestDispatchNeedsAnAppThatKnowsTheTask(t *testing.T) {
	t.Parallel()
	known := double()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{known}})
	tx, err := h.DB().Writer().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = known.Dispatch(t.Context(), tx, 1)
	require.ErrorIs(t, err, pulp.ErrNoApp)
	require.NoError(t, tx.Rollback())
	err = h.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		_, err := double().Dispatch(ctx, tx, 1) // of the same name, but not the one that is declared
		return err
	})
	require.ErrorContains(t, err, "not among the parts")
	require.Zero(t, h.count("SELECT count(*) FROM task"))
}

func TestOpenRefusesBadTasks(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(t.TempDir())
	require.NoError(t, err)
	_, err = pulp.Open(t.Context(), db, pulp.Config{Parts: []pulp.Part{
		double(), double(), &pulp.Task[int, int]{Name: "empty"}, &pulp.Task[int, int]{Run: double().Run},
	}})
	require.ErrorContains(t, err, `task "double" is declared twice`)
	require.ErrorContains(t, err, `task "empty" needs either Run or RunTx`)
	require.ErrorContains(t, err, "a task has no name")
}

func TestTaskRemembersWhoCausedIt(t *testing.T) {
	t.Parallel()
	child := double()
	var ticket *pulp.Ticket[int]
	parent := &pulp.Task[int, int]{Name: "parent", Run: func(ctx context.Context, j *pulp.Job, n int) (int, error) {
		return n, j.Tx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
			ticket, err = child.Dispatch(ctx, tx, n)
			return err
		})
	}}
	h := hostTasks(t, child, parent)
	h.exec("INSERT INTO account (id, username, date_joined) VALUES (7, 'alice', 0)")
	seven := int64(7)
	ctx := pulp.WithCaller(t.Context(), pulp.Caller{AccountID: &seven, CorrelationID: "cid"})
	var first *pulp.Ticket[int]
	require.NoError(t, h.Tx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		first, err = parent.Dispatch(ctx, tx, 1)
		return err
	}))
	_, err := wait(t, first)
	require.NoError(t, err)
	_, err = wait(t, ticket)
	require.NoError(t, err)
	for _, id := range []pulp.ID{first.ID, ticket.ID} {
		require.Equal(t, &seven, h.row(id).CreatedBy)
		require.Equal(t, "cid", h.row(id).CorrelationID)
	}
	require.Nil(t, h.row(first.ID).Parent)
	require.Equal(t, 1, h.count("SELECT count(*) FROM task WHERE pulp_id = ? AND parent_id = (SELECT id FROM task WHERE pulp_id = ?)", ticket.ID, first.ID))
}

func TestArgumentsAreSealed(t *testing.T) {
	t.Parallel()
	task := &pulp.Task[string, int]{Name: "secret", Run: func(_ context.Context, _ *pulp.Job, s string) (int, error) { return len(s), nil }}
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}})
	ticket := dispatch(h, task, "password")
	require.Zero(t, h.count("SELECT count(*) FROM task WHERE instr(args, 'password')"))
	h.run()
	n, err := wait(t, ticket)
	require.NoError(t, err)
	require.Equal(t, 8, n)
}

func TestTwoAppsShareATask(t *testing.T) {
	t.Parallel()
	task := double()
	one, two := hostTasks(t, task), hostTasks(t, task)
	a, b := dispatch(one, task, 1), dispatch(two, task, 2)
	n, err := wait(t, a)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	n, err = wait(t, b)
	require.NoError(t, err)
	require.Equal(t, 4, n)
	require.Equal(t, 1, one.count("SELECT count(*) FROM task"))
	require.Equal(t, 1, two.count("SELECT count(*) FROM task"))
}

func TestWaitEndsWithItsContextAndWithTheApp(t *testing.T) {
	t.Parallel()
	task := double()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}})
	ticket := dispatch(h, task, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := ticket.Wait(ctx)
	require.ErrorIs(t, err, context.Canceled)
	waited := make(chan error)
	go func() {
		_, err := ticket.Wait(t.Context())
		waited <- err
	}()
	require.NoError(t, h.Close())
	require.Error(t, receive(t, waited))
}

package pulp_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

// counter has a task that counts how often it runs, and a number that it may dispatch itself with.
func counter() (task *pulp.Task[int, int], runs *int) {
	runs = new(int)
	task = &pulp.Task[int, int]{Name: "counter", Run: func(ctx context.Context, j *pulp.Job, more int) (int, error) {
		*runs++
		if more == 0 {
			return 0, nil
		}
		return more, j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
			_, err := task.Dispatch(ctx, tx, more-1)
			return err
		})
	}}
	return task, runs
}

func TestRunReadyRunsAllThatMayRunAndLeavesNoTrace(t *testing.T) {
	t.Parallel()
	task, runs := counter()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}, Workers: -1})
	first := dispatch(h, task, 2)
	held := dispatch(h, task, 0, pulp.After(time.Hour))
	ran, err := h.RunReady(t.Context())
	require.NoError(t, err)
	require.Len(t, ran, 3)
	require.Equal(t, first.ID, ran[0])
	require.Equal(t, 3, *runs)
	require.Equal(t, pulp.Waiting, h.row(held.ID).State)
	require.Zero(t, h.count("SELECT count(*) FROM worker"))
	ran, err = h.RunReady(t.Context())
	require.NoError(t, err)
	require.Empty(t, ran)
}

func TestRunReadyAndRunExcludeEachOther(t *testing.T) {
	t.Parallel()
	task, runs := counter()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}})
	_, err := h.RunReady(t.Context())
	require.NoError(t, err)
	h.run()
	_, err = wait(t, dispatch(h, task, 0))
	require.NoError(t, err)
	_, err = h.RunReady(t.Context())
	require.ErrorIs(t, err, pulp.ErrConflict)
	require.NoError(t, h.stop())
	dispatch(h, task, 0)
	ran, err := h.RunDue(t.Context())
	require.NoError(t, err)
	require.Len(t, ran, 1)
	require.Equal(t, 2, *runs)
}

func TestRunReadyEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	stuck := &pulp.Task[int, int]{Name: "stuck", Run: func(ctx context.Context, _ *pulp.Job, _ int) (int, error) {
		cancel()
		<-ctx.Done()
		return 0, ctx.Err()
	}}
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{stuck}})
	first, second := dispatch(h, stuck, 0), dispatch(h, stuck, 0)
	ran, err := h.RunReady(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []pulp.ID{first.ID}, ran)
	require.Equal(t, pulp.Failed, h.row(first.ID).State)
	require.Contains(t, *h.row(first.ID).Error, "Aborted during worker shutdown.")
	require.Equal(t, pulp.Waiting, h.row(second.ID).State)
}

func TestInlineAppRunsWhatAnotherProcessLeftWithTheNextTask(t *testing.T) {
	t.Parallel()
	task, runs := counter()
	dir := t.TempDir()
	db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Off))
	require.NoError(t, err)
	app, err := pulp.Open(t.Context(), db, pulp.Config{Parts: []pulp.Part{task}, Workers: -1})
	require.NoError(t, err)
	dispatch(&taskHost{App: app, t: t}, task, 0)
	require.NoError(t, app.Close())

	h := openTasks(t, dir, pulp.Config{Parts: []pulp.Part{task}, Inline: true})
	require.Zero(t, *runs, "Open runs nothing")
	dispatch(h, task, 0)
	require.Equal(t, 2, *runs)
}

func TestInlineAppSeesToWhatIsDueWhileItRuns(t *testing.T) {
	t.Parallel()
	task, runs := counter()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}, Inline: true})
	h.run()
	_, err := wait(t, dispatch(h, task, 0, pulp.After(20*time.Millisecond)))
	require.NoError(t, err)
	require.NoError(t, h.stop())
	require.Equal(t, 1, *runs)
}

func TestInlineHandlerMayDispatchAtOnceAndFail(t *testing.T) {
	t.Parallel()
	var order []string
	child := &pulp.Task[string, int]{Name: "child", Run: func(_ context.Context, _ *pulp.Job, name string) (int, error) {
		order = append(order, name)
		return 0, nil
	}}
	parent := &pulp.Task[string, int]{Name: "parent", Run: func(ctx context.Context, j *pulp.Job, name string) (int, error) {
		err := j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
			_, err := child.Dispatch(ctx, tx, "ready")
			if err == nil {
				_, err = child.Dispatch(ctx, tx, "at once", pulp.AtOnce())
			}
			if err == nil {
				_, err = child.Dispatch(ctx, tx, "blocked", pulp.AtOnce(), pulp.Exclusive(pulp.Name("x")))
			}
			return err
		})
		order = append(order, name)
		return 0, errors.Join(err, errors.New("no"))
	}}
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{parent, child}, Inline: true})
	_, err := wait(t, dispatch(h, parent, "parent", pulp.Exclusive(pulp.Name("x"))))
	require.Error(t, err)
	require.Equal(t, "parent", order[0])
	require.ElementsMatch(t, []string{"ready", "at once", "blocked"}, order[1:])
	require.Zero(t, h.count("SELECT count(*) FROM task WHERE finished_at IS NULL"))
	dispatch(h, child, "the slot is free")
	require.Equal(t, "the slot is free", order[4])
}

func TestParentCanBeChosen(t *testing.T) {
	t.Parallel()
	task, _ := counter()
	var alone, other *pulp.Ticket[int]
	chooser := &pulp.Task[pulp.ID, int]{Name: "chooser", Run: func(ctx context.Context, j *pulp.Job, parent pulp.ID) (int, error) {
		return 0, j.Tx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
			if alone, err = task.Dispatch(ctx, tx, 0, pulp.Parent(pulp.ID{})); err != nil {
				return err
			}
			other, err = task.Dispatch(ctx, tx, 0, pulp.Parent(parent))
			return err
		})
	}}
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task, chooser}, Inline: true})
	parent := dispatch(h, task, 0)
	dispatch(h, chooser, parent.ID)
	require.Nil(t, h.row(alone.ID).Parent)
	require.EqualValues(t, h.count("SELECT id FROM task WHERE pulp_id = ?", parent.ID), *h.row(other.ID).Parent)
	err := h.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		_, err := task.Dispatch(ctx, tx, 0, pulp.Parent(pulp.NewID()))
		return err
	})
	require.ErrorIs(t, err, pulp.ErrNotFound)
}

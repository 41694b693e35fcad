package pulp_test

import (
	"context"
	"encoding/json"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
)

// newGroup makes a group.
func (h *taskHost) newGroup(description string) (g *pulp.TaskGroup) {
	h.t.Helper()
	require.NoError(h.t, h.Tx(context.Background(), func(ctx context.Context, tx bun.Tx) (err error) {
		g, err = h.NewGroup(ctx, tx, description)
		return err
	}))
	return g
}

func TestGroupCountsItsTasks(t *testing.T) {
	t.Parallel()
	s, fails := newStage(), doing(func(context.Context, *pulp.Job) error { return errBack })
	h := hostTasks(t, s.task, fails)
	g := h.newGroup("two and one")
	r := pulp.Exclusive(pulp.Name("r"))
	dispatch(h, s.task, "a", pulp.Group(g), r)
	require.Equal(t, "a", receive(t, s.started))
	last := dispatch(h, s.task, "b", pulp.Group(g), r)
	_, err := wait(t, dispatch(h, fails, 1, pulp.Group(g)))
	require.Error(t, err)
	dispatch(h, s.task, "of none", pulp.Group(nil))
	counts, err := g.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[pulp.State]int{pulp.Running: 1, pulp.Waiting: 1, pulp.Failed: 1}, counts)
	for _, name := range []string{"a", "b", "of none"} {
		s.end(name, nil)
	}
	_, err = wait(t, last)
	require.NoError(t, err)
	again, err := h.TaskGroup(t.Context(), g.ID)
	require.NoError(t, err)
	counts, err = again.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[pulp.State]int{pulp.Completed: 2, pulp.Failed: 1}, counts)
	_, err = h.TaskGroup(t.Context(), pulp.NewID())
	require.ErrorIs(t, err, pulp.ErrNotFound)
}

func TestMembersOfAGroupAddToOneReport(t *testing.T) {
	t.Parallel()
	adds := doing(func(ctx context.Context, j *pulp.Job) error {
		g, err := j.Group(ctx, j.App().DB().Reader())
		if err != nil {
			return err
		}
		j.OnFinish(func(ctx context.Context, tx bun.Tx) error {
			_, err := g.Add(ctx, tx, "items", 3)
			return err
		})
		return nil
	})
	alone := &pulp.Task[int, bool]{Name: "alone", Run: func(ctx context.Context, j *pulp.Job, _ int) (bool, error) {
		g, err := j.Group(ctx, j.App().DB().Reader())
		return g == nil, err
	}}
	h := hostTasks(t, adds, alone)
	g := h.newGroup("sum")
	require.NoError(t, h.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		_, err := g.Add(ctx, tx, "items", 1)
		require.ErrorIs(t, err, pulp.ErrNotFound)
		require.NoError(t, g.Report(ctx, tx, "items", "Items", 0))
		return g.Report(ctx, tx, "items", "Doing items", 60)
	}))
	var tickets []*pulp.Ticket[int]
	for i := range 20 {
		tickets = append(tickets, dispatch(h, adds, i, pulp.Group(g)))
	}
	for _, ticket := range tickets {
		_, err := wait(t, ticket)
		require.NoError(t, err)
	}
	require.Equal(t, 60, h.count("SELECT done FROM group_progress_report WHERE total = 60 AND message = 'Doing items'"))
	none, err := wait(t, dispatch(h, alone, 1))
	require.NoError(t, err)
	require.True(t, none)
}

func TestCanceledGroupStartsNothingMore(t *testing.T) {
	t.Parallel()
	s := newStage()
	h := hostTasks(t, s.task)
	g := h.newGroup("doomed")
	r := pulp.Exclusive(pulp.Name("r"))
	running := dispatch(h, s.task, "running", pulp.Group(g), r)
	require.Equal(t, "running", receive(t, s.started))
	waiting := dispatch(h, s.task, "waiting", pulp.Group(g), r)
	later := dispatch(h, s.task, "later", pulp.Group(g), r)
	other := dispatch(h, s.task, "other", r)
	require.NoError(t, g.Cancel(t.Context()))
	for _, ticket := range []*pulp.Ticket[struct{}]{running, waiting, later} {
		_, err := wait(t, ticket)
		require.ErrorIs(t, err, pulp.ErrCanceled)
	}
	require.Equal(t, "other", receive(t, s.started))
	s.end("other", nil)
	_, err := wait(t, other)
	require.NoError(t, err)
	require.ErrorIs(t, g.Cancel(t.Context()), pulp.ErrConflict)
}

func TestGroupInTheAPI(t *testing.T) {
	t.Parallel()
	task, s := double(), newStage()
	h := hostTasks(t, task, s.task)
	g := h.newGroup("shown")
	ticket := dispatch(h, task, 1, pulp.Group(g))
	_, err := wait(t, ticket)
	require.NoError(t, err)
	require.NoError(t, h.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		require.NoError(t, g.Report(ctx, tx, "c", "Counting", 7))
		return g.Finish(ctx, tx)
	}))
	vars := map[string]string{"pk": g.ID.String()}
	var shown map[string]any
	require.NoError(t, json.Unmarshal(h.call("task_groups_read", pulp.Request{Vars: vars}), &shown))
	href := "/pulp/api/v3/task-groups/" + g.ID.String() + "/"
	require.Equal(t, href, shown["pulp_href"])
	require.Equal(t, "prn:core.taskgroup:"+g.ID.String(), shown["prn"])
	require.Equal(t, true, shown["all_tasks_dispatched"])
	require.EqualValues(t, 1, shown["completed"])
	require.EqualValues(t, 0, shown["waiting"])
	require.NotContains(t, shown, "pulp_created")
	require.Equal(t, []any{map[string]any{"message": "Counting", "code": "c", "total": 7.0, "done": 0.0, "suffix": nil}}, shown["group_progress_reports"])
	member := shown["tasks"].([]any)[0].(map[string]any)
	require.Equal(t, "/pulp/api/v3/tasks/"+ticket.ID.String()+"/", member["pulp_href"])
	require.Len(t, member, 11)

	var one map[string]any
	require.NoError(t, json.Unmarshal(h.call("tasks_read", pulp.Request{Vars: map[string]string{"pk": ticket.ID.String()}}), &one))
	require.Equal(t, href, one["task_group"])
	dispatch(h, task, 2)
	page, err := h.try("tasks_list", pulp.Request{Query: url.Values{"task_group": {href}}})
	require.NoError(t, err)
	require.EqualValues(t, 1, page.Page.Count)
	list, err := h.try("task_groups_list", pulp.Request{})
	require.NoError(t, err)
	require.EqualValues(t, 1, list.Page.Count)

	cancel := pulp.Request{Vars: vars, Body: pulp.Input{Fields: map[string]json.RawMessage{"state": json.RawMessage(`"canceled"`)}}}
	answer, err := h.try("task_groups_cancel", cancel)
	require.NoError(t, err)
	require.Equal(t, pulp.Refused, answer.Kind)
	require.JSONEq(t, string(h.call("task_groups_read", pulp.Request{Vars: vars})), string(answer.Body), "the body of a refusal is the group")
	dispatch(h, s.task, "a", pulp.Group(g), pulp.Exclusive(pulp.Name("r")))
	dispatch(h, s.task, "b", pulp.Group(g), pulp.Exclusive(pulp.Name("r")))
	answer, err = h.try("task_groups_cancel", cancel)
	require.NoError(t, err)
	require.Equal(t, pulp.OK, answer.Kind)
	require.NoError(t, json.Unmarshal(answer.Body, &shown))
	require.EqualValues(t, []any{0.0, 0.0, 1.0}, []any{shown["waiting"], shown["running"], shown["completed"]})
	require.EqualValues(t, 2, shown["canceled"].(float64)+shown["canceling"].(float64))
	cancel.Body.Fields["state"] = json.RawMessage(`"completed"`)
	_, err = h.try("task_groups_cancel", cancel)
	require.ErrorAs(t, err, new(pulp.FieldErrors))
}

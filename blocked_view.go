package pulp

import (
	"context"
	"encoding/json"

	"github.com/gopulp/pulp/internal/schema"
)

// taskOperations declares what the API offers on a task beyond its view set.
type taskOperations struct{}

func (taskOperations) declare(r *registry, _ Plugin) error {
	tasks := r.views["tasks"].(*view[TaskRecord])
	r.operations = append(r.operations, Operation{
		guard: tasks.guard, action: "retrieve", find: tasks.find,
		ID: "tasks_blocked_by", Method: "GET", Path: "tasks/{pk}/blocked_by/", Href: "{task_href}blocked_by/", Tag: "Tasks",
		Summary: "Say why a task does not start", Answer: blockedObject(), Codes: []AnswerKind{OK}, Do: r.app.blockedBy,
	}, Operation{
		guard: tasks.guard, action: "events",
		ID: "tasks_events", Method: "GET", Path: "tasks/events/", Tag: "Tasks", Summary: "Follow what happens to tasks",
		Query:  []schema.Parameter{{Name: "name", Value: Text(), Doc: "Only tasks of this name."}},
		Events: true, Codes: []AnswerKind{OK}, Do: r.app.allEvents,
	}, Operation{
		guard: tasks.guard, action: "retrieve", find: tasks.find,
		ID: "tasks_task_events", Method: "GET", Path: "tasks/{pk}/events/", Href: "{task_href}events/", Tag: "Tasks",
		Summary: "Follow a task", Events: true, Codes: []AnswerKind{OK}, Do: r.app.taskEvents,
	})
	return nil
}

// A blockerView is what the API tells of a Blocker.
type blockerView struct {
	Reason   BlockReason `json:"reason"`
	Task     *string     `json:"task"`
	State    *State      `json:"state"`
	Resource *string     `json:"resource"`
	Until    *Time       `json:"until"`
}

func blockedObject() *schema.Object {
	text := schema.Value{Type: schema.String}
	nullable := func(format string) schema.Value {
		return schema.Value{Type: schema.String, Format: format, Nullable: true}
	}
	blocker := &schema.Object{Name: "TaskBlocker", Fields: []schema.Field{
		{Name: "reason", Value: text, ReadOnly: true, Doc: "resource, limit, not due, paused or no worker free."},
		{Name: "task", Value: nullable("uri"), ReadOnly: true, Doc: "The older task that is in the way."},
		{Name: "state", Value: nullable(""), ReadOnly: true, Doc: "The state of that task."},
		{Name: "resource", Value: nullable(""), ReadOnly: true, Doc: "The resource or limit that both need."},
		{Name: "until", Value: nullable("date-time"), ReadOnly: true, Doc: "When the task is due."},
	}}
	return &schema.Object{Name: "TaskBlockedBy", Fields: []schema.Field{{
		Name: "blocked_by", ReadOnly: true, Doc: "What keeps the task from starting; nothing if it has started.",
		Value: schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.Map, Object: blocker}},
	}}}
}

// visibleTask returns the task that a path names, if the caller may see it.
func (a *App) visibleTask(ctx context.Context, r *Request) (*TaskRecord, error) {
	v := a.views["tasks"].(*view[TaskRecord])
	t, err := v.one(ctx, a.db.Reader(), r.Vars)
	if err != nil {
		return nil, err
	}
	return t, v.allow(ctx, Read, t)
}

func (a *App) blockedBy(ctx context.Context, r *Request) (*Answer, error) {
	t, err := a.visibleTask(ctx, r)
	if err != nil {
		return nil, err
	}
	blockers, err := a.BlockedBy(ctx, t.PulpID)
	if err != nil {
		return nil, err
	}
	out := make([]blockerView, len(blockers))
	for i, b := range blockers {
		out[i].Reason = b.Reason
		if b.Resource != "" {
			out[i].Resource = &b.Resource
		}
		if b.Until != 0 {
			out[i].Until = &b.Until
		}
		if b.Task != (ID{}) {
			href := a.href(ctx, a.kinds[taskKind].ends[0], b.Task.String(), nil)
			out[i].Task, out[i].State = &href, &b.State
		}
	}
	body, err := json.Marshal(map[string]any{"blocked_by": out})
	return &Answer{Kind: OK, Body: body}, err
}

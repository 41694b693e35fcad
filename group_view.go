package pulp

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// A TaskGroupRecord is what the API tells of a [TaskGroup].
type TaskGroupRecord struct {
	bun.BaseModel `bun:"table:task_group,alias:g"`
	Key           int64  `bun:"id,pk" json:"-"`
	PulpID        ID     `bun:"pulp_id" json:"-"`
	Description   string `bun:"description" json:"description" validate:"required" doc:"A description of the task group."`
	Dispatched    bool   `bun:"all_tasks_dispatched" json:"all_tasks_dispatched" validate:"required" doc:"Whether all tasks have been spawned for this task group."`
	counts        map[State]int64
}

func (g *TaskGroupRecord) base() *Base { return &Base{ID: g.Key, PulpID: g.PulpID} }

func groupIDs(gs []*TaskGroupRecord) []int64 {
	return idsOf(gs, func(g *TaskGroupRecord) int64 { return g.Key })
}

// A groupReport is what the API tells of the progress of a group.
type groupReport struct {
	Message string  `json:"message" pulp:"readonly"`
	Code    string  `json:"code" pulp:"readonly"`
	Total   *int64  `json:"total" pulp:"readonly"`
	Done    int64   `json:"done" pulp:"readonly"`
	Suffix  *string `json:"suffix" pulp:"readonly,null"`
}

// A groupTask is the short form of a task.
type groupTask struct {
	Href string `json:"pulp_href"`
	PRN  string `json:"prn"`
	shortTask
}

type shortTask struct {
	Created   Time    `json:"pulp_created" pulp:"readonly"`
	Updated   Time    `json:"pulp_last_updated" pulp:"readonly"`
	Version   string  `json:"pulp_api_version" pulp:"readonly"`
	Name      string  `json:"name" validate:"required"`
	State     State   `json:"state" pulp:"readonly"`
	Unblocked *Time   `json:"unblocked_at" pulp:"readonly"`
	Started   *Time   `json:"started_at" pulp:"readonly"`
	Finished  *Time   `json:"finished_at" pulp:"readonly"`
	Worker    *string `json:"worker" pulp:"readonly,format=uri"`
}

// groupTaskObject describes a groupTask.
func groupTaskObject() *schema.Object {
	o := objectOf[shortTask]("MinimalTask")
	o.Fields = append([]schema.Field{
		{Name: "pulp_href", ReadOnly: true, Value: schema.Value{Type: schema.String, Format: "uri"}},
		{Name: "prn", ReadOnly: true, Value: schema.Value{Type: schema.String}, Doc: "The Pulp Resource Name (PRN)."},
	}, o.Fields...)
	return o
}

func groupViews() *ViewSet[TaskGroupRecord] {
	list := func(o *schema.Object) schema.Value {
		return schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.Map, Object: o}}
	}
	computed := []Computed[TaskGroupRecord]{}
	for _, s := range []State{Waiting, Skipped, Running, Completed, Canceled, Failed, Canceling} {
		computed = append(computed, Computed[TaskGroupRecord]{Name: string(s), Doc: fmt.Sprintf("Number of tasks in the '%s' state", s),
			Value: schema.Value{Type: schema.Integer, Format: "int64"}, Values: countsOf(s)})
	}
	computed = append(computed,
		Computed[TaskGroupRecord]{Name: "group_progress_reports", Value: list(objectOf[groupReport]("GroupProgressReport")), Values: groupReports},
		Computed[TaskGroupRecord]{Name: "tasks", Value: list(groupTaskObject()), Values: groupTasks})
	vs := &ViewSet[TaskGroupRecord]{
		Path: "task-groups", Name: "task group", class: "TaskGroup", kind: taskGroupKind, Ops: List | Read, roleless: true,
		rules:      taskGroupRules,
		Serializer: Serializer[TaskGroupRecord]{Computed: computed},
	}
	vs.extra = func(v *view[TaskGroupRecord], owner Plugin) []Operation {
		return []Operation{v.operation(owner, "cancel", "", true, Operation{
			Method: "PATCH", Summary: "Cancel a task group", Body: objectOf[TaskCancel]("TaskCancel"), Answer: v.codec.object("TaskGroup"),
			Codes: []AnswerKind{OK, Refused}, Do: func(ctx context.Context, r *Request) (*Answer, error) { return cancelGroup(ctx, v, r) },
		})}
	}
	return vs
}

func cancelGroup(ctx context.Context, v *view[TaskGroupRecord], r *Request) (*Answer, error) {
	db := v.app.db.Reader()
	g, err := v.one(ctx, db, r.Vars)
	if err != nil {
		return nil, err
	}
	if err := wantsCancel(ctx, v.app, r); err != nil {
		return nil, err
	}
	kind := OK
	if err := (&TaskGroup{ID: g.PulpID, app: v.app, id: g.Key}).Cancel(ctx); err != nil {
		if !isConflict(err) {
			return nil, err
		}
		kind = Refused
	}
	return v.answer(ctx, db, kind, g, r)
}

const groupCountsSQL = `SELECT group_id, state, count(*) FROM task WHERE group_id IN (SELECT value FROM json_each(?)) GROUP BY group_id, state`

// countsOf tells how many tasks of groups are in a state. All states are counted by one
// statement, since a task that changes between two would be counted twice, or not at all.
func countsOf(s State) func(context.Context, bun.IDB, []*TaskGroupRecord) ([]any, error) {
	return func(ctx context.Context, db bun.IDB, gs []*TaskGroupRecord) ([]any, error) {
		if len(gs) > 0 && gs[0].counts == nil {
			if err := countTasks(ctx, db, gs); err != nil {
				return nil, err
			}
		}
		out := make([]any, len(gs))
		for i, g := range gs {
			out[i] = g.counts[s]
		}
		return out, nil
	}
}

func countTasks(ctx context.Context, db bun.IDB, gs []*TaskGroupRecord) error {
	of := map[int64]map[State]int64{}
	for _, g := range gs {
		g.counts = map[State]int64{}
		of[g.Key] = g.counts
	}
	return eachOf(ctx, db, groupCountsSQL, []any{jsonIDs(groupIDs(gs))}, func(scan func(...any) error) error {
		var id, n int64
		var s State
		err := scan(&id, &s, &n)
		of[id][s] = n
		return err
	})
}

const groupReportsSQL = `SELECT group_id, message, code, total, done, suffix FROM group_progress_report
WHERE group_id IN (SELECT value FROM json_each(?)) ORDER BY group_id, code`

func groupReports(ctx context.Context, db bun.IDB, gs []*TaskGroupRecord) ([]any, error) {
	of := map[int64][]groupReport{}
	err := eachOf(ctx, db, groupReportsSQL, []any{jsonIDs(groupIDs(gs))}, func(scan func(...any) error) error {
		var id int64
		var r groupReport
		err := scan(&id, &r.Message, &r.Code, &r.Total, &r.Done, &r.Suffix)
		of[id] = append(of[id], r)
		return err
	})
	return listsOf(gs, of), err
}

const groupTasksSQL = `SELECT group_id, pulp_id, pulp_created, pulp_last_updated, name, state, unblocked_at, started_at, finished_at FROM task
WHERE group_id IN (SELECT value FROM json_each(?)) ORDER BY id`

func groupTasks(ctx context.Context, db bun.IDB, gs []*TaskGroupRecord) ([]any, error) {
	a, of := FromContext(ctx), map[int64][]groupTask{}
	end := a.kinds[taskKind].ends[0]
	err := eachOf(ctx, db, groupTasksSQL, []any{jsonIDs(groupIDs(gs))}, func(scan func(...any) error) error {
		var id int64
		var key ID
		t := groupTask{shortTask: shortTask{Version: "v3"}}
		err := scan(&id, &key, &t.Created, &t.Updated, &t.Name, &t.State, &t.Unblocked, &t.Started, &t.Finished)
		t.Href, t.PRN = a.href(ctx, end, key.String(), nil), "prn:"+end.prn+":"+key.String()
		of[id] = append(of[id], t)
		return err
	})
	return listsOf(gs, of), err
}

// listsOf puts lists into the order of the groups; those of none are empty.
func listsOf[T any](gs []*TaskGroupRecord, of map[int64][]T) []any {
	out := make([]any, len(gs))
	for i, g := range gs {
		if out[i] = of[g.Key]; of[g.Key] == nil {
			out[i] = []T{}
		}
	}
	return out
}

// eachOf calls f with each row of a query.
func eachOf(ctx context.Context, db bun.IDB, query string, args []any, f func(scan func(...any) error) error) error {
	rows, err := raw(db).QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

const groupOfSQL = "SELECT id, group_id FROM task WHERE group_id IS NOT NULL AND id IN (SELECT value FROM json_each(?))"

// groupOfTasks finds the hrefs of the groups of tasks.
func groupOfTasks(ctx context.Context, db bun.IDB, ts []*TaskRecord) ([]any, error) {
	of, all, err := pairs(ctx, db, groupOfSQL, taskIDs(ts))
	if err != nil || len(all) == 0 {
		return make([]any, len(ts)), err
	}
	links, err := FromContext(ctx).links(ctx, db, taskGroupKind, all)
	out := make([]any, len(ts))
	for i, t := range ts {
		if ids := of[t.ID]; len(ids) > 0 {
			out[i] = links[ids[0]]
		}
	}
	return out, err
}

// groupFilter finds the tasks of a group.
func groupFilter() Filter {
	return Filter{Name: "task_group", Doc: "Task group referenced by HREF/PRN", Value: aUUID,
		Where: func(ctx context.Context, value string) (Where, error) {
			a := FromContext(ctx)
			id, err := a.find(ctx, a.db.Reader(), taskGroupKind, value)
			if err != nil {
				return nil, err
			}
			return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("t.group_id = ?", id) }, nil
		}}
}

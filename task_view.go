package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// A TaskRecord is what the API tells of a task.
type TaskRecord struct {
	bun.BaseModel `bun:"table:task,alias:t"`
	Base
	State      State           `bun:"state" json:"state" pulp:"readonly" validate:"oneof=waiting skipped running completed failed canceled canceling" doc:"The current state of the task. The possible values include: 'waiting', 'skipped', 'running', 'completed', 'failed', 'canceled' and 'canceling'."`
	Name       string          `bun:"name" json:"name" validate:"required" doc:"The name of task."`
	LoggingCID string          `bun:"logging_cid" json:"logging_cid" validate:"required" doc:"The logging correlation id associated with this task"`
	Unblocked  *Time           `bun:"unblocked_at" json:"unblocked_at" pulp:"readonly,filter" doc:"Timestamp of when this task was identified ready for pickup."`
	Started    *Time           `bun:"started_at" json:"started_at" pulp:"readonly,filter" doc:"Timestamp of when this task started execution."`
	Finished   *Time           `bun:"finished_at" json:"finished_at" pulp:"readonly,filter" doc:"Timestamp of when this task stopped execution."`
	Error      json.RawMessage `bun:"error,type:json" json:"error" pulp:"readonly,type=object" doc:"A JSON Object of a fatal error encountered during the execution of this task."`
	ParentID   *int64          `bun:"parent_id" json:"parent_task" pulp:"readonly,ref=task" doc:"The parent task that spawned this task."`
	Record     []string        `bun:"record,type:json" json:"reserved_resources_record" pulp:"readonly" doc:"A list of resources required by that task."`
	Result     json.RawMessage `bun:"result,type:json" json:"result" pulp:"readonly" doc:"The result of this task."`
}

// TaskCancel is the body of PATCH on a task.
type TaskCancel struct {
	State string `json:"state" validate:"required,min=1" doc:"The desired state of the task. Only 'canceled' is accepted."`
}

func taskViews() *ViewSet[TaskRecord] {
	uri := schema.Value{Type: schema.String, Format: "uri"}
	none := func(value any) func(context.Context, bun.IDB, []*TaskRecord) ([]any, error) {
		return func(_ context.Context, _ bun.IDB, ts []*TaskRecord) ([]any, error) {
			return slices.Repeat([]any{value}, len(ts)), nil
		}
	}
	vs := &ViewSet[TaskRecord]{
		Path: "tasks", Name: "task", class: "Task", kind: taskKind, Ops: List | Read, minimal: minimalTask, sorts: taskSorts, rules: taskRules,
		Serializer: Serializer[TaskRecord]{Computed: []Computed[TaskRecord]{
			{Name: "created_by", Doc: "User who dispatched this task.", Value: schema.Value{Type: schema.String}, Values: dispatchers},
			{Name: "worker", Doc: "Deprecated: always null.", Value: uri, Values: none(nil)},
			{Name: "child_tasks", Doc: "Any tasks spawned by this task.", Value: schema.Value{Type: schema.Array, Items: &uri}, Values: childTasks},
			{Name: "task_group", Doc: "The task group that this task is a member of.", Value: uri, Values: groupOfTasks},
			{Name: "progress_reports", Value: schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.Map, Object: objectOf[progressView]("ProgressReport")}}, Values: taskProgress},
			{Name: "created_resources", Doc: "Resources created by this task.", Value: schema.Value{Type: schema.Array, Items: &uri}, Values: createdHrefs},
			{Name: "created_resource_prns", Doc: "Resource PRNs created by this task.", Value: schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.String}}, Values: createdPRNs},
			{Name: "pulp_api_version", Value: Text(), Values: none("v3")},
		}},
		Filters: taskFilters(),
		Remove: func(_ context.Context, _ bun.Tx, t *TaskRecord) error {
			if !t.State.Final() {
				return fmt.Errorf("the task has not finished: %w", ErrConflict)
			}
			return nil
		},
	}
	vs.extra = taskActions
	return vs
}

// taskActions are the operations that tasks have beyond being listed and read.
func taskActions(v *view[TaskRecord], owner Plugin) []Operation {
	return []Operation{
		v.operation(owner, "cancel", "", true, Operation{
			Method: "PATCH", Summary: "Cancel a task", Body: objectOf[TaskCancel]("TaskCancel"), Answer: v.codec.object("Task"),
			Codes: []AnswerKind{OK, Refused}, Do: func(ctx context.Context, r *Request) (*Answer, error) { return cancelTask(ctx, v, r) },
		}),
		v.operation(owner, "delete", "", true, Operation{
			Method: "DELETE", Summary: "Delete a task", Codes: []AnswerKind{NoContent},
			Do: func(ctx context.Context, r *Request) (*Answer, error) { return deleteTask(ctx, v, r) },
		}),
		purgeOperation(v, owner),
		v.operation(owner, "profile_artifacts", "profile_artifacts/", true, Operation{
			Method: "GET", Summary: "Fetch downloadable links for profile artifacts", Answer: objectOf[profileArtifacts]("ProfileArtifact"),
			Query: pruning(), Codes: []AnswerKind{OK}, Do: v.app.profileArtifacts,
		}),
	}
}

// minimalTask are the fields of a task that ?minimal=true leaves.
var minimalTask = []string{"pulp_href", "prn", "pulp_created", "pulp_last_updated", "pulp_api_version",
	"name", "state", "unblocked_at", "started_at", "finished_at", "worker"}

// deleteTask forgets a task that has ended; of others there is nothing more to say than the code.
func deleteTask(ctx context.Context, v *view[TaskRecord], r *Request) (*Answer, error) {
	answer, err := v.destroy(ctx, r)
	if isConflict(err) {
		return &Answer{Kind: Refused}, nil
	}
	return answer, err
}

func cancelTask(ctx context.Context, v *view[TaskRecord], r *Request) (*Answer, error) {
	t, err := v.one(ctx, v.app.db.Reader(), r.Vars)
	if err != nil {
		return nil, err
	}
	if err := wantsCancel(ctx, v.app, r); err != nil {
		return nil, err
	}
	kind := OK
	if err := v.app.Cancel(ctx, t.PulpID); err != nil {
		if !isConflict(err) {
			return nil, err
		}
		kind = Refused
	}
	if t, err = v.one(ctx, v.app.db.Reader(), r.Vars); err != nil {
		return nil, err
	}
	return v.answer(ctx, v.app.db.Reader(), kind, t, r)
}

// wantsCancel refuses a PATCH of a task or a group that asks for anything but its end.
func wantsCancel(ctx context.Context, a *App, r *Request) error {
	in, err := readBody[TaskCancel](ctx, a, r.Body.Fields)
	if err == nil && in.State != string(Canceled) {
		return FieldErrors{"state": {"The only acceptable value for 'state' is 'canceled'."}}
	}
	return err
}

// profileArtifacts are links to what profilers recorded of a task. Tasks are not profiled one by
// one, so there are none; a Go program has its own profiler.
type profileArtifacts struct {
	URLs map[string]string `json:"urls" validate:"required"`
}

func (a *App) profileArtifacts(ctx context.Context, r *Request) (*Answer, error) {
	if _, err := a.visibleTask(ctx, r); err != nil {
		return nil, err
	}
	only, body := list(r.Query, "fields"), []byte("{}")
	var err error
	if (only == nil || slices.Contains(only, "urls")) && !slices.Contains(list(r.Query, "exclude_fields"), "urls") {
		body, err = json.Marshal(profileArtifacts{URLs: map[string]string{}})
	}
	return &Answer{Kind: OK, Body: body}, err
}

// taskSorts are orders of lists by what is no field of its own here. What clients know of the
// dispatch of other servers' tasks (immediate, deferred, versions) is the same for all.
var taskSorts = map[string]string{
	"error": "t.error", "reserved_resources_record": "t.record", "enc_args": "t.args", "enc_kwargs": "t.args",
	"immediate": "NULL", "deferred": "NULL", "versions": "NULL",
}

func taskFilters() []Filter {
	state := schema.Value{Type: schema.String, Enum: []string{"waiting", "skipped", "running", "completed", "failed", "canceled", "canceling"}}
	out := []Filter{
		compare("state", "Filter results where state matches value", state, readState, "t.state = ?"),
		compare("state__in", "Filter results where state is in a comma-separated list of values", manyTexts, readList, "t.state IN (?)"),
		compare("state__ne", "Filter results where state not equal to value", Text(), readText, "t.state <> ?"),
		compare("name", "Filter results where name matches value", Text(), readText, "t.name = ?"),
		compare("name__contains", "Filter results where name contains value", Text(), readText, "instr(t.name, ?) > 0"),
		compare("name__in", "Filter results where name is in a comma-separated list of values", manyTexts, readList, "t.name IN (?)"),
		compare("name__ne", "Filter results where name not equal to value", Text(), readText, "t.name <> ?"),
		compare("logging_cid", "Filter results where logging_cid matches value", Text(), readText, "t.logging_cid = ?"),
		compare("logging_cid__contains", "Filter results where logging_cid contains value", Text(), readText, "instr(t.logging_cid, ?) > 0"),
		compare("worker", "Deprecated: nothing matches.", aUUID, readText, "? IS NULL"),
		compare("worker__in", "Deprecated: nothing matches.", manyTexts, readText, "? IS NULL"),
		compare("worker__isnull", "Deprecated: the worker is always null.", aBool, readBool, "?"),
		taskRef("parent_task", "t.parent_id = ?"),
		taskRef("child_tasks", "t.id = (SELECT parent_id FROM task WHERE id = ?)"),
		createdFilter(),
		groupFilter(),
	}
	out = append(out, timeFilters("pulp_created", "t.pulp_created")...)
	for _, name := range []string{"reserved_resources", "exclusive_resources", "shared_resources"} {
		out = append(out, reservedFilter(name, Text()), reservedFilter(name+"__in", manyTexts))
	}
	return out
}

// aUUID is how clients expect references in filters to be described; an href or a PRN is taken.
var aUUID = schema.Value{Type: schema.String, Format: "uuid"}

func readState(s string) (any, error) {
	switch State(s) {
	case Waiting, Skipped, Running, Completed, Failed, Canceled, Canceling:
		return s, nil
	}
	return nil, sentencef("Select a valid choice. %s is not one of the available choices.", s)
}

func taskRef(name, rule string) Filter {
	return Filter{Name: name, Doc: "Task referenced by HREF/PRN", Value: aUUID,
		Where: func(ctx context.Context, value string) (Where, error) {
			a := FromContext(ctx)
			id, err := a.find(ctx, a.db.Reader(), taskKind, value)
			if err != nil {
				return nil, err
			}
			return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where(rule, id) }, nil
		}}
}

func createdFilter() Filter {
	return Filter{Name: "created_resources", Doc: "Resource referenced by HREF/PRN", Value: aUUID,
		Where: func(ctx context.Context, value string) (Where, error) {
			a := FromContext(ctx)
			t, ok := a.parseTarget(ctx, value)
			if !ok {
				return nil, Refuse("Invalid hyperlink - No URL match.")
			}
			ids, err := a.findTargets(ctx, a.db.Reader(), []target{t})
			if err != nil {
				return nil, err
			}
			return func(q *bun.SelectQuery) *bun.SelectQuery {
				return q.Where("t.id IN (SELECT task_id FROM created_resource WHERE kind = ? AND object_id = ?)", t.end.kind.name, ids[0])
			}, nil
		}}
}

// recordsAll holds if the record of a task names all of so many resources, as is said behind it.
// They are in one list since a condition for each would be more than a statement may have.
const recordsAll = `(SELECT count(*) FROM json_each(?) AS n WHERE EXISTS (SELECT 1 FROM json_each(t.record) AS r WHERE r.value IN (%s))) = ?`

// reservedFilter finds the tasks whose record names all the resources of a list.
func reservedFilter(name string, value schema.Value) Filter {
	exclusive, shared := "n.value", "'"+sharedPrefix+"' || n.value"
	rule := fmt.Sprintf(recordsAll, exclusive+", "+shared)
	switch {
	case strings.HasPrefix(name, "exclusive"):
		rule = fmt.Sprintf(recordsAll, exclusive)
	case strings.HasPrefix(name, "shared"):
		rule = fmt.Sprintf(recordsAll, shared)
	}
	return Filter{Name: name, Doc: "Resources referenced by HREF/PRN", Value: value,
		Where: func(ctx context.Context, text string) (Where, error) {
			var names []string
			for part := range strings.SplitSeq(text, ",") {
				n, err := FromContext(ctx).reservedName(ctx, part)
				if err != nil {
					return nil, err
				}
				names = append(names, n)
			}
			slices.Sort(names)
			names = slices.Compact(names)
			return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where(rule, asJSON(names), len(names)) }, nil
		}}
}

// reservedName is the name under which tasks record the resource of an href.
func (a *App) reservedName(ctx context.Context, text string) (string, error) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "http") {
		return text, nil
	}
	t, ok := a.parseTarget(ctx, text)
	if !ok {
		return "", Refuse("Invalid hyperlink - No URL match.")
	}
	if !t.nested {
		return "prn:" + t.end.prn + ":" + strings.ToLower(t.key), nil
	}
	ids, err := a.findTargets(ctx, a.db.Reader(), []target{t})
	if err != nil {
		return "", err
	}
	var key ID
	if err := scanOne(ctx, a.db.Reader(), "SELECT pulp_id FROM repository_version WHERE id = ?", []any{ids[0]}, &key); err != nil {
		return "", err
	}
	return "prn:" + t.end.prn + ":" + key.String(), nil
}

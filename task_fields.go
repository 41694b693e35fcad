package pulp

import (
	"context"
	"errors"
	"fmt"

	"github.com/uptrace/bun"
)

// A progressView is what the API tells of a progress report.
type progressView struct {
	Message string  `json:"message" pulp:"readonly"`
	Code    string  `json:"code" pulp:"readonly"`
	State   string  `json:"state" pulp:"readonly"`
	Total   *int64  `json:"total" pulp:"readonly"`
	Done    int64   `json:"done" pulp:"readonly"`
	Suffix  *string `json:"suffix" pulp:"readonly,null"`
}

const progressSQL = `SELECT task_id, message, code, state, total, done, suffix FROM progress_report
WHERE task_id IN (SELECT value FROM json_each(?)) ORDER BY task_id, position`

// taskProgress reads the reports of tasks: those of tasks that run in this process as they are
// at this moment.
func taskProgress(ctx context.Context, db bun.IDB, ts []*TaskRecord) ([]any, error) {
	rows, err := raw(db).QueryContext(ctx, progressSQL, jsonIDs(taskIDs(ts)))
	if err != nil {
		return nil, fmt.Errorf("read progress: %w", err)
	}
	defer rows.Close()
	of := map[int64][]progressView{}
	for rows.Next() {
		var id int64
		var p progressView
		if err := rows.Scan(&id, &p.Message, &p.Code, &p.State, &p.Total, &p.Done, &p.Suffix); err != nil {
			return nil, fmt.Errorf("read progress: %w", err)
		}
		of[id] = append(of[id], p)
	}
	a := FromContext(ctx)
	out := make([]any, len(ts))
	for i, t := range ts {
		reports := of[t.ID]
		if live, ok := a.liveProgress(t.ID); ok && !t.State.Final() {
			reports = reports[:0]
			for _, r := range live {
				reports = append(reports, progressView{r.Message, r.Code, string(r.State), r.Total, r.Done, r.Suffix})
			}
		}
		if out[i] = reports; reports == nil {
			out[i] = []progressView{}
		}
	}
	return out, rows.Err()
}

func taskIDs(ts []*TaskRecord) []int64 {
	return idsOf(ts, func(t *TaskRecord) int64 { return t.ID })
}

// dispatchers are the accounts that dispatched tasks; null where accounts are no part of the API.
func dispatchers(ctx context.Context, db bun.IDB, ts []*TaskRecord) ([]any, error) {
	var ids []int64
	for _, t := range ts {
		if t.CreatedBy != nil {
			ids = append(ids, *t.CreatedBy)
		}
	}
	links, err := FromContext(ctx).links(ctx, db, accountKind, ids)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(ts))
	for i, t := range ts {
		if t.CreatedBy != nil && links[*t.CreatedBy] != "" {
			out[i] = links[*t.CreatedBy]
		}
	}
	return out, nil
}

const childTasksSQL = "SELECT parent_id, id FROM task WHERE parent_id IN (SELECT value FROM json_each(?)) ORDER BY id"

func childTasks(ctx context.Context, db bun.IDB, ts []*TaskRecord) ([]any, error) {
	of, all, err := pairs(ctx, db, childTasksSQL, taskIDs(ts))
	if err != nil {
		return nil, err
	}
	links, err := FromContext(ctx).links(ctx, db, taskKind, all)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(ts))
	for i, t := range ts {
		hrefs := []string{}
		for _, id := range of[t.ID] {
			hrefs = append(hrefs, links[id])
		}
		out[i] = hrefs
	}
	return out, nil
}

func pairs(ctx context.Context, db bun.IDB, query string, ids []int64) (map[int64][]int64, []int64, error) {
	rows, err := raw(db).QueryContext(ctx, query, jsonIDs(ids))
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	of, all := map[int64][]int64{}, []int64(nil)
	for rows.Next() {
		var key, id int64
		if err := rows.Scan(&key, &id); err != nil {
			return nil, nil, err
		}
		of[key], all = append(of[key], id), append(all, id)
	}
	return of, all, rows.Err()
}

// unavailable stands for a resource that a task made and that is not there any more.
const unavailable = "<unavailable>"

const createdSQL = "SELECT task_id, kind, object_id FROM created_resource WHERE task_id IN (SELECT value FROM json_each(?)) ORDER BY task_id, position"

type createdObject struct {
	kind string
	id   int64
}

// createdBy reads what tasks made, and finds all of it with one query for each kind.
func createdBy(ctx context.Context, db bun.IDB, ts []*TaskRecord, find func(kind string, ids []int64) (map[int64]string, error)) ([]any, error) {
	rows, err := raw(db).QueryContext(ctx, createdSQL, jsonIDs(taskIDs(ts)))
	if err != nil {
		return nil, fmt.Errorf("read created resources: %w", err)
	}
	defer rows.Close()
	of, kinds := map[int64][]createdObject{}, map[string][]int64{}
	for rows.Next() {
		var task int64
		var o createdObject
		if err := rows.Scan(&task, &o.kind, &o.id); err != nil {
			return nil, fmt.Errorf("read created resources: %w", err)
		}
		of[task] = append(of[task], o)
		kinds[o.kind] = append(kinds[o.kind], o.id)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	found := map[string]map[int64]string{}
	for kind, ids := range kinds {
		if found[kind], err = find(kind, ids); err != nil {
			return nil, err
		}
	}
	out := make([]any, len(ts))
	for i, t := range ts {
		names := []string{}
		for _, o := range of[t.ID] {
			name, ok := found[o.kind][o.id]
			if !ok {
				name = unavailable
			}
			names = append(names, name)
		}
		out[i] = names
	}
	return out, nil
}

func createdHrefs(ctx context.Context, db bun.IDB, ts []*TaskRecord) ([]any, error) {
	a := FromContext(ctx)
	return createdBy(ctx, db, ts, func(kind string, ids []int64) (map[int64]string, error) {
		if a.kinds[kind] == nil {
			return nil, nil
		}
		return a.links(ctx, db, kind, ids)
	})
}

func createdPRNs(ctx context.Context, db bun.IDB, ts []*TaskRecord) ([]any, error) {
	a := FromContext(ctx)
	return createdBy(ctx, db, ts, func(kind string, ids []int64) (map[int64]string, error) {
		if a.kinds[kind] == nil {
			return nil, nil
		}
		return a.prns(ctx, db, kind, ids)
	})
}

func isConflict(err error) bool { return errors.Is(err, ErrConflict) }

package pulp

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// A WorkerRecord is what the API tells of a process that runs tasks.
type WorkerRecord struct {
	bun.BaseModel `bun:"table:worker,alias:w"`
	Key           int64             `bun:"id,pk" json:"-"`
	PulpID        ID                `bun:"pulp_id" json:"-"`
	Created       Time              `bun:"pulp_created,notnull" json:"pulp_created" pulp:"readonly"`
	Updated       Time              `bun:"pulp_last_updated,notnull" json:"pulp_last_updated" pulp:"readonly"`
	Name          string            `bun:"name" json:"name" pulp:"readonly,filter" doc:"The name of the worker."`
	LastHeartbeat Time              `bun:"last_heartbeat,notnull" json:"last_heartbeat" pulp:"readonly,filter" doc:"Timestamp of the last time the worker talked to the service."`
	Versions      map[string]string `bun:"versions,type:json" json:"versions" pulp:"readonly" doc:"Versions of the components installed."`
}

func (w *WorkerRecord) base() *Base { return &Base{ID: w.Key, PulpID: w.PulpID} }

func workerViews() *ViewSet[WorkerRecord] {
	alive := func(missing bool) func(context.Context, string) (Where, error) {
		return func(ctx context.Context, value string) (Where, error) {
			yes, err := readBool(value)
			if err != nil {
				return nil, Refuse("%s", err)
			}
			rule := aliveSQL
			if yes.(bool) == missing {
				rule = "NOT " + aliveSQL
			}
			now := int64(FromContext(ctx).now())
			return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where(rule, now) }, nil
		}
	}
	return &ViewSet[WorkerRecord]{
		Path: "workers", Name: "worker", class: "Worker", kind: workerKind, Ops: List | Read, roleless: true,
		rules: func(*guard) []rule { return []rule{{[]string{"list", "retrieve"}, nil}} },
		sorts: map[string]string{"versions": "w.versions"},
		Filters: []Filter{
			{Name: "online", Value: aBool, Where: alive(false)},
			{Name: "missing", Value: aBool, Where: alive(true)},
		},
		Serializer: Serializer[WorkerRecord]{Computed: []Computed[WorkerRecord]{{
			Name: "current_task", Doc: "The task this worker is currently executing, or empty if the worker is not currently assigned to a task.",
			Value: schema.Value{Type: schema.String, Format: "uri"}, Values: currentTasks}}},
	}
}

const currentTaskSQL = "SELECT worker_id, min(id) FROM task WHERE state IN ('running', 'canceling') AND worker_id IN (SELECT value FROM json_each(?)) GROUP BY worker_id"

func currentTasks(ctx context.Context, db bun.IDB, ws []*WorkerRecord) ([]any, error) {
	of, all, err := pairs(ctx, db, currentTaskSQL, idsOf(ws, func(w *WorkerRecord) int64 { return w.Key }))
	if err != nil {
		return nil, err
	}
	links, err := FromContext(ctx).links(ctx, db, taskKind, all)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(ws))
	for i, w := range ws {
		if ids := of[w.Key]; len(ids) > 0 {
			out[i] = links[ids[0]]
		}
	}
	return out, nil
}

package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// A Component is a part of the program that status names: the core, or a plugin.
type Component struct {
	Name             string `json:"component"`
	Version          string `json:"version"`
	Package          string `json:"package"`
	Module           string `json:"module"`
	DomainCompatible bool   `json:"domain_compatible"`
}

// Components are the core and the plugins, in the order of their declaration.
func (a *App) Components() []Component {
	out := []Component{{"core", CoreVersion, "pulpcore", "pulpcore.app", true}}
	for _, p := range a.cfg.Plugins {
		out = append(out, Component{p.Name, p.Version, "pulp_" + p.Name, "pulp_" + p.Name + ".app", true})
	}
	return out
}

// Versions are the versions of all components by name.
func (a *App) Versions() map[string]string {
	out := map[string]string{}
	for _, c := range a.Components() {
		out[c.Name] = c.Version
	}
	return out
}

// The answer of status.
type (
	status struct {
		Versions        []Component       `json:"versions"`
		Workers         []json.RawMessage `json:"online_workers"` // as workers/ shows them, as clients before 3.117 expect
		APIApps         []statusApp       `json:"online_api_apps"`
		ContentApps     []statusApp       `json:"online_content_apps"`
		Database        connectionState   `json:"database_connection"`
		Redis           connectionState   `json:"redis_connection"`
		Storage         *statusStorage    `json:"storage" pulp:"notnull"`
		ContentSettings contentSettings   `json:"content_settings"`
		DomainEnabled   bool              `json:"domain_enabled"`
	}
	statusApp struct {
		Name          string            `json:"name" pulp:"readonly"`
		LastHeartbeat Time              `json:"last_heartbeat" pulp:"readonly"`
		Versions      map[string]string `json:"versions" pulp:"readonly"`
	}
	connectionState struct {
		Connected bool `json:"connected"`
	}
	statusStorage struct {
		Total *int64 `json:"total"`
		Used  *int64 `json:"used"`
		Free  *int64 `json:"free"`
	}
	contentSettings struct {
		Origin *string `json:"content_origin"`
		Prefix string  `json:"content_path_prefix"`
	}
)

// statusOperation declares status/.
type statusOperation struct{}

func (statusOperation) declare(r *registry, _ Plugin) error {
	object := objectOf[status]("Status")
	for i := range object.Fields {
		f := &object.Fields[i]
		f.Required = f.Name != "storage"
		if f.Name == "online_workers" {
			f.Value.Items = &schema.Value{Type: schema.Map, Object: r.views["workers"].(*view[WorkerRecord]).codec.object("Worker")}
		}
	}
	r.operations = append(r.operations, Operation{
		ID: "status_read", Method: "GET", Path: "status/", Tag: "Status", Summary: "Inspect status of Pulp",
		Answer: object, Codes: []AnswerKind{OK}, Anonymous: true, Do: r.app.status,
	})
	return nil
}

// aliveSQL says of a worker that its lease is not over.
const aliveSQL = "last_heartbeat + lease > ?"

func (a *App) status(ctx context.Context, _ *Request) (*Answer, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("read host name: %w", err)
	}
	self := []statusApp{{fmt.Sprintf("%d@%s", os.Getpid(), host), a.now(), a.Versions()}}
	s := status{
		Versions: a.Components(), APIApps: self, ContentApps: self,
		ContentSettings: contentSettings{Prefix: prefixOf(ctx) + a.ContentPath()},
	}
	if a.cfg.ContentOrigin != "" {
		s.ContentSettings.Origin = &a.cfg.ContentOrigin
	}
	s.Workers, err = a.onlineWorkers(ctx)
	s.Database.Connected = err == nil
	if total, used, free, err := a.storage.blobs().Usage(); err == nil {
		s.Storage = &statusStorage{&total, &used, &free}
	}
	body, err := json.Marshal(s)
	return &Answer{Kind: OK, Body: body}, err
}

// onlineWorkers are the processes that run tasks, in the order in which they began to.
func (a *App) onlineWorkers(ctx context.Context) ([]json.RawMessage, error) {
	v := a.views["workers"].(*view[WorkerRecord])
	db, now := a.db.Reader(), int64(a.now())
	online := func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where(aliveSQL, now).Order("id") }
	var ws []*WorkerRecord
	for w, err := range v.model.All(ctx, db, online) {
		if err != nil {
			return nil, err
		}
		ws = append(ws, w)
	}
	if len(ws) == 0 {
		return []json.RawMessage{}, nil
	}
	return v.codec.encode(ctx, db, ws, nil, nil)
}

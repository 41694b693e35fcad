package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gopulp/pulp"
)

// A mirroring brings one mirror up to date, through the API's operations.
type mirroring struct {
	mirror
	app *pulp.App
	log *slog.Logger
}

// object is a JSON object.
type object map[string]any

// run makes what the mirror needs, syncs and publishes. What fails is logged; the server goes on.
func (m *mirroring) run(ctx context.Context) {
	m.log.Info("mirroring", "url", m.url, "content", m.app.ContentPath()+m.name+"/")
	err := m.update(ctx)
	switch {
	case ctx.Err() != nil: // the server stops; the next start goes on
	case err != nil:
		m.log.Error("mirroring failed; the next start tries again, and what is here is served", "error", err)
	}
}

func (m *mirroring) update(ctx context.Context) error {
	source := object{"name": m.name, "url": m.url}
	if m.username != "" {
		source["username"], source["password"] = m.username, m.password
	}
	remote, err := m.ensure(ctx, "remotes/file/file/", source)
	if err != nil {
		return err
	}
	repository, err := m.ensure(ctx, "repositories/file/file/", object{"name": m.name, "remote": remote})
	if err != nil {
		return err
	}
	if _, err := m.ensure(ctx, "distributions/file/file/", object{"name": m.name, "base_path": m.name, "repository": repository}); err != nil {
		return err
	}
	// A sync with mirror publishes what it brings, with the manifest as it is upstream.
	if err := m.do(ctx, http.MethodPost, repository+"sync/", object{"mirror": true}, nil); err != nil {
		return err
	}
	return m.publish(ctx, repository)
}

// publish sees to it that the latest version is published, and says which it is.
func (m *mirroring) publish(ctx context.Context, repository string) error {
	var repo struct {
		Latest string `json:"latest_version_href"`
	}
	if err := m.do(ctx, http.MethodGet, repository, nil, &repo); err != nil {
		return err
	}
	var there struct{ Count int }
	const collection = "publications/file/file/"
	if err := m.do(ctx, http.MethodGet, collection+"?repository_version="+url.QueryEscape(repo.Latest), nil, &there); err != nil {
		return err
	}
	if there.Count == 0 {
		if err := m.do(ctx, http.MethodPost, collection, object{"repository_version": repo.Latest}, nil); err != nil {
			return err
		}
	}
	m.log.Info("mirrored", "version", repo.Latest)
	return nil
}

// ensure makes the object of a collection that has want's name, or changes it to what is wanted,
// and returns its href.
func (m *mirroring) ensure(ctx context.Context, collection string, want object) (href string, err error) {
	var found struct {
		Results []struct {
			Href string `json:"pulp_href"`
		}
	}
	list := func() error {
		return m.do(ctx, http.MethodGet, collection+"?name="+url.QueryEscape(m.name), nil, &found)
	}
	if err := list(); err != nil {
		return "", err
	}
	if len(found.Results) > 0 {
		href = found.Results[0].Href
		return href, m.do(ctx, http.MethodPatch, href, want, nil)
	}
	if err := m.do(ctx, http.MethodPost, collection, want, nil); err != nil {
		return "", err
	}
	if err := list(); err != nil || len(found.Results) == 0 {
		return "", fmt.Errorf("%s %s is gone right after it was made: %w", collection, m.name, err)
	}
	return found.Results[0].Href, nil
}

// do calls an operation. If that dispatches a task, do waits for its end.
func (m *mirroring) do(ctx context.Context, method, path string, body, answer any) error {
	if answer != nil {
		return m.app.Call(ctx, method, path, nil, answer)
	}
	var accepted struct{ Task string }
	if err := m.app.Call(ctx, method, path, body, &accepted); err != nil || accepted.Task == "" {
		return err
	}
	return m.wait(ctx, accepted.Task)
}

// How often a task is looked at, and how often its progress is logged.
const (
	lookEvery = 200 * time.Millisecond
	logEvery  = 5 * time.Second
)

// A task is what the API tells of work in the background.
type task struct {
	Name  string
	State pulp.State
	Error struct {
		Description string // of a failure
		Reason      string // of an end by force
	}
	Progress []struct {
		Message string
		Done    int
	} `json:"progress_reports"`
}

func (m *mirroring) wait(ctx context.Context, href string) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for next := time.Now().Add(logEvery); ; {
		var t task
		if err := m.app.Call(ctx, http.MethodGet, href, nil, &t); err != nil {
			return err
		}
		switch t.State {
		case pulp.Completed:
			return nil
		case pulp.Failed, pulp.Canceled:
			return fmt.Errorf("task %s %s: %s%s", t.Name, t.State, t.Error.Description, t.Error.Reason)
		}
		if now := time.Now(); now.After(next) {
			next = now.Add(logEvery)
			for _, p := range t.Progress {
				m.log.Info(p.Message, "done", p.Done)
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

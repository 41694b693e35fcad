package pulp

import (
	"context"
	"encoding/json"
	"reflect"

	"github.com/uptrace/bun"
)

// A Publisher is a set of named settings for publications: publishing with it needs no more than
// a version.
type Publisher[D any] struct {
	bun.BaseModel `bun:"table:publisher,alias:pb"`
	Master
	Named
	LastPublished Time `bun:"last_published,nullzero" json:"last_published" pulp:"readonly,null" doc:"When it last made a publication."`
	Detail        D    `bun:"detail,type:json" json:"-"`
}

// publishWith is the body of the action that publishes with a publisher.
type publishWith struct {
	Version    *int64 `json:"repository_version" pulp:"notnull,ref=repository_version" doc:"The version to publish."`
	Repository *int64 `json:"repository" pulp:"notnull,ref=repository" doc:"The repository whose latest version to publish."`
}

// declarePublishers declares the publishers of a type of publication.
func (t *PublicationType[D]) declarePublishers(r *registry, owner Plugin, task *Task[publishArgs, json.RawMessage]) error {
	d := declaration{kind: publisherKind, word: "Publisher", plural: "publishers", name: t.Publisher}
	vs := &ViewSet[Publisher[D]]{
		Path: d.path(owner), class: d.className(owner), kind: publisherKind, typ: d.label(owner), decl: t, upgrade: t.Upgrade, labels: true,
		Async: Update | Delete,
		needs: r.needsView("repo_or_repo_ver_param", []string{"publish"}, func() []*endpoint { return t.repositoryType(r, owner) }),
	}
	bind := func(v *view[Publisher[D]], _ Action[Publisher[D]]) (reflect.Type, reflect.Type, caller) {
		return reflect.TypeFor[publishWith](), reflect.TypeFor[Ticket[json.RawMessage]](), func(ctx context.Context, r *Request) (*Answer, error) {
			m, err := v.one(ctx, v.app.db.Reader(), r.Vars)
			if err != nil {
				return nil, err
			}
			if err := v.allow(ctx, Update, m); err != nil {
				return nil, err
			}
			return publishBy(ctx, v.app, m, task, r)
		}
	}
	vs.Actions = []Action[Publisher[D]]{{Name: "publish", Summary: "Publish a repository version", bind: bind, bodyName: "PublisherPublish"}}
	return vs.declare(r, owner)
}

// publishBy dispatches a publication with a publisher's settings.
func publishBy[D any](ctx context.Context, a *App, m *Publisher[D], task *Task[publishArgs, json.RawMessage], r *Request) (*Answer, error) {
	in, err := readBody[publishWith](ctx, a, r.Body.Fields)
	if err != nil {
		return nil, err
	}
	v, err := a.versionToPublish(ctx, in.Version, in.Repository)
	if err != nil {
		return nil, err
	}
	detail, err := json.Marshal(m.Detail)
	if err != nil {
		return nil, err
	}
	return a.publish(ctx, task, publishArgs{Version: v.ID, Publisher: &m.ID, Detail: detail}, Shared(v), Exclusive(m))
}

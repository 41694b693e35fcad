package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// A Publication is what a repository version looks like to clients: the files of its units, and
// the metadata that the plugin wrote for it. It never changes, but for Checkpoint.
type Publication[D any] struct {
	bun.BaseModel `bun:"table:publication,alias:p"`
	Master
	VersionID    int64  `bun:"version_id" json:"repository_version" pulp:"ref=repository_version,filter"`
	PublisherID  *int64 `bun:"publisher_id" json:"-"`
	Complete     bool   `bun:"complete" json:"-"`
	PassThrough  bool   `bun:"pass_through" json:"-"`
	Checkpoint   bool   `bun:"checkpoint" json:"checkpoint" doc:"Whether distributions that serve checkpoints serve this publication below the time at which it was made."`
	CheckpointOf *int64 `bun:"checkpoint_of" json:"-"` // the repository; nil if it is no checkpoint
	Detail       D      `bun:"detail,type:json" json:"-"`
}

// A PublicationType declares a type of publication whose own fields are D.
type PublicationType[D any] struct {
	// Name is the type's short name, usually the plugin's. It is stored.
	Name string
	// Class is the name in the API's description. Empty makes "<Plugin><Name>Publication".
	Class string
	// Repositories is the name of the plugin's type of repository whose versions are published.
	Repositories string
	// PassThrough says that every file of the version is served at its own path.
	PassThrough bool
	// Checkpoints says that publications of a repository can be checkpoints of it.
	Checkpoints bool
	// Publish writes the metadata. Nil means that there is none.
	Publish func(ctx context.Context, p *Publishing, pub *Publication[D]) error
	// Publisher is the name of the kind of named settings of this type: it gets a collection
	// "publishers/<plugin>/<name>" with the same fields D. Empty means none.
	Publisher string
	// Upgrade are the steps that publications and publishers which older releases wrote have to take. Nil means that there are none.
	Upgrade []Upgrade
}

// A publicationFace is a type of publication as the core sees it, without its Go type.
type publicationFace struct {
	passThrough bool
	path        string // of its collection
	mirror      func(ctx context.Context, s *Sync) error
	repository  string // the label of the repositories' type
}

// publishRequest is the body that asks for a publication of type D.
type publishRequest[D any] struct {
	Version    *int64 `json:"repository_version" pulp:"notnull,ref=repository_version" doc:"The version to publish."`
	Repository *int64 `json:"repository" pulp:"notnull,ref=repository" doc:"The repository whose latest version to publish."`
	Checkpoint bool   `json:"checkpoint" doc:"Whether the publication is a checkpoint of the repository."`
	Detail     D      `bun:"detail,type:json" json:"detail"`
}

// publishArgs is what a publish task is told.
type publishArgs struct {
	Version    int64
	Publisher  *int64
	Checkpoint bool
	Detail     json.RawMessage
}

func (t *PublicationType[D]) declaration() declaration {
	return declaration{kind: publicationKind, word: "Publication", plural: "publications", name: t.Name, class: t.Class}
}

// without are the fields that publications of this type do not have.
func (t *PublicationType[D]) without() []string {
	if t.Checkpoints {
		return nil
	}
	return []string{"checkpoint"}
}

// publicationSorts are orders by what clients do not see, or not of every type.
var publicationSorts = map[string]string{"complete": "p.complete", "pass_through": "p.pass_through", "checkpoint": "p.checkpoint"}

func (t *PublicationType[D]) declare(r *registry, owner Plugin) error {
	d := t.declaration()
	typ := d.label(owner)
	task := t.publishTask(r, owner, typ)
	if err := task.declare(r, owner); err != nil {
		return err
	}
	vs := &ViewSet[Publication[D]]{
		Path: d.path(owner), class: d.className(owner), kind: publicationKind, typ: typ, decl: t, upgrade: t.Upgrade, Ops: List | Read | Delete, creates: true,
		needs:      r.needsView("repo_or_repo_ver_param", []string{"create"}, func() []*endpoint { return t.repositoryType(r, owner) }),
		Serializer: Serializer[Publication[D]]{Computed: publicationFields[D]()},
		Filters:    publicationFilters(), without: t.without(), sorts: publicationSorts,
		Scope: func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("p.complete") },
	}
	vs.extra = func(v *view[Publication[D]], owner Plugin) []Operation {
		p, _ := planOf(reflect.TypeFor[publishRequest[D]]()) // its parts have been checked
		p.drop(t.without()...)
		return []Operation{v.operation(owner, "create", "", false, Operation{
			Method: "POST", Summary: "Create " + article(v.Name), Body: p.object(v.codec.object(v.schemaName(owner)).Name),
			Answer: v.codec.object(v.schemaName(owner)), Codes: []AnswerKind{Accepted},
			Do: func(ctx context.Context, r *Request) (*Answer, error) { return t.request(ctx, v.app, task, r) },
		})}
	}
	if err := vs.declare(r, owner); err != nil {
		return err
	}
	r.publications[r.types[typeKey{publicationKind, typ}]] = &publicationFace{
		passThrough: t.PassThrough, path: d.path(owner), repository: owner.Name + "." + t.Repositories, mirror: t.mirror(r, typ)}
	if t.Publisher == "" {
		return nil
	}
	return t.declarePublishers(r, owner, task)
}

// request answers POST on the collection: it validates and dispatches the task.
func (t *PublicationType[D]) request(ctx context.Context, a *App, task *Task[publishArgs, json.RawMessage], r *Request) (*Answer, error) {
	in, err := readBody[publishRequest[D]](ctx, a, r.Body.Fields, t.without()...)
	if err != nil {
		return nil, err
	}
	if in.Checkpoint && in.Version != nil {
		return nil, FieldErrors{"checkpoint": {"Only a 'repository' can be given a checkpoint, not a 'repository_version'."}}
	}
	v, err := a.versionToPublish(ctx, in.Version, in.Repository)
	if err != nil {
		return nil, err
	}
	detail, err := json.Marshal(in.Detail)
	if err != nil {
		return nil, err
	}
	return a.publish(ctx, task, publishArgs{Version: v.ID, Checkpoint: in.Checkpoint, Detail: detail}, Shared(v))
}

// publish dispatches a publish task.
func (a *App) publish(ctx context.Context, task *Task[publishArgs, json.RawMessage], args publishArgs, opts ...DispatchOption) (*Answer, error) {
	var ticket *Ticket[json.RawMessage]
	err := a.Tx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		ticket, err = task.Dispatch(ctx, tx, args, opts...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.accepted(ctx, ticket.TaskID()), nil
}

// versionToPublish is the version that a request names, or the latest one of the repository.
func (a *App) versionToPublish(ctx context.Context, version, repository *int64) (*Version, error) {
	switch {
	case version != nil && repository != nil:
		return nil, FieldErrors{NonField: {"Either the 'repository' or 'repository_version' need to be specified but not both."}}
	case version != nil:
		return NewModel[Version]().First(ctx, a.db.Reader(), byKey(*version))
	case repository != nil:
		return a.latestVersion(ctx, a.db.Reader(), *repository)
	}
	return nil, FieldErrors{NonField: {"Either the 'repository' or 'repository_version' need to be specified."}}
}

const publicationsWith = `EXISTS (SELECT 1 FROM repository_version v JOIN repository_content m ON m.repository_id = v.repository_id
	WHERE v.id = p.version_id AND m.content_id IN (?) AND m.added <= v.number AND (m.removed IS NULL OR m.removed > v.number))`

// publicationFilters are what publications of every type can be filtered by.
func publicationFilters() []Filter {
	return append([]Filter{repositoryFilter(), contentFilter("content", publicationsWith), contentFilter("content__in", publicationsWith), boolFilter("checkpoint", "p.checkpoint")},
		timeFilters("pulp_created", "p.pulp_created")...)
}

// repositoryFilter finds the publications of all versions of a repository.
func repositoryFilter() Filter {
	return Filter{Name: "repository", Doc: "Repository referenced by HREF/PRN", Value: schema.Value{Type: schema.String, Format: "uri"},
		Where: func(ctx context.Context, value string) (Where, error) {
			a := FromContext(ctx)
			id, err := a.find(ctx, a.db.Reader(), repositoryKind, value)
			if err != nil {
				return nil, err
			}
			return func(q *bun.SelectQuery) *bun.SelectQuery {
				return q.Where("p.version_id IN (SELECT id FROM repository_version WHERE repository_id = ?)", id)
			}, nil
		}}
}

const publicationFieldsSQL = `SELECT p.id, v.repository_id, (SELECT json_group_array(d.id) FROM distribution d WHERE d.publication_id = p.id)
FROM publication p JOIN repository_version v ON v.id = p.version_id WHERE p.id IN (SELECT value FROM json_each(?))`

// publicationFields are the repository of a publication and the distributions that pin it.
func publicationFields[D any]() []Computed[Publication[D]] {
	uri := schema.Value{Type: schema.String, Format: "uri"}
	return []Computed[Publication[D]]{
		{Name: "repository", Doc: "A URI of the repository to be published.", Value: uri, input: true,
			Values: func(ctx context.Context, db bun.IDB, ms []*Publication[D]) ([]any, error) {
				return publicationLinks(ctx, db, repositoryKind, idsOf(ms, func(m *Publication[D]) int64 { return m.ID }))
			}},
		{Name: "distributions", Doc: "This publication is currently hosted as defined by these distributions.", Value: schema.Value{Type: schema.Array, Items: &uri},
			Values: func(ctx context.Context, db bun.IDB, ms []*Publication[D]) ([]any, error) {
				return publicationLinks(ctx, db, distributionKind, idsOf(ms, func(m *Publication[D]) int64 { return m.ID }))
			}},
	}
}

func publicationLinks(ctx context.Context, db bun.IDB, kind string, ids []int64) ([]any, error) {
	rows, err := raw(db).QueryContext(ctx, publicationFieldsSQL, jsonIDs(ids))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	of, all := map[int64][]int64{}, []int64(nil)
	for rows.Next() {
		var id, repository int64
		var text string
		if err := rows.Scan(&id, &repository, &text); err != nil {
			return nil, err
		}
		linked := []int64{repository}
		if kind == distributionKind {
			if err := json.NewDecoder(strings.NewReader(text)).Decode(&linked); err != nil {
				return nil, fmt.Errorf("read distributions: %w", err)
			}
		}
		of[id], all = linked, append(all, linked...)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	links, err := FromContext(ctx).links(ctx, db, kind, all)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(ids))
	for i, id := range ids {
		hrefs := []string{}
		for _, l := range of[id] {
			hrefs = append(hrefs, links[l])
		}
		if out[i] = hrefs; kind == repositoryKind && len(hrefs) == 1 {
			out[i] = hrefs[0]
		}
	}
	return out, nil
}

package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// A Repository holds content, in versions. Whatever changes what it holds makes a new version,
// in a task that reserves the repository.
type Repository[D any] struct {
	bun.BaseModel `bun:"table:repository,alias:r"`
	Master
	Named
	Description       *string         `bun:"description" json:"description" doc:"An optional description."`
	RetainVersions    *int64          `bun:"retain_repo_versions" json:"retain_repo_versions" validate:"min=1" doc:"Retain X versions of the repository. Default is null which retains all versions."`
	RetainCheckpoints *int64          `bun:"retain_checkpoints" json:"retain_checkpoints" validate:"min=1" doc:"Retain X checkpoint publications for the repository. Default is null which retains all checkpoints."`
	RemoteID          *int64          `bun:"remote_id" json:"remote" pulp:"ref=remote,filter" doc:"An optional remote to use by default when syncing."`
	Latest            int64           `bun:"latest" json:"-"`
	NextVersion       int64           `bun:"next_version" json:"-"`
	LastSync          json.RawMessage `bun:"last_sync,type:json" json:"last_sync_details" pulp:"readonly" doc:"Details about the last sync including repository and remote information."`
	Detail            D               `bun:"detail,type:json" json:"-"`
}

// A RepositoryType declares a type of repository whose own fields are D.
type RepositoryType[D any] struct {
	// Name is the type's short name, usually the plugin's. It is stored.
	Name string
	// Class is the name in the API's description. Empty makes "<Plugin><Name>Repository".
	Class string
	// Content are the content types that its versions may hold.
	Content []Part
	// Remotes are the remote types that it can be synced from.
	Remotes []Part
	// Sync brings a remote's content in; [SyncFunc] makes it. Nil means that it cannot be synced.
	Sync Syncer[D]
	// Immutable says that no new version holds, in the place of a unit of the version before it,
	// another one with the same slot: the task that tries it fails. The unit must be removed first.
	Immutable bool
	// OnVersion is called by the task that made a new version, before the version appears. Its
	// error fails the task, and there is no version. Nil means nothing.
	OnVersion func(ctx context.Context, j *Job, repo *Repository[D], v *Version) error
	// Upgrade are the steps that rows which older releases wrote have to take. Nil means that there are none.
	Upgrade []Upgrade
}

// repositorySorts are orders by what clients do not see. No repository is hidden.
var repositorySorts = map[string]string{"next_version": "r.next_version", "user_hidden": "0 + 0"}

// A repositoryFace is a type of repository as the core sees it, without its Go type.
type repositoryFace struct {
	content   []int64 // the ids of its content types
	immutable bool
	changed   func(ctx context.Context, j *Job, repository int64, v *Version) error
}

func (t *RepositoryType[D]) declaration() declaration {
	return declaration{kind: repositoryKind, word: "Repository", plural: "repositories", name: t.Name, class: t.Class}
}

func (t *RepositoryType[D]) declare(r *registry, owner Plugin) error {
	d := t.declaration()
	vs := &ViewSet[Repository[D]]{
		Path: d.path(owner), class: d.className(owner), kind: repositoryKind, typ: d.label(owner), decl: t, upgrade: t.Upgrade, labels: true,
		Async: Update | Delete, slowDelete: true, sorts: repositorySorts,
		needs:      r.needsView("remote_param", []string{"create", "update", "sync"}, func() []*endpoint { return r.typesOf(remoteKind, t.Remotes...) }),
		Serializer: Serializer[Repository[D]]{Computed: versionLinks[D](r)},
		Filters:    repositoryFilters(),
		Save: func(ctx context.Context, tx bun.Tx, old, m *Repository[D]) error {
			return saveRepository(ctx, tx, old == nil, m)
		},
		Actions: []Action[Repository[D]]{Do("modify", modify[D])},
		extra:   sizeOperation[D],
	}
	if t.Sync != nil {
		act, task := t.Sync.action(owner, t)
		if err := task.declare(r, owner); err != nil {
			return err
		}
		vs.Actions = append(vs.Actions, act)
	}
	if err := vs.declare(r, owner); err != nil {
		return err
	}
	face, err := t.face(r)
	if err != nil {
		return err
	}
	r.repositories[r.types[typeKey{repositoryKind, d.label(owner)}]] = face
	return versionViews(vs.Path, d.className(owner)+"Version", d.label(owner)).declare(r, owner)
}

// repositoryFilters are what repositories of every type can be filtered by.
func repositoryFilters() []Filter {
	return slices.Concat(numberFilters("retain_repo_versions", "r.retain_repo_versions"), numberFilters("retain_checkpoints", "r.retain_checkpoints"),
		[]Filter{contentFilter("with_content", repositoriesEver), contentFilter("latest_with_content", repositoriesNow)})
}

func (t *RepositoryType[D]) face(r *registry) (*repositoryFace, error) {
	face := &repositoryFace{immutable: t.Immutable}
	for _, part := range t.Content {
		id := int64(0)
		for typ, c := range r.contents {
			if c.decl == part {
				id = typ
			}
		}
		if id == 0 {
			return nil, fmt.Errorf("repository type %q: its content types must be parts that are named before it", t.Name)
		}
		face.content = append(face.content, id)
	}
	face.changed = func(ctx context.Context, j *Job, repository int64, v *Version) error {
		if t.OnVersion == nil {
			return nil
		}
		repo, err := NewModel[Repository[D]]().First(ctx, j.app.db.Reader(), byKey(repository))
		if err != nil {
			return err
		}
		return t.OnVersion(ctx, j, repo, v)
	}
	return face, nil
}

// byKey finds the row with a primary key.
func byKey(id int64) Where {
	return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("?TablePKs = ?", id) }
}

// repositoryFace is what the core knows of the type of a repository.
func (a *App) repositoryFace(ctx context.Context, repository int64) (*repositoryFace, error) {
	var typ int64
	if err := scanOne(ctx, a.db.Reader(), "SELECT pulp_type FROM repository WHERE id = ?", []any{repository}, &typ); err != nil {
		return nil, err
	}
	if face := a.repositories[typ]; face != nil {
		return face, nil
	}
	return nil, fmt.Errorf("the plugin of repository %d: %w", repository, ErrNotFound)
}

const firstVersionSQL = `INSERT INTO repository_version (pulp_id, domain_id, created_by, pulp_created, pulp_last_updated, repository_id, number, complete)
VALUES (?, ?, ?, ?, ?, ?, 0, 1)`

// saveRepository makes version 0 of a new repository, and applies the retention of one that changed.
func saveRepository[D any](ctx context.Context, tx bun.Tx, created bool, m *Repository[D]) error {
	if !created {
		if err := retainCheckpoints(ctx, tx, m.ID); err != nil {
			return err
		}
		return FromContext(ctx).retain(ctx, tx, m.ID)
	}
	m.NextVersion = 1
	for _, step := range []struct {
		query string
		args  []any
	}{
		{firstVersionSQL, []any{NewID(), m.DomainID, m.CreatedBy, int64(m.Created), int64(m.Created), m.ID}},
		{"UPDATE repository SET next_version = 1, last_sync = '{}' WHERE id = ?", []any{m.ID}},
	} {
		if _, err := tx.Tx.ExecContext(ctx, step.query, step.args...); err != nil {
			return fmt.Errorf("make the first version: %w", err)
		}
	}
	return nil
}

// versionLinks are the fields that lead to a repository's versions.
func versionLinks[D any](r *registry) []Computed[Repository[D]] {
	href := func(ctx context.Context, m *Repository[D]) string {
		return r.app.href(ctx, r.kinds[repositoryKind].ends[m.PulpType], m.PulpID.String(), nil) + "versions/"
	}
	uri := schema.Value{Type: schema.String, Format: "uri"}
	return []Computed[Repository[D]]{
		{Name: "versions_href", Value: uri, Values: func(ctx context.Context, _ bun.IDB, ms []*Repository[D]) ([]any, error) {
			out := make([]any, len(ms))
			for i, m := range ms {
				out[i] = href(ctx, m)
			}
			return out, nil
		}},
		{Name: "latest_version_href", Value: uri, Values: func(ctx context.Context, _ bun.IDB, ms []*Repository[D]) ([]any, error) {
			out := make([]any, len(ms))
			for i, m := range ms {
				out[i] = fmt.Sprintf("%s%d/", href(ctx, m), m.Latest)
			}
			return out, nil
		}},
	}
}

const (
	repositoriesEver = "EXISTS (SELECT 1 FROM repository_content m WHERE m.content_id IN (?) AND m.repository_id = r.id AND m.added <= r.latest)"
	repositoriesNow  = "EXISTS (SELECT 1 FROM repository_content m WHERE m.content_id IN (?) AND m.repository_id = r.id AND m.added <= r.latest AND (m.removed IS NULL OR m.removed > r.latest))"
)

package pulp

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// A Distribution is where clients find content: a path, and the repository, version or
// publication that is served below it.
type Distribution[D any] struct {
	bun.BaseModel `bun:"table:distribution,alias:d"`
	Master
	Named
	BasePath      string `bun:"base_path" json:"base_path" validate:"required,relpath" pulp:"unique" doc:"The base (relative) path component of the published url. Avoid paths that overlap with other distribution base paths (e.g. \"foo\" and \"foo/bar\")"`
	Hidden        bool   `bun:"hidden" json:"hidden" default:"false" doc:"Whether this distribution should be shown in the content app."`
	RepositoryID  *int64 `bun:"repository_id" json:"repository" pulp:"ref=repository,filter" doc:"The latest RepositoryVersion for this Repository will be served."`
	VersionID     *int64 `bun:"version_id" json:"repository_version" pulp:"ref=repository_version" doc:"RepositoryVersion to be served."`
	PublicationID *int64 `bun:"publication_id" json:"publication" pulp:"ref=publication" doc:"Publication to be served."`
	RemoteID      *int64 `bun:"remote_id" json:"remote" pulp:"ref=remote" doc:"Remote that can be used to fetch content when it is not here."`
	GuardID       *int64 `bun:"guard_id" json:"content_guard" pulp:"ref=guard" doc:"An optional content-guard."`
	Checkpoint    bool   `bun:"checkpoint" json:"checkpoint" doc:"Whether all checkpoints of the repository are served, each below the time at which it was made."`
	Detail        D      `bun:"detail,type:json" json:"-"`
}

// A DistributionType declares a type of distribution whose own fields are D.
type DistributionType[D any] struct {
	// Name is the type's short name, usually the plugin's. It is stored.
	Name string
	// Class is the name in the API's description. Empty makes "<Plugin><Name>Distribution".
	Class string
	// FromPublication says that only what is published is served: a distribution of a repository
	// serves the newest publication of its newest published version. False serves the versions
	// themselves.
	FromPublication bool
	// Checkpoints says that distributions can serve the checkpoints of a repository.
	Checkpoints bool
	// Live are the routes of a plugin below a distribution's path; httpapi.Live makes them. Paths
	// that they do not have lead to files. Nil means that there are only files.
	Live LiveRoutes
	// Prefix is a path at the root of the server, with slashes at both ends: "/index/". Below it, too, the
	// HTTP handler has the distributions of this type, as below [App.ContentPath], and their base_url is
	// there. Empty means only below the content path.
	Prefix string
	// Remotes are the remote types that a distribution may name as the place where its routes get
	// what is not here: see [Upstream]. None means that distributions have no field "remote".
	Remotes []Part
	// Upgrade are the steps that rows which older releases wrote have to take. Nil means that there are none.
	Upgrade []Upgrade
}

// without are the fields that distributions of this type do not have.
func (t *DistributionType[D]) without() (fields []string) {
	if !t.Checkpoints {
		fields = append(fields, "checkpoint")
	}
	if len(t.Remotes) == 0 {
		fields = append(fields, "remote")
	}
	return fields
}

// distributionSorts are orders by what not every type has.
var distributionSorts = map[string]string{"checkpoint": "d.checkpoint"}

// The names that writing distributions reserves: all that change a base path one after another,
// and everything that looks at all distributions against those.
const (
	basePathName      = Name("distribution.base_path")
	distributionsName = Name("distributions")
)

func (t *DistributionType[D]) declaration() declaration {
	return declaration{kind: distributionKind, word: "Distribution", plural: "distributions", name: t.Name, class: t.Class}
}

func (t *DistributionType[D]) declare(r *registry, owner Plugin) error {
	d := t.declaration()
	vs := &ViewSet[Distribution[D]]{
		Path: d.path(owner), class: d.className(owner), kind: distributionKind, typ: d.label(owner), decl: t, upgrade: t.Upgrade, labels: true,
		Async:   Create | Update | Delete,
		Filters: distributionFilters(),
		without: t.without(), sorts: distributionSorts,
		Serializer: Serializer[Distribution[D]]{
			Validate: func(ctx context.Context, db bun.IDB, old, m *Distribution[D]) error {
				if err := validDistribution(ctx, db, m); err != nil {
					return err
				}
				return t.validRemote(ctx, m)
			},
			Computed: distributionFields[D](),
		},
		Save: supersede[D], Reserve: reserveDistribution[D],
	}
	if err := vs.declare(r, owner); err != nil {
		return err
	}
	typ := r.types[typeKey{distributionKind, d.label(owner)}]
	r.fromPublication[typ] = t.FromPublication
	if t.Live != nil {
		r.liveRoutes[typ] = t.Live
	}
	if t.Prefix == "" {
		return nil
	}
	r.prefixes[typ] = t.Prefix
	if !strings.HasPrefix(t.Prefix, "/") || !CanonicalPath(strings.Trim(t.Prefix, "/")) || !strings.HasSuffix(t.Prefix, "/") || t.Live == nil || strings.HasPrefix(t.Prefix, r.app.cfg.APIRoot) {
		return fmt.Errorf("distribution type %q: Prefix %q must be a path with slashes at both ends that is not below %s, and needs Live", t.Name, t.Prefix, r.app.cfg.APIRoot)
	}
	return nil
}

// reserveDistribution is what a change of a distribution locks: no two give out base paths at once.
func reserveDistribution[D any](op Op, old, m *Distribution[D]) []Reservation {
	rs := []Reservation{Shared(distributionsName)}
	if op != Create {
		rs = append(rs, Exclusive(old))
	}
	if op == Create || op == Update && old.BasePath != m.BasePath {
		rs = append(rs, Exclusive(basePathName))
	}
	return rs
}

// overlapSQL finds a distribution whose base path is a directory of another one's, by seeks: one
// for each directory above the path, and a range for what is below it.
const overlapSQL = `SELECT base_path FROM distribution WHERE domain_id = ?1 AND id <> ?2 AND base_path IN (SELECT value FROM json_each(?3))
UNION ALL SELECT base_path FROM distribution WHERE domain_id = ?1 AND id <> ?2 AND base_path > ?4 || '/' AND base_path < ?4 || '0' LIMIT 1`

func validDistribution[D any](ctx context.Context, db bun.IDB, m *Distribution[D]) error {
	errs := FieldErrors{}
	n := 0
	for _, id := range []*int64{m.RepositoryID, m.VersionID, m.PublicationID} {
		if id != nil {
			n++
		}
	}
	if n > 1 {
		errs.Add(NonField, "Only one of the attributes 'repository', 'repository_version' and 'publication' may be used simultaneously.")
	}
	if m.Checkpoint && m.RepositoryID == nil {
		errs.Add("checkpoint", "Only a distribution with a 'repository' can serve checkpoints.")
	}
	if !CanonicalPath(m.BasePath) {
		errs.Add("base_path", "Must be a relative path without white space, '?', '#' and empty, '.' or '..' parts.")
	}
	if len(errs) > 0 {
		return errs
	}
	var other string
	args := []any{FromContext(ctx).domain.ID, m.ID, jsonTexts(prefixes(m.BasePath)), m.BasePath}
	if err := scanOne(ctx, db, overlapSQL, args, &other); err != nil {
		return fmt.Errorf("compare base paths: %w", err)
	}
	if other != "" {
		errs.Add("base_path", "Overlaps with existing distribution base path '%s'", other)
	}
	return errs.OrNil()
}

// validRemote refuses remotes that the routes of the type cannot ask.
func (t *DistributionType[D]) validRemote(ctx context.Context, m *Distribution[D]) error {
	if m.RemoteID == nil {
		return nil
	}
	a := FromContext(ctx)
	remote, err := NewModel[Remote[json.RawMessage]]().First(ctx, a.db.Reader(), byKey(*m.RemoteID), alive)
	if err != nil {
		return err
	}
	for _, e := range a.typesOf(remoteKind, t.Remotes...) {
		if e.typ == remote.PulpType {
			return nil
		}
	}
	return FieldErrors{"remote": {fmt.Sprintf("Type for Remote '%s' does not match the distribution.", remote.Name)}}
}

// prefixes are the directories above a path.
func prefixes(path string) (out []string) {
	for dir := parentPath(path); dir != ""; dir = parentPath(dir) {
		out = append(out, dir)
	}
	return out
}

// distributionFilters are what distributions of every type can be filtered by.
func distributionFilters() []Filter {
	hrefs := schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.String, Format: "uuid"}}
	return append(pathFilters(), contentFilter("with_content", distributionsWith), boolFilter("checkpoint", "d.checkpoint"),
		Filter{Name: "repository__in", Doc: "Multiple values may be separated by commas.", Value: hrefs, Where: repositoriesIn})
}

func pathFilters() []Filter {
	out := textFilters("base_path", "d.base_path")
	keep := map[string]bool{"base_path": true, "base_path__contains": true, "base_path__icontains": true, "base_path__in": true}
	n := 0
	for _, f := range out {
		if keep[f.Name] {
			out[n] = f
			n++
		}
	}
	return out[:n]
}

func repositoriesIn(ctx context.Context, value string) (Where, error) {
	a := FromContext(ctx)
	var ids []int64
	for text := range strings.SplitSeq(value, ",") {
		id, err := a.find(ctx, a.db.Reader(), repositoryKind, strings.TrimSpace(text))
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("d.repository_id IN (?)", bun.List(ids)) }, nil
}

const distributionsWith = `EXISTS (SELECT 1 FROM repository_version v JOIN repository_content m ON m.repository_id = v.repository_id
	WHERE m.content_id IN (?) AND m.added <= v.number AND (m.removed IS NULL OR m.removed > v.number) AND v.id = coalesce(d.version_id,
	(SELECT version_id FROM publication WHERE id = d.publication_id),
	(SELECT w.id FROM repository_version w JOIN repository r ON r.id = w.repository_id AND r.latest = w.number WHERE r.id = d.repository_id)))`

// distributionFields are the address of a distribution, and when what it serves was made.
func distributionFields[D any]() []Computed[Distribution[D]] {
	return []Computed[Distribution[D]]{
		{Name: "base_url", Doc: "The URL for accessing the publication as defined by this distribution.", Value: schema.Value{Type: schema.String, Format: "uri"},
			Values: func(ctx context.Context, _ bun.IDB, ms []*Distribution[D]) ([]any, error) {
				out := make([]any, len(ms))
				for i, m := range ms {
					a := FromContext(ctx)
					out[i] = a.cfg.ContentOrigin + prefixOf(ctx) + cmp.Or(a.prefixes[m.PulpType], a.ContentPath()) + m.BasePath + "/"
				}
				return out, nil
			}},
		{Name: "content_guard_prn", Doc: "The Pulp Resource Name (PRN) of the associated optional content guard.", Value: schema.Value{Type: schema.String, Nullable: true}, Values: guardPRNs[D]},
		{Name: "no_content_change_since", Doc: "Timestamp since when the distributed content served by this distribution has not changed. If equals to null, no guarantee is provided about content changes.",
			Value: schema.Value{Type: schema.String, Format: "date-time"}, Values: pinnedSince[D]},
	}
}

func guardPRNs[D any](ctx context.Context, db bun.IDB, ms []*Distribution[D]) ([]any, error) {
	var ids []int64
	for _, m := range ms {
		if m.GuardID != nil {
			ids = append(ids, *m.GuardID)
		}
	}
	prns, err := FromContext(ctx).prns(ctx, db, guardKind, ids)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(ms))
	for i, m := range ms {
		if m.GuardID != nil && prns[*m.GuardID] != "" {
			out[i] = prns[*m.GuardID]
		}
	}
	return out, nil
}

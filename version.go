package pulp

import (
	"context"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// A Version is an immutable state of a repository: which units it holds. Its number counts up
// from 0, the empty version that every repository begins with.
type Version struct {
	bun.BaseModel `bun:"table:repository_version,alias:v"`
	Base
	RepositoryID  int64  `bun:"repository_id" json:"repository" pulp:"readonly,ref=repository"`
	Number        int64  `bun:"number" json:"number" pulp:"readonly"`
	BaseVersionID *int64 `bun:"base_version_id" json:"base_version" pulp:"notnull,ref=repository_version" doc:"A repository version whose content was used as the initial set of content for this repository version."`
	Complete      bool   `bun:"complete" json:"-"`
}

// completeVersion leaves the versions that can be seen.
func completeVersion(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("v.complete") }

// inVersion holds for the members of version ? of a repository; the alias is m.
const inVersion = "m.repository_id = ? AND m.added <= ? AND (m.removed IS NULL OR m.removed > ?)"

// latestVersion finds the newest complete version of a repository.
func (a *App) latestVersion(ctx context.Context, db bun.IDB, repository int64) (*Version, error) {
	return NewModel[Version]().First(ctx, db, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("v.repository_id = ? AND v.number = (SELECT latest FROM repository WHERE id = ?)", repository, repository)
	})
}

// versionViews is the collection of versions below a type of repository.
func versionViews(path, class, under string) *ViewSet[Version] {
	return &ViewSet[Version]{
		Path: path + "/{}/versions", Name: "repository version", class: class, kind: versionKind, parent: path, under: under,
		Ops: List | Read | Delete, Async: Delete, removal: deleteVersion, sorts: versionSorts, Actions: []Action[Version]{repairAction()},
		Serializer: Serializer[Version]{Computed: []Computed[Version]{summaryField(), reportField()}},
		Scope:      completeVersion,
		Filters: slices.Concat(numberRange("number", "v.number"), timeFilters("pulp_created", "v.pulp_created"),
			[]Filter{contentFilter("content", versionsWith), contentFilter("content__in", versionsWith)}),
	}
}

// versionSorts are orders that clients know and that change nothing: all versions that they see
// are complete.
var versionSorts = map[string]string{"complete": "v.complete", "info": "v.complete"}

// versionsWith holds for the versions that hold one of the units ?.
const versionsWith = `EXISTS (SELECT 1 FROM repository_content m WHERE m.content_id IN (?)
	AND m.repository_id = v.repository_id AND m.added <= v.number AND (m.removed IS NULL OR m.removed > v.number))`

// summaryField counts the units of a version by type, from the counts that were made with it.
func summaryField() Computed[Version] {
	counts := schema.Value{Type: schema.Map, Items: &schema.Value{Type: schema.Any}}
	return Computed[Version]{
		Name: "content_summary", Doc: "Various count summaries of the content in the version and the HREF to view them.",
		Value: schema.Value{Type: schema.Map, Object: &schema.Object{Name: "ContentSummary", Fields: []schema.Field{
			{Name: "added", Value: counts, Required: true}, {Name: "removed", Value: counts, Required: true}, {Name: "present", Value: counts, Required: true},
		}}},
		Values: summaries,
	}
}

type typeCount struct {
	Count int64  `json:"count"`
	Href  string `json:"href"`
}

type contentSummary struct {
	Added   map[string]typeCount `json:"added"`
	Removed map[string]typeCount `json:"removed"`
	Present map[string]typeCount `json:"present"`
}

const versionCountsSQL = `SELECT version_id, what, pulp_type, count FROM version_count
WHERE version_id IN (SELECT value FROM json_each(?)) AND count > 0`

func summaries(ctx context.Context, db bun.IDB, vs []*Version) ([]any, error) {
	a := FromContext(ctx)
	ids := idsOf(vs, func(v *Version) int64 { return v.ID })
	hrefs, err := a.links(ctx, db, versionKind, ids)
	if err != nil {
		return nil, err
	}
	rows, err := raw(db).QueryContext(ctx, versionCountsSQL, jsonIDs(ids))
	if err != nil {
		return nil, fmt.Errorf("count content: %w", err)
	}
	defer rows.Close()
	byID := map[int64]*contentSummary{}
	for _, id := range ids {
		byID[id] = &contentSummary{map[string]typeCount{}, map[string]typeCount{}, map[string]typeCount{}}
	}
	for rows.Next() {
		var id, typ, n int64
		var what string
		if err := rows.Scan(&id, &what, &typ, &n); err != nil {
			return nil, err
		}
		byID[id].set(what, a.kinds[contentKind].ends[typ], n, prefixOf(ctx)+a.APIPath(), hrefs[id])
	}
	out := make([]any, len(vs))
	for i, v := range vs {
		out[i] = *byID[v.ID]
	}
	return out, rows.Err()
}

func (s *contentSummary) set(what string, e *endpoint, n int64, root, version string) {
	if e == nil { // the plugin of this type is not in this program
		return
	}
	into, param := s.Present, "repository_version"
	switch what {
	case "A":
		into, param = s.Added, "repository_version_added"
	case "R":
		into, param = s.Removed, "repository_version_removed"
	}
	into[e.label] = typeCount{n, root + e.path + "/?" + param + "=" + version}
}

func reportField() Computed[Version] {
	return Computed[Version]{Name: "vuln_report", Value: schema.Value{Type: schema.String, Format: "uri"},
		Values: func(ctx context.Context, _ bun.IDB, vs []*Version) ([]any, error) {
			root := prefixOf(ctx) + FromContext(ctx).APIPath()
			out := make([]any, len(vs))
			for i, v := range vs {
				out[i] = root + "vuln_report/?repo_versions=prn:core.repositoryversion:" + v.PulpID.String()
			}
			return out, nil
		}}
}

func idsOf[M any](ms []*M, id func(*M) int64) []int64 {
	out := make([]int64, len(ms))
	for i, m := range ms {
		out[i] = id(m)
	}
	return out
}

// numberRange are the lookups of numbers that are never null.
func numberRange(name, column string) []Filter {
	return slices.DeleteFunc(numberFilters(name, column), func(f Filter) bool {
		return f.Name == name+"__ne" || f.Name == name+"__isnull"
	})
}

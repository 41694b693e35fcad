package pulp

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

const contentFilesSQL = `SELECT ca.content_id, ca.relative_path, ca.artifact_id, a.md5, a.sha1, a.sha224, a.sha256, a.sha384, a.sha512
FROM content_artifact ca LEFT JOIN artifact a ON a.id = ca.artifact_id WHERE ca.content_id IN (SELECT value FROM json_each(?))`

// A unitFile is a file of a unit with the digests of its artifact.
type unitFile struct {
	path     string
	artifact *int64
	digests  [6]*string // in the order of digestNames; nil where it is not here, or not computed
}

// filesOf reads the files of units: content id → files.
func filesOf(ctx context.Context, db bun.IDB, ids []int64) (map[int64][]unitFile, error) {
	rows, err := raw(db).QueryContext(ctx, contentFilesSQL, jsonIDs(ids))
	if err != nil {
		return nil, fmt.Errorf("read files of content: %w", err)
	}
	defer rows.Close()
	out := make(map[int64][]unitFile, len(ids))
	for rows.Next() {
		var id int64
		var f unitFile
		d := &f.digests
		if err := rows.Scan(&id, &f.path, &f.artifact, &d[0], &d[1], &d[2], &d[3], &d[4], &d[5]); err != nil {
			return nil, fmt.Errorf("read files of content: %w", err)
		}
		out[id] = append(out[id], f)
	}
	return out, rows.Err()
}

// fileFields are the fields of a unit that tell of its files: of the only one, or of all. Digests that the
// detail has itself are left to it.
func fileFields[D any](single bool, detail *plan) []Computed[Content[D]] {
	uri := schema.Value{Type: schema.String, Format: "uri"}
	if !single {
		return []Computed[Content[D]]{{Name: "artifacts", Doc: "A dict mapping relative paths inside the Content to the corresponding Artifact URLs.",
			Value: schema.Value{Type: schema.Map, Items: &schema.Value{Type: schema.String, Format: "uri", Nullable: true}}, Values: artifactMaps[D], input: true}}
	}
	out := []Computed[Content[D]]{{Name: "artifact", Doc: "Artifact file representing the physical content", Value: uri, Values: artifactLinks[D], input: true}}
	for i, name := range digestNames {
		if detail.byName[name] != nil {
			continue
		}
		out = append(out, Computed[Content[D]]{Name: name, Doc: "The " + strings.ToUpper(name) + " checksum if available.",
			Value: schema.Value{Type: schema.String},
			Values: func(ctx context.Context, db bun.IDB, ms []*Content[D]) ([]any, error) {
				return eachFile(ctx, db, ms, func(f unitFile) any {
					if sum := f.digests[i]; sum != nil {
						return *sum
					}
					return nil
				})
			}})
	}
	return out
}

// eachFile computes a value of the only file of each unit; null for a unit without one.
func eachFile[D any](ctx context.Context, db bun.IDB, ms []*Content[D], value func(unitFile) any) ([]any, error) {
	files, err := pageFiles(ctx, db, ms)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(ms))
	for i, m := range ms {
		if of := files[m.ID]; len(of) > 0 {
			out[i] = value(of[0])
		}
	}
	return out, nil
}

// pageFiles reads the files of a page once, for all the fields that tell of them.
func pageFiles[D any](ctx context.Context, db bun.IDB, ms []*Content[D]) (map[int64][]unitFile, error) {
	p, _ := ctx.Value(pageKey).(*pageMemo)
	if p != nil && p.files != nil {
		return p.files, nil
	}
	files, err := filesOf(ctx, db, idsOf(ms, func(m *Content[D]) int64 { return m.ID }))
	if p != nil {
		p.files = files
	}
	return files, err
}

// A pageMemo is what several computed fields of one page need.
type pageMemo struct {
	files    map[int64][]unitFile
	assigned *assignedFacts
}

func artifactLinks[D any](ctx context.Context, db bun.IDB, ms []*Content[D]) ([]any, error) {
	maps, err := artifactMaps(ctx, db, ms)
	if err != nil {
		return nil, err
	}
	for i, m := range maps {
		maps[i] = nil
		for _, href := range m.(map[string]*string) {
			if href != nil {
				maps[i] = *href
			}
		}
	}
	return maps, nil
}

func artifactMaps[D any](ctx context.Context, db bun.IDB, ms []*Content[D]) ([]any, error) {
	files, err := pageFiles(ctx, db, ms)
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, of := range files {
		for _, f := range of {
			if f.artifact != nil {
				ids = append(ids, *f.artifact)
			}
		}
	}
	links, err := FromContext(ctx).links(ctx, db, artifactKind, ids)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(ms))
	for i, m := range ms {
		hrefs := map[string]*string{}
		for _, f := range files[m.ID] {
			hrefs[f.path] = nil
			if f.artifact != nil {
				href := links[*f.artifact]
				hrefs[f.path] = &href
			}
		}
		out[i] = hrefs
	}
	return out, nil
}

// The members of a version, and what it added and removed; the ?s are repository, previous and
// own number of the version.
const (
	inVersionRange = "m.repository_id = ?0 AND m.added <= ?2 AND (m.removed IS NULL OR m.removed > ?2)"
	addedInRange   = "m.repository_id = ?0 AND m.added > ?1 AND m.added <= ?2 AND (m.removed IS NULL OR m.removed > ?2)" +
		" AND NOT EXISTS (SELECT 1 FROM repository_content o WHERE o.repository_id = ?0 AND o.content_id = m.content_id AND o.added <= ?1 AND +o.removed > ?1)"
	removedInRange = "m.repository_id = ?0 AND m.added <= ?1 AND m.removed > ?1 AND m.removed <= ?2" +
		" AND NOT EXISTS (SELECT 1 FROM repository_content o WHERE o.repository_id = ?0 AND o.content_id = m.content_id AND o.added > ?1 AND o.added <= ?2 AND (o.removed IS NULL OR o.removed > ?2))"
)

func contentOf(rule string) memberRule {
	return memberRule{
		among: "?TableAlias.id IN (SELECT m.content_id FROM repository_content m WHERE " + rule + ")",
		each:  "EXISTS (SELECT 1 FROM repository_content m WHERE m.content_id = ?TableAlias.id AND " + rule + ")",
	}
}

// A memberRule is a condition for the units of a version, or for what belongs to them: among all
// of them, for queries that would else read the whole table; or looked up for each row, for
// queries that find a few rows by something else, however much the version holds.
type memberRule struct{ among, each string }

func artifactOf(rule string) memberRule {
	return memberRule{among: "?TableAlias.id IN (SELECT ca.artifact_id FROM repository_content m JOIN content_artifact ca ON ca.content_id = m.content_id WHERE " + rule + ")"}
}

func contentFilters() []Filter {
	return slices.Concat([]Filter{
		orphanedFilter("c", orphanUnit),
		membershipFilter("repository_version", contentOf(inVersionRange)),
		membershipFilter("repository_version_added", contentOf(addedInRange)),
		membershipFilter("repository_version_removed", contentOf(removedInRange)),
	})
}

const rangeSQL = `SELECT v.repository_id, v.number,
coalesce((SELECT number FROM repository_version WHERE repository_id = v.repository_id AND complete AND number < v.number ORDER BY number DESC LIMIT 1), -1)
FROM repository_version v WHERE v.id = ?`

// membershipFilter takes a version, or a repository for its latest one.
func membershipFilter(name string, rule memberRule) Filter {
	return Filter{Name: name, Doc: "Repository Version referenced by HREF/PRN", Value: schema.Value{Type: schema.String, Format: "uri"},
		Where: func(ctx context.Context, value string) (Where, error) {
			r, err := FromContext(ctx).memberRange(ctx, value)
			if err != nil {
				return nil, err
			}
			condition := rule.among
			if found, _ := ctx.Value(foundKey).(bool); found && rule.each != "" {
				condition = rule.each
			}
			return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where(condition, r.repository, r.prev, r.number) }, nil
		}}
}

// A memberRange is a version, and the number of the one before it.
type memberRange struct{ version, repository, number, prev int64 }

// memberRange finds the version that an href or a PRN names, or the latest one of a repository.
func (a *App) memberRange(ctx context.Context, value string) (r memberRange, err error) {
	db := a.db.Reader()
	t, ok := a.parseTarget(ctx, value)
	if !ok || t.end.kind.name != versionKind && t.end.kind.name != repositoryKind {
		return r, Refuse("URI not valid for a repository version: %s", value)
	}
	if r.version, err = a.find(ctx, db, t.end.kind.name, value); err != nil {
		return r, err
	}
	if t.end.kind.name == repositoryKind {
		v, err := a.latestVersion(ctx, db, r.version)
		if err != nil {
			return r, err
		}
		r.version = v.ID
	}
	if err := db.DB.QueryRowContext(ctx, rangeSQL, r.version).Scan(&r.repository, &r.number, &r.prev); err != nil {
		return r, fmt.Errorf("read version: %w", err)
	}
	return r, nil
}

// contentFilter finds what holds one of the units that hrefs or PRNs name.
func contentFilter(name, rule string) Filter {
	value := Text()
	if strings.HasSuffix(name, "__in") {
		value = manyTexts
	}
	return Filter{Name: name, Doc: "Content Unit referenced by HREF/PRN", Value: value,
		Where: func(ctx context.Context, value string) (Where, error) {
			ids, err := FromContext(ctx).units(ctx, name, strings.Split(value, ","))
			if err != nil {
				return nil, err
			}
			return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where(rule, bun.List(ids)) }, nil
		}}
}

package pulp

import (
	"context"
	"regexp"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// refFilter takes an href or a PRN; "null" finds what refers to nothing.
func (v *view[M]) refFilter(name, column, kindName string) Filter {
	return Filter{Name: name, Doc: "Foreign Key referenced by HREF or PRN", Value: schema.Value{Type: schema.String, Format: "uuid"}, empty: true,
		Where: func(ctx context.Context, value string) (Where, error) {
			if value == "" || value == "null" {
				return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where(column + " IS NULL") }, nil
			}
			if e := v.app.collection(ctx, kindName, value); e != nil {
				return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where(column+ofTypeSQL(e), e.typ) }, nil
			}
			id, err := v.app.find(ctx, v.app.db.Reader(), kindName, value)
			if err != nil {
				return nil, err
			}
			return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where(column+" = ?", id) }, nil
		}}
}

// identityFilters find objects by their hrefs, PRNs and ids.
func (v *view[M]) identityFilters() []Filter {
	byTarget := func(ctx context.Context, value string) (Where, error) {
		var ts []target
		for text := range strings.SplitSeq(value, ",") {
			t, ok := v.app.parseTarget(ctx, strings.TrimSpace(text))
			if !ok {
				return nil, Refuse("Invalid value: %q is neither an href nor a PRN.", text)
			}
			if t.end.kind == v.end.kind || t.end.kind.key.table == v.key.table {
				ts = append(ts, t)
			}
		}
		if !v.key.named {
			return v.byKeys(ts), nil
		}
		ids, err := v.app.findTargets(ctx, v.app.db.Reader(), ts)
		if err != nil {
			return nil, err
		}
		primary := bun.Ident(v.key.primary)
		return func(q *bun.SelectQuery) *bun.SelectQuery {
			return q.Where("?TableAlias.? IN (SELECT value FROM json_each(?))", primary, jsonIDs(ids))
		}, nil
	}
	const doc = "Multiple values may be separated by commas."
	out := []Filter{{Name: "pulp_href__in", Doc: doc, Value: manyTexts, Where: byTarget}}
	if v.end.prn != "" {
		out = append(out, Filter{Name: "prn__in", Doc: doc, Value: manyTexts, Where: byTarget})
	}
	many := schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.String, Format: "uuid"}}
	switch {
	case v.key.named && v.kind != versionKind:
		out = append(out, Filter{Name: "pulp_id__in", Doc: doc, Value: many, Where: byIDs})
	case v.end.prn != "" && !v.key.named:
		out = append(out, Filter{Name: "pulp_id__in", Doc: doc, Value: many, Where: v.byNumbers})
	}
	return out
}

// byKeys finds rows without IDs.
func (v *view[M]) byKeys(ts []target) Where {
	var keys []any
	for _, t := range ts {
		if key, err := v.key.parse(t.key); err == nil {
			keys = append(keys, key)
		}
	}
	return func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("?TableAlias.? IN (?)", bun.Ident(v.key.column), bun.List(keys))
	}
}

// byNumbers finds rows of the core that have numbers for IDs.
func (v *view[M]) byNumbers(_ context.Context, value string) (Where, error) {
	var ts []target
	for text := range strings.SplitSeq(value, ",") {
		ts = append(ts, target{key: strings.TrimSpace(text)})
	}
	return v.byKeys(ts), nil
}

func byIDs(_ context.Context, value string) (Where, error) {
	var ids []ID
	for text := range strings.SplitSeq(value, ",") {
		id, err := ParseID(strings.TrimSpace(text))
		if err != nil {
			return nil, Refuse("“%s” is not a valid UUID.", text)
		}
		ids = append(ids, id)
	}
	return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("?TableAlias.pulp_id IN (?)", bun.List(ids)) }, nil
}

// longestRegexp is less than what the database takes.
const longestRegexp = 900

// readRegexp reads a regular expression; flags are put before it.
func readRegexp(flags string) func(string) (any, error) {
	return func(s string) (any, error) {
		if len(s) > longestRegexp {
			return nil, sentencef("Ensure this value has at most %d characters.", longestRegexp)
		}
		if _, err := regexp.Compile(flags + s); err != nil {
			return nil, sentence("Enter a valid regular expression.")
		}
		return flags + s, nil
	}
}

// typeFilters find the objects of some types in a collection that holds those of all.
func (v *view[M]) typeFilters() []Filter {
	one := schema.Value{Type: schema.String}
	byType := func(ctx context.Context, value string) (Where, error) {
		var ids []int64
		for label := range strings.SplitSeq(value, ",") {
			e := v.end.kind.labeled(label)
			if e == nil {
				return nil, Refuse("Select a valid choice. %s is not one of the available choices.", label)
			}
			ids = append(ids, e.typ)
		}
		return func(q *bun.SelectQuery) *bun.SelectQuery {
			return q.Where("?TableAlias.pulp_type IN (SELECT value FROM json_each(?))", jsonIDs(ids))
		}, nil
	}
	return []Filter{
		{Name: "pulp_type", Doc: "Pulp type", Value: one, Where: byType, types: v.end.kind},
		{Name: "pulp_type__in", Doc: "Multiple values may be separated by commas.", Value: schema.Value{Type: schema.Array, Items: &one}, Where: byType, types: v.end.kind},
	}
}

// labeled is the endpoint of the type with a label; nil if there is none.
func (k *kind) labeled(label string) *endpoint {
	for _, e := range k.ends {
		if e.label == label {
			return e
		}
	}
	return nil
}

// collection is the endpoint whose collection an href names, not one of its objects.
func (a *App) collection(ctx context.Context, kindName, text string) *endpoint {
	path, ok := a.localPath(ctx, text)
	if e := a.byPath[path]; ok && e != nil && e.typ != 0 && e.kind == a.kind(kindName) {
		return e
	}
	return nil
}

// ofTypeSQL holds for the column of a reference to an object of type ?.
func ofTypeSQL(e *endpoint) string {
	return ` IN (SELECT "` + e.kind.key.primary + `" FROM "` + e.kind.key.table + `" WHERE pulp_type = ?)`
}

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
	return Filter{Name: name, Doc: "Foreign Key referenced by HREF or PRN", Value: schema.Value{Type: schema.String, Format: "uri"},
		Where: func(ctx context.Context, value string) (Where, error) {
			if value == "" || value == "null" {
				return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where(column + " IS NULL") }, nil
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
			if t.end.kind == v.end.kind {
				ts = append(ts, t)
			}
		}
		ids, err := v.app.findTargets(ctx, v.app.db.Reader(), ts)
		if err != nil {
			return nil, err
		}
		return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("?TablePKs IN (?)", bun.In(ids)) }, nil
	}
	out := []Filter{
		{Name: "pulp_href__in", Doc: "Multiple values may be separated by commas.", Value: manyTexts, Where: byTarget},
		{Name: "prn__in", Doc: "Multiple values may be separated by commas.", Value: manyTexts, Where: byTarget},
	}
	if v.key == "pulp_id" && v.parent == "" {
		out = append(out, Filter{Name: "pulp_id__in", Doc: "Multiple values may be separated by commas.", Value: manyTexts, Where: byIDs})
	}
	return out
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
	return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("?TableAlias.pulp_id IN (?)", bun.In(ids)) }, nil
}

func readRegexp(flags string) func(string) (any, error) {
	return func(s string) (any, error) {
		if _, err := regexp.Compile(flags + s); err != nil {
			return nil, Refuse("%q is no regular expression: %s", s, err)
		}
		return flags + s, nil
	}
}

package pulp

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/uptrace/bun"
)

const heldSQL = `EXISTS (SELECT 1 FROM repository_content m WHERE m.content_id = c.id AND m.repository_id = ? AND m.added <= ? AND (m.removed IS NULL OR m.removed > ?))`

// In yields the units of this type that a version holds and whose field has a value, in no particular
// order. The field must have a filter tag: an index finds them, whatever else there is. A nil version
// holds nothing. ctx must carry the App, as it does in requests and tasks.
func (t *ContentType[D]) In(ctx context.Context, v *Version, name, value string) iter.Seq2[*Content[D], error] {
	if v == nil {
		return func(func(*Content[D], error) bool) {}
	}
	a := FromContext(ctx)
	where, err := t.heldBy(a, v, name, value)
	if err != nil {
		return func(yield func(*Content[D], error) bool) { yield(nil, err) }
	}
	return NewModel[Content[D]]().All(ctx, a.db.Reader(), where)
}

func (t *ContentType[D]) heldBy(a *App, v *Version, name, value string) (Where, error) {
	column, typ, err := t.indexed(a, name)
	if err != nil {
		return nil, err
	}
	has := fmt.Sprintf("%s = ? AND c.pulp_type = %d", column, typ)
	return func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where(has, value).Where(heldSQL, v.RepositoryID, v.Number, v.Number)
	}, nil
}

// indexed is a field with an index: the same words as the index has, and the type, which must be a literal;
// else no index would be used.
func (t *ContentType[D]) indexed(a *App, name string) (column string, typ int64, err error) {
	if a == nil {
		return "", 0, ErrNoApp
	}
	if typ, err = a.typeOf(contentKind, t); err != nil {
		return "", 0, err
	}
	for _, f := range a.contents[typ].plan.fields {
		if f.Name == name && len(f.filters) > 0 {
			return fmt.Sprintf("json_extract(c.detail, '$.%s')", f.column), typ, nil
		}
	}
	return "", 0, fmt.Errorf("field %q of %s is none that has a filter tag", name, a.contents[typ].label)
}

// Count is how many different values some fields together have of the units of this type that a version holds. The
// fields must have filter tags. It reads all units of the version; a nil version holds none. ctx must carry the App.
func (t *ContentType[D]) Count(ctx context.Context, v *Version, names ...string) (n int64, err error) {
	if v == nil {
		return 0, nil
	}
	a, columns := FromContext(ctx), []string{}
	for _, name := range names {
		column, _, err := t.indexed(a, name)
		if err != nil {
			return 0, err
		}
		columns = append(columns, column)
	}
	typ, err := a.typeOf(contentKind, t)
	if err != nil {
		return 0, err
	}
	query := fmt.Sprintf("SELECT count(*) FROM (SELECT DISTINCT %s FROM content c WHERE c.pulp_type = %d AND "+heldSQL+")", strings.Join(columns, ", "), typ)
	if err := a.db.Reader().DB.QueryRowContext(ctx, query, v.RepositoryID, v.Number, v.Number).Scan(&n); err != nil {
		return 0, fmt.Errorf("count values of %s: %w", strings.Join(names, ", "), err)
	}
	return n, nil
}

// Values yields what a field says of the units of this type that a version holds: each value once, in order.
// It must be a text field with a filter tag. It reads the index of all units of the type, and the version's part of it, but
// no unit. A nil version holds nothing. ctx must carry the App.
func (t *ContentType[D]) Values(ctx context.Context, v *Version, name string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if v == nil {
			return
		}
		a := FromContext(ctx)
		query, err := t.valuesOf(a, name)
		if err != nil {
			yield("", err)
			return
		}
		for last := ""; ; {
			var found []string
			err := a.eachRow(ctx, query, []any{last, v.RepositoryID, v.Number, v.Number, membershipBatch}, func(scan func(...any) error) error {
				err := scan(&last)
				found = append(found, last)
				return err
			})
			if err != nil {
				yield("", fmt.Errorf("list values of %s: %w", name, err))
				return
			}
			for _, value := range found {
				if !yield(value, nil) {
					return
				}
			}
			if len(found) < membershipBatch {
				return
			}
		}
	}
}

// valuesOf is the statement of a batch of values behind ?1.
func (t *ContentType[D]) valuesOf(a *App, name string) (string, error) {
	column, typ, err := t.indexed(a, name)
	return fmt.Sprintf("SELECT DISTINCT %[1]s FROM content c WHERE c.pulp_type = %[2]d AND %[1]s > ? AND "+heldSQL+" ORDER BY 1 LIMIT ?", column, typ), err
}

// Held is what [ContentType.In] yields, by the paths of the units' files. The type must have a FilePath, and one unit
// of a version per path, as slots make sure of.
func (t *ContentType[D]) Held(ctx context.Context, v *Version, name, value string) (map[string]*Content[D], error) {
	if t.FilePath == nil {
		return nil, fmt.Errorf("units of type %q have no path of their own: it needs a FilePath", t.Name)
	}
	held := map[string]*Content[D]{}
	for c, err := range t.In(ctx, v, name, value) {
		if err != nil {
			return nil, err
		}
		held[t.FilePath(&c.Detail)] = c
	}
	return held, nil
}

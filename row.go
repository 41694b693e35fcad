package pulp

import (
	"cmp"
	"context"
	"errors"

	"github.com/uptrace/bun"
)

// one finds the object that a request's path names.
func (v *view[M]) one(ctx context.Context, db bun.IDB, vars map[string]string) (*M, error) {
	visible, err := v.sight(ctx)
	if err != nil {
		return nil, err
	}
	where := []Where{v.scope, visible.where}
	switch {
	case v.nest != nil:
		above, err := v.parentOf(ctx, db, vars["pk"])
		id, bad := ParseID(vars["nested_pk"])
		if err != nil || bad != nil {
			return nil, cmp.Or(err, ErrNotFound)
		}
		where = append(where, func(q *bun.SelectQuery) *bun.SelectQuery {
			return q.Where("?TableAlias.? = ?", bun.Ident(v.nest.column), above).Where("?TableAlias.pulp_id = ?", id)
		})
	case v.parent != "":
		number, err := parseNumber(vars["number"])
		if err != nil {
			return nil, ErrNotFound
		}
		where = append(where, func(q *bun.SelectQuery) *bun.SelectQuery {
			return q.Where("?TableAlias.number = ?", number).
				Where("?TableAlias.repository_id = (SELECT id FROM repository WHERE pulp_id = ? AND pulp_type = ?)", idOrNil(vars["pk"]), v.end.under)
		})
	default:
		key, err := v.key.parse(vars["pk"])
		if err != nil {
			return nil, ErrNotFound
		}
		return v.found(v.byColumn(ctx, db, v.key.column, key, where...))
	}
	return v.found(v.model.First(ctx, db, where...))
}

// byColumn finds the row with a value in a column.
func (v *view[M]) byColumn(ctx context.Context, db bun.IDB, column string, value any, where ...Where) (*M, error) {
	if v.model.bindable(value) {
		return v.model.firstBy(ctx, db, value, append(where, func(q *bun.SelectQuery) *bun.SelectQuery {
			return q.Where("?TableAlias.? = ?", bun.Ident(column), given)
		})...)
	}
	return v.model.First(ctx, db, append(where, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("?TableAlias.? = ?", bun.Ident(column), value)
	})...)
}

// found has clients read that there is no such object as they know it.
func (v *view[M]) found(m *M, err error) (*M, error) {
	if errors.Is(err, ErrNotFound) {
		return nil, noMatch{v.class}
	}
	return m, err
}

// noMatch is ErrNotFound with the sentence that clients know.
type noMatch struct{ class string }

// Error names what was looked for.
func (e noMatch) Error() string { return e.class + ": " + ErrNotFound.Error() }

// Unwrap returns ErrNotFound.
func (noMatch) Unwrap() error { return ErrNotFound }

// Detail is what the client reads.
func (e noMatch) Detail() string { return "No " + e.class + " matches the given query." }

func idOrNil(text string) any {
	id, err := ParseID(text)
	if err != nil {
		return nil
	}
	return id
}

func (v *view[M]) scope(q *bun.SelectQuery) *bun.SelectQuery {
	if v.end.typ != 0 {
		q = q.Where("?TableAlias.pulp_type = ?", v.end.typ)
	}
	if v.Scope != nil {
		q = v.Scope(q)
	}
	return q
}

// row finds the row with a primary key, if it still is of the view's type.
func (v *view[M]) row(ctx context.Context, db bun.IDB, key any) (*M, error) {
	return v.byColumn(ctx, db, v.key.primary, key, func(q *bun.SelectQuery) *bun.SelectQuery {
		if v.end.typ != 0 {
			q = q.Where("?TableAlias.pulp_type = ?", v.end.typ)
		}
		return q
	})
}

// exists says whether a row has a value in a column.
func (v *view[M]) exists(ctx context.Context, db bun.IDB, column string, value any) (there bool, err error) {
	q := v.domain(db.NewSelect().Model((*M)(nil)))
	if !v.model.bindable(value) {
		return q.Where("?TableAlias.? = ?", bun.Ident(column), value).Exists(ctx)
	}
	text, err := q.ColumnExpr("1").Where("?TableAlias.? = ?", bun.Ident(column), given).Limit(1).AppendQuery(q.DB().QueryGen(), nil)
	if err != nil {
		return false, err
	}
	err = scanOne(ctx, db, string(text), []any{value}, &there)
	return there, err
}

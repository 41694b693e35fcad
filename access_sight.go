package pulp

import (
	"context"
	"reflect"
	"strconv"
	"strings"

	"github.com/uptrace/bun"
)

// A sight is a condition that holds for the rows of a table that a caller may see. The zero sight
// is everything.
type sight struct {
	sql  string
	args []any
}

var nothing = sight{sql: "0"}

// or holds where one of two does.
func (s sight) or(t sight) sight {
	switch {
	case s.sql == "" || t.sql == "":
		return sight{}
	case s.sql == "0":
		return t
	case t.sql == "0":
		return s
	}
	return sight{"(" + s.sql + " OR " + t.sql + ")", append(append([]any{}, s.args...), t.args...)}
}

// within holds for the rows for which a query finds a row that can be seen. The query ends where
// that condition is to be added.
func (s sight) within(exists string) sight {
	if s.sql == "" {
		s.sql = "1"
	}
	return sight{"EXISTS (" + exists + s.sql + ")", s.args}
}

func (s sight) where(q *bun.SelectQuery) *bun.SelectQuery {
	if s.sql == "" {
		return q
	}
	return q.Where(s.sql, s.args...)
}

// rowsWithSQL are the objects of a kind on which an account, or one of its groups, has a role with
// a permission.
const rowsWithSQL = `SELECT ra.object_id FROM role_assignment ra CROSS JOIN role_permission rp ON rp.permission = ? AND rp.role_id = ra.role_id
WHERE ra.account_id = ? AND ra.kind = ?
UNION ALL SELECT ra.object_id FROM account_group_member m CROSS JOIN role_assignment ra ON ra.group_id = m.group_id AND ra.kind = ?
CROSS JOIN role_permission rp ON rp.permission = ? AND rp.role_id = ra.role_id WHERE m.account_id = ?`

// with holds for the rows of a kind on which the caller has a permission by a role on the row.
func (acc *access) with(k *kind, alias, permission string) sight {
	if acc.caller.AccountID == nil || !k.key.integer {
		return nothing
	}
	id := *acc.caller.AccountID
	return sight{alias + `."` + k.key.primary + `" IN (` + rowsWithSQL + `)`, []any{permission, id, k.name, k.name, permission, id}}
}

// own holds for the rows that the caller made.
func (acc *access) own(alias string) sight {
	if acc.caller.AccountID == nil {
		return nothing
	}
	return sight{alias + ".created_by = ?", []any{*acc.caller.AccountID}}
}

// sees says whether the caller sees all objects of an endpoint: by a permission, or since its
// access policy does not narrow what is seen.
func (acc *access) sees(ctx context.Context, e *endpoint) bool {
	p := acc.policy(ctx, e.policy)
	return acc.model[e.right("view")] || acc.domain[e.right("view")] || p == nil || !p.scoped
}

// sight is what the caller sees of a kind, or of one of its types if typ is not 0. load has run.
func (acc *access) sight(ctx context.Context, k *kind, alias string, typ int64) sight {
	switch k.name {
	case taskKind:
		return acc.byRole(ctx, k, alias, typ).or(acc.own(alias))
	case taskGroupKind:
		tasks := acc.sight(ctx, acc.app.kinds[taskKind], "member", 0)
		return acc.own(alias).or(tasks.within("SELECT 1 FROM task member WHERE member.group_id = " + alias + ".id AND member.parent_id IS NULL AND "))
	case versionKind:
		repositories := acc.sight(ctx, acc.app.kinds[repositoryKind], "home", 0)
		return repositories.within("SELECT 1 FROM repository home WHERE home.id = " + alias + ".repository_id AND ")
	case contentKind:
		repositories := acc.sight(ctx, acc.app.kinds[repositoryKind], "home", 0)
		return acc.own(alias).or(repositories.within("SELECT 1 FROM repository_content place CROSS JOIN repository home ON home.id = place.repository_id" +
			" WHERE place.content_id = " + alias + ".id AND place.added <= home.latest AND "))
	case artifactKind:
		units := acc.sight(ctx, acc.app.kinds[contentKind], "unit", 0)
		return acc.own(alias).or(units.within("SELECT 1 FROM content_artifact part CROSS JOIN content unit ON unit.id = part.content_id" +
			" WHERE part.artifact_id = " + alias + ".id AND "))
	case workerKind, signingKind, roleKind, policyKind, userRoleKind, groupRoleKind: // their policies say who may read them
		return sight{}
	}
	return acc.byRole(ctx, k, alias, typ)
}

// byRole holds for the rows that the caller may view by a role.
func (acc *access) byRole(ctx context.Context, k *kind, alias string, typ int64) sight {
	out, whole := nothing, []string{}
	for _, e := range k.sorted() {
		switch {
		case typ != 0 && e.typ != typ:
		case acc.sees(ctx, e) && (typ != 0 || !k.typed):
			return sight{}
		case acc.sees(ctx, e):
			whole = append(whole, strconv.FormatInt(e.typ, 10))
		default:
			part := acc.with(k, alias, e.right("view"))
			if k.typed && typ == 0 && part.sql != "0" {
				part.sql = "(" + alias + ".pulp_type = " + strconv.FormatInt(e.typ, 10) + " AND " + part.sql + ")"
			}
			out = out.or(part)
		}
	}
	if len(whole) > 0 {
		out = out.or(sight{sql: alias + ".pulp_type IN (" + strings.Join(whole, ", ") + ")"})
	}
	return out
}

// sight is what ctx's caller sees of the view's objects.
func (v *view[M]) sight(ctx context.Context) (sight, error) {
	acc := accessOf(ctx)
	if acc == nil {
		return sight{}, nil
	}
	if err := acc.load(ctx); err != nil {
		return nothing, err
	}
	if p := acc.policy(ctx, v.end.policy); p != nil && !p.scoped {
		return sight{}, nil
	}
	return acc.sight(ctx, v.end.kind, "?TableAlias", v.end.typ), nil
}

// unseen leaves of ids those of a kind that ctx's caller may not see.
func (a *App) unseen(ctx context.Context, db bun.IDB, k *kind, ids []int64) (map[int64]bool, error) {
	acc := accessOf(ctx)
	if acc == nil || len(ids) == 0 {
		return nil, nil
	}
	if err := acc.load(ctx); err != nil {
		return nil, err
	}
	s := acc.sight(ctx, k, "t", 0)
	if s.sql == "" {
		return nil, nil
	}
	hidden := make(map[int64]bool, len(ids))
	for _, id := range ids {
		hidden[id] = true
	}
	var seen []int64
	q := db.NewSelect().TableExpr("? AS t", bun.Ident(k.key.table)).ColumnExpr("t.?", bun.Ident(k.key.primary)).
		Where("t.? IN (SELECT value FROM json_each(?))", bun.Ident(k.key.primary), jsonIDs(ids))
	if err := s.where(q).Scan(ctx, &seen); err != nil {
		return nil, err
	}
	for _, id := range seen {
		delete(hidden, id)
	}
	return hidden, nil
}

// subjectOf is a record of this App as one that roles may be on.
func (a *App) subjectOf(object any) (subject, bool) {
	t := reflect.TypeOf(object)
	if t == nil || t.Kind() != reflect.Pointer || reflect.ValueOf(object).IsNil() {
		return subject{}, false
	}
	for _, e := range a.byType[t.Elem()] {
		if rec, ok := object.(typed); (!ok || rec.typeID() == e.typ) && e.kind.key.integer {
			return subject{e.kind.name, reflect.ValueOf(a.primaryKey(object)).Int()}, true
		}
	}
	return subject{}, false
}

package pulp

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// downloadPermission is what a caller needs on an rbac guard, and downloaderRole the role that
// gives it.
const (
	downloadPermission = "core.download_rbaccontentguard"
	downloaderRole     = "core.rbaccontentguard_downloader"
)

// rbacGuards let those through who hold the download permission on them.
type rbacGuards struct{}

func (rbacGuards) declare(r *registry, owner Plugin) error {
	r.permissions[downloadPermission] = true
	r.roles[downloaderRole] = []string{downloadPermission}
	t := &GuardType[None]{
		Name: "rbac", Class: "RBACContentGuard",
		computed: []Computed[Guard[None]]{
			holders("users", downloadersSQL, accountKind, &schema.Object{Name: "RBACContentGuardUser", Fields: userFields()},
				func(of link, name string, _ int64) any { return downloader{of, name} }),
			holders("groups", downloadingGroupsSQL, groupKind, &schema.Object{Name: "RBACContentGuardGroup", Fields: groupFields()},
				func(of link, name string, id int64) any { return downloadingGroup{of, name, id} }),
		},
		Permit: func(ctx context.Context, g *Guard[None], _ *ContentRequest) error {
			ok, err := FromContext(ctx).Can(ctx, CallerOf(ctx), downloadPermission, g)
			if err == nil && !ok {
				err = Deny("Access not authorized: the permission %s is needed.", downloadPermission)
			}
			return err
		},
	}
	return t.declare(r, owner)
}

// Who holds the download permission on guards by a role on the guard itself.
type (
	link struct {
		Href string `json:"pulp_href"`
		PRN  string `json:"prn"`
	}
	downloader struct {
		link
		Username string `json:"username"`
	}
	downloadingGroup struct {
		link
		Name string `json:"name"`
		ID   int64  `json:"id"`
	}
)

func userFields() []schema.Field {
	return append(identityFields(), schema.Field{Name: "username", Value: Text(), Required: true})
}

func groupFields() []schema.Field {
	return append(identityFields(), schema.Field{Name: "name", Value: Text(), Required: true},
		schema.Field{Name: "id", Value: schema.Value{Type: schema.Integer, Format: "int64"}, ReadOnly: true})
}

func identityFields() []schema.Field {
	return []schema.Field{{Name: "pulp_href", Value: schema.Value{Type: schema.String, Format: "uri"}, ReadOnly: true}, {Name: "prn", Value: Text(), ReadOnly: true}}
}

const (
	downloadersSQL = `SELECT DISTINCT ra.object_id, x.id, x.username FROM role_assignment ra CROSS JOIN account x ON x.id = ra.account_id
WHERE ra.kind = ?1 AND ra.object_id IN (SELECT value FROM json_each(?2)) AND ra.role_id IN (SELECT role_id FROM role_permission WHERE permission = ?3) ORDER BY x.id`
	downloadingGroupsSQL = `SELECT DISTINCT ra.object_id, x.id, x.name FROM role_assignment ra CROSS JOIN account_group x ON x.id = ra.group_id
WHERE ra.kind = ?1 AND ra.object_id IN (SELECT value FROM json_each(?2)) AND ra.role_id IN (SELECT role_id FROM role_permission WHERE permission = ?3) ORDER BY x.id`
)

// holders lists who holds the download permission by a role on a guard: one query a page.
func holders(name, query, kindName string, object *schema.Object, show func(of link, name string, id int64) any) Computed[Guard[None]] {
	value := schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.Map, Object: object}}
	return Computed[Guard[None]]{Name: name, Value: value, Values: func(ctx context.Context, db bun.IDB, ms []*Guard[None]) ([]any, error) {
		type holder struct {
			guard, id int64
			name      string
		}
		var all []holder
		var ids []int64
		args := []any{guardKind, jsonIDs(idsOf(ms, func(g *Guard[None]) int64 { return g.ID })), downloadPermission}
		err := eachOf(ctx, db, query, args, func(scan func(...any) error) error {
			var h holder
			err := scan(&h.guard, &h.id, &h.name)
			all, ids = append(all, h), append(ids, h.id)
			return err
		})
		if err != nil {
			return nil, err
		}
		a := FromContext(ctx)
		hrefs, err := a.links(ctx, db, kindName, ids)
		if err != nil {
			return nil, err
		}
		prns, err := a.prns(ctx, db, kindName, ids)
		if err != nil {
			return nil, err
		}
		out := make([]any, len(ms))
		for i, g := range ms {
			list := []any{}
			for _, h := range all {
				if h.guard == g.ID {
					list = append(list, show(link{hrefs[h.id], prns[h.id]}, h.name, h.id))
				}
			}
			out[i] = list
		}
		return out, nil
	}}
}

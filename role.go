package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

// A roleRecord is what the API tells of a role: a named set of permissions.
type roleRecord struct {
	bun.BaseModel `bun:"table:role,alias:ro"`
	Base
	Name        string   `bun:"name" json:"name" validate:"required" pulp:"unique,filter" doc:"The name of this role."`
	Description *string  `bun:"description" json:"description" pulp:"filter" doc:"An optional description."`
	Permissions []string `bun:"permissions,type:json" json:"permissions" validate:"required" doc:"List of permissions defining the role."`
	Locked      bool     `bun:"locked" json:"locked" pulp:"readonly,filter" doc:"True if the role is system managed."`
}

func roleViews() *ViewSet[roleRecord] {
	return &ViewSet[roleRecord]{
		Path: "roles", Name: "role", class: "Role", kind: roleKind, roleless: true,
		rules: func(g *guard) []rule {
			return []rule{{[]string{"list", "retrieve"}, nil}, {[]string{"create"}, g.has("add")},
				{[]string{"update", "partial_update"}, g.has("change")}, {[]string{"destroy"}, g.has("delete")}}
		},
		Serializer: Serializer[roleRecord]{Validate: validRole},
		Remove:     func(_ context.Context, _ bun.Tx, m *roleRecord) error { return unlocked(m) },
		prepare: func(_ context.Context, old *roleRecord, _ map[string]json.RawMessage) error {
			if old == nil {
				return nil
			}
			return unlocked(old)
		},
		Filters: []Filter{permissionFilter(), forObjectFilter()},
	}
}

// unlocked refuses to touch a role that belongs to a declaration.
func unlocked(m *roleRecord) error {
	if m.Locked {
		return fmt.Errorf("the role %q is locked: %w", m.Name, ErrDenied)
	}
	return nil
}

// validRole finds permissions that there are not.
func validRole(ctx context.Context, _ bun.IDB, _, m *roleRecord) error {
	errs, a := FieldErrors{}, FromContext(ctx)
	for _, p := range m.Permissions {
		if !a.permissions[p] {
			errs.Add("permissions", "'%s' is no permission of this server.", p)
		}
	}
	slices.Sort(m.Permissions)
	m.Permissions = slices.Compact(m.Permissions)
	return errs.OrNil()
}

// hasPermissionsSQL holds if a role has all of so many permissions, which are in one list since a
// condition for each would be more than a statement may have.
const hasPermissionsSQL = `(SELECT count(*) FROM role_permission rp WHERE rp.role_id = ro.id AND rp.permission IN (SELECT value FROM json_each(?))) = ?`

// permissionFilter finds the roles that have all of some permissions.
func permissionFilter() Filter {
	return Filter{Name: "contains_permission", Doc: "Filter roles that have any of the permissions in the list.", Value: manyTexts,
		Where: func(_ context.Context, value string) (Where, error) {
			all := strings.Split(value, ",")
			slices.Sort(all)
			all = slices.Compact(all)
			return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where(hasPermissionsSQL, asJSON(all), len(all)) }, nil
		}}
}

// forObjectFilter finds the roles that mean something on an object.
func forObjectFilter() Filter {
	return Filter{Name: "for_object_type", Doc: "Filter roles that only have permissions for the specified object HREF.", Value: Text(),
		Where: func(ctx context.Context, value string) (Where, error) {
			t, ok := FromContext(ctx).parseTarget(ctx, value)
			if !ok {
				return nil, Refuse("Invalid hyperlink - No URL match.")
			}
			app, model, _ := strings.Cut(t.end.stem, ".")
			escape := strings.NewReplacer("%", `\%`, "_", `\_`).Replace
			like := escape(app) + `.%\_` + escape(model)
			return func(q *bun.SelectQuery) *bun.SelectQuery {
				const some, other = `EXISTS (SELECT 1 FROM role_permission rp WHERE rp.role_id = ro.id)`,
					`NOT EXISTS (SELECT 1 FROM role_permission rp WHERE rp.role_id = ro.id AND rp.permission NOT LIKE ? ESCAPE '\')`
				return q.Where(some).Where(other, like)
			}, nil
		}}
}

const (
	lockedRolesSQL = "SELECT name, permissions, locked FROM role"
	// keepRoleSQL makes the row of a locked role, or has it follow its declaration.
	keepRoleSQL = `INSERT INTO role (pulp_id, domain_id, pulp_created, pulp_last_updated, name, permissions, locked) VALUES (?1, ?2, ?3, ?3, ?4, ?5, 1)
ON CONFLICT (name) DO UPDATE SET pulp_last_updated = excluded.pulp_last_updated, permissions = excluded.permissions, locked = 1`
)

// keepRoles makes the rows of locked roles agree with the declarations. Those of a plugin that is
// not there stay, with all who have them.
func (a *App) keepRoles(ctx context.Context) error {
	there := map[string]string{} // name → permissions
	err := a.eachRow(ctx, lockedRolesSQL, nil, func(scan func(...any) error) error {
		var name, permissions string
		var locked bool
		err := scan(&name, &permissions, &locked)
		if locked {
			there[name] = permissions
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read roles: %w", err)
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(a.roles)), func(name string) bool { return there[name] == jsonTexts(a.roles[name]) })
	if len(names) == 0 {
		return nil
	}
	return a.inTx(ctx, func(ctx context.Context, s *scope) error {
		for _, name := range names {
			if _, err := s.tx.Tx.ExecContext(ctx, keepRoleSQL, NewID(), a.domain.ID, a.now(), name, jsonTexts(a.roles[name])); err != nil {
				return fmt.Errorf("keep role %q: %w", name, err)
			}
		}
		return nil
	})
}

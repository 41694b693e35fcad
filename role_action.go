package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

// A nestedRole is a role on an object with those who have it.
type nestedRole struct {
	Users  []string `json:"users" default:"[]" doc:"List of users that have the role."`
	Groups []string `json:"groups" default:"[]" doc:"List of groups that have the role."`
	Role   string   `json:"role" validate:"required" doc:"The name of the role."`
}

type (
	objectRoles struct {
		Roles []nestedRole `json:"roles" validate:"required"`
	}
	myPermissions struct {
		Permissions []string `json:"permissions" validate:"required"`
	}
)

// roleOperations are the roles on an object: who has which, giving and taking them, and what the
// caller may do.
func (v *view[M]) roleOperations(owner Plugin) []Operation {
	nested := objectOf[nestedRole]("NestedRole")
	roles := objectOf[objectRoles]("ObjectRoles")
	roles.Fields[0].Value.Items.Object = nested
	on := func(f func(context.Context, subject, *Request) (*Answer, error)) func(context.Context, *Request) (*Answer, error) {
		return func(ctx context.Context, r *Request) (*Answer, error) {
			m, err := v.one(ctx, v.app.db.Reader(), r.Vars)
			if err != nil {
				return nil, err
			}
			return f(ctx, subject{v.end.kind.name, v.number(m)}, r)
		}
	}
	write := func(change func(context.Context, bun.Tx, subject, nestedRole) error) func(context.Context, *Request) (*Answer, error) {
		return on(func(ctx context.Context, s subject, r *Request) (*Answer, error) {
			return v.app.changeRole(ctx, s, v.guard.stem, r, change)
		})
	}
	return []Operation{
		v.operation(owner, "list_roles", "list_roles/", true, Operation{Method: "GET", Summary: "List roles", Query: pruning(),
			Answer: roles, Codes: []AnswerKind{OK}, Do: on(v.app.listRoles)}),
		v.operation(owner, "add_role", "add_role/", true, Operation{Method: "POST", Summary: "Add a role",
			Body: nested, Answer: nested, Codes: []AnswerKind{Created}, Do: write(v.app.addRole)}),
		v.operation(owner, "remove_role", "remove_role/", true, Operation{Method: "POST", Summary: "Remove a role",
			Body: nested, Answer: nested, Codes: []AnswerKind{Created}, Do: write(v.app.removeRole)}),
		v.operation(owner, "my_permissions", "my_permissions/", true, Operation{Method: "GET", Summary: "List user permissions", Query: pruning(),
			Answer: objectOf[myPermissions]("MyPermissions"), Codes: []AnswerKind{OK}, Do: on(func(ctx context.Context, s subject, r *Request) (*Answer, error) {
				return v.app.myPermissions(ctx, s, v.guard.stem)
			})}),
	}
}

const objectRolesSQL = `SELECT r.name, coalesce(a.username, ''), coalesce(g.name, '') FROM role_assignment ra CROSS JOIN role r ON r.id = ra.role_id
LEFT JOIN account a ON a.id = ra.account_id LEFT JOIN account_group g ON g.id = ra.group_id
WHERE ra.kind = ? AND ra.kind <> '' AND ra.object_id = ? ORDER BY r.name, a.username, g.name`

func (a *App) listRoles(ctx context.Context, s subject, _ *Request) (*Answer, error) {
	out := objectRoles{Roles: []nestedRole{}}
	err := a.eachRow(ctx, objectRolesSQL, []any{s.kind, s.id}, func(scan func(...any) error) error {
		var role, user, group string
		if err := scan(&role, &user, &group); err != nil {
			return err
		}
		if n := len(out.Roles); n == 0 || out.Roles[n-1].Role != role {
			out.Roles = append(out.Roles, nestedRole{Role: role, Users: []string{}, Groups: []string{}})
		}
		last := &out.Roles[len(out.Roles)-1]
		if user != "" {
			last.Users = append(last.Users, user)
		} else {
			last.Groups = append(last.Groups, group)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list roles: %w", err)
	}
	body, err := json.Marshal(out)
	return &Answer{Kind: OK, Body: body}, err
}

func (a *App) myPermissions(ctx context.Context, s subject, stem string) (*Answer, error) {
	out := myPermissions{Permissions: []string{}}
	acc := newAccess(a, CallerOf(ctx))
	if err := acc.load(ctx); err != nil {
		return nil, err
	}
	granted, err := acc.granted(ctx, s)
	if err != nil {
		return nil, err
	}
	for p := range a.permissions {
		if stemOf(p) == stem && (acc.caller.Superuser || acc.model[p] || acc.domain[p] || granted[p]) {
			out.Permissions = append(out.Permissions, p)
		}
	}
	slices.Sort(out.Permissions)
	body, err := json.Marshal(out)
	return &Answer{Kind: OK, Body: body}, err
}

// changeRole reads the body of a request to give or take a role, and does it.
func (a *App) changeRole(ctx context.Context, s subject, stem string, r *Request, change func(context.Context, bun.Tx, subject, nestedRole) error) (*Answer, error) {
	in, err := readBody[nestedRole](ctx, a, r.Body.Fields)
	if err != nil {
		return nil, err
	}
	if err := a.checkRole(ctx, in, stem); err != nil {
		return nil, err
	}
	if err := a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error { return change(ctx, tx, s, *in) }); err != nil {
		return nil, err
	}
	p, err := planOf(reflect.TypeFor[nestedRole]())
	if err != nil {
		return nil, err
	}
	body, err := a.object(ctx, a.db.Reader(), p, reflect.ValueOf(in).Elem())
	return &Answer{Kind: Created, Body: body}, err
}

// checkRole finds roles that mean nothing on objects of a stem, and users and groups that there are not.
func (a *App) checkRole(ctx context.Context, in *nestedRole, stem string) error {
	errs, db := FieldErrors{}, a.db.Reader()
	if len(in.Users)+len(in.Groups) == 0 {
		errs.Add(NonField, "'users' or 'groups' is required.")
	}
	permissions := ""
	if err := scanOne(ctx, db, "SELECT permissions FROM role WHERE name = ?", []any{in.Role}, &permissions); err != nil {
		return err
	}
	var of []string
	switch {
	case permissions == "":
		errs.Add("role", "There is no role '%s'.", in.Role)
	case json.Unmarshal([]byte(permissions), &of) == nil && !slices.ContainsFunc(of, func(p string) bool { return stemOf(p) == stem }):
		errs.Add("role", "The role '%s' has no permission for objects of this kind.", in.Role)
	}
	for _, of := range []struct {
		field, query string
		names        []string
	}{{"users", "SELECT 1 FROM account WHERE username = ?", in.Users}, {"groups", "SELECT 1 FROM account_group WHERE name = ?", in.Groups}} {
		for _, name := range of.names {
			there := 0
			if err := scanOne(ctx, db, of.query, []any{name}, &there); err != nil {
				return err
			}
			if there == 0 {
				errs.Add(of.field, "There is no '%s'.", name)
			}
		}
	}
	return errs.OrNil()
}

const (
	giveRoleSQL = `INSERT INTO role_assignment (pulp_id, domain_id, created_by, pulp_created, pulp_last_updated, account_id, group_id, role_id, kind, object_id)
SELECT ?1, ?2, ?3, ?4, ?4, (SELECT id FROM account WHERE username = ?5), (SELECT id FROM account_group WHERE name = ?6), (SELECT id FROM role WHERE name = ?7), ?8, ?9
ON CONFLICT DO NOTHING`
	takeRoleSQL = `DELETE FROM role_assignment WHERE kind = ?1 AND kind <> '' AND object_id = ?2 AND role_id = (SELECT id FROM role WHERE name = ?3)
AND (account_id = (SELECT id FROM account WHERE username = ?4) OR group_id = (SELECT id FROM account_group WHERE name = ?5))`
)

func (a *App) addRole(ctx context.Context, tx bun.Tx, s subject, in nestedRole) error {
	return a.eachHolder(in, "%s has the role already.", func(user, group *string) (int64, error) {
		return affected(tx.Tx.ExecContext(ctx, giveRoleSQL, NewID(), a.domain.ID, CallerOf(ctx).AccountID, a.now(), user, group, in.Role, s.kind, s.id))
	})
}

func (a *App) removeRole(ctx context.Context, tx bun.Tx, s subject, in nestedRole) error {
	return a.eachHolder(in, "%s does not have the role.", func(user, group *string) (int64, error) {
		return affected(tx.Tx.ExecContext(ctx, takeRoleSQL, s.kind, s.id, in.Role, user, group))
	})
}

// eachHolder does something for each of those who are to get or to lose a role; what changes
// nothing is an error.
func (a *App) eachHolder(in nestedRole, same string, do func(user, group *string) (int64, error)) error {
	errs := FieldErrors{}
	for _, of := range []struct {
		field string
		names []string
	}{{"users", in.Users}, {"groups", in.Groups}} {
		for _, name := range of.names {
			user, group := &name, (*string)(nil)
			if of.field == "groups" {
				user, group = group, user
			}
			n, err := do(user, group)
			switch {
			case err != nil && strings.Contains(err.Error(), "constraint failed"):
				errs.Add(of.field, "There is no '%s'.", name) // any more
			case err != nil:
				return fmt.Errorf("change a role: %w", err)
			case n == 0:
				errs.Add(of.field, same, name)
			}
		}
	}
	return errs.OrNil()
}

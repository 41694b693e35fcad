package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// A grantedRole is a role that a user or a group has: on an object, on the domain, or on everything.
type grantedRole struct {
	Base
	Account *int64 `bun:"account_id" json:"-"`
	Group   *int64 `bun:"group_id" json:"-"`
	Role    int64  `bun:"role_id" json:"-"`
	Domain  *int64 `bun:"scope_domain" json:"-"`
	Kind    string `bun:"kind" json:"-"`
	Object  int64  `bun:"object_id" json:"-"`
}

func (m *grantedRole) fields() *grantedRole { return m }

// assigned is a record that embeds grantedRole.
type assigned interface{ fields() *grantedRole }

// above is the key of the user or group below which it lies.
func (m *grantedRole) above() string {
	if m.Account != nil {
		return fmt.Sprint(*m.Account)
	}
	return fmt.Sprint(*m.Group)
}

type (
	userRole struct {
		bun.BaseModel `bun:"table:role_assignment,alias:ra"`
		grantedRole
	}
	groupRole struct {
		bun.BaseModel `bun:"table:role_assignment,alias:ra"`
		grantedRole
	}
)

// An assignmentBody is what a client sends to give a role.
type assignmentBody struct {
	Role   string  `json:"role" validate:"required" doc:"The name of the role."`
	Object *string `json:"content_object" pulp:"blank" doc:"pulp_href of the object for which role permissions should be asserted. If set to 'null', permissions will act on either domain or model-level."`
	PRN    *string `json:"content_object_prn" pulp:"blank" doc:"prn of the object for which role permissions should be asserted. If set to 'null', permissions will act on either domain or model-level."`
	Domain *string `json:"domain" pulp:"blank,format=uri" doc:"Domain this role should be applied on, mutually exclusive with content_object."`
}

func userRoleViews() *ViewSet[userRole] {
	return assignmentViews[userRole](ViewSet[userRole]{
		Path: "users/{}/roles", Name: "user role", class: "UserRole", kind: userRoleKind,
		nest: &nesting{parent: "users", column: "account_id", above: "auth_user_href", own: "auth_users_user_role_href"},
	}, "has_user_model_or_domain_or_obj_perms:auth.view_user")
}

func groupRoleViews() *ViewSet[groupRole] {
	return assignmentViews[groupRole](ViewSet[groupRole]{
		Path: "groups/{}/roles", Name: "group role", class: "GroupRole", kind: groupRoleKind,
		nest: &nesting{parent: "groups", column: "group_id", above: "group_href", own: "groups_group_role_href"},
	}, "has_group_model_or_domain_or_obj_perms:core.view_group")
}

const assignedNameSQL = "(SELECT ro.name FROM role ro WHERE ro.id = ra.role_id)"

// assignmentViews completes the view set of assignments: seen by whoever sees the user or the
// group, given and taken by whoever may give roles to all users or to all groups.
func assignmentViews[M any](vs ViewSet[M], see string) *ViewSet[M] {
	vs.Ops = List | Read | Delete
	vs.sorts = map[string]string{"role": assignedNameSQL, "description": "(SELECT ro.description FROM role ro WHERE ro.id = ra.role_id)"}
	vs.rules = func(g *guard) []rule {
		return []rule{{[]string{"list", "retrieve"}, []string{see}}, {[]string{"create"}, g.has("add")}, {[]string{"destroy"}, g.has("delete")}}
	}
	vs.Serializer = Serializer[M]{Computed: assignmentFields[M]()}
	vs.Filters = append(assignmentFilters(), textFilters("role", assignedNameSQL)...)
	vs.extra = func(v *view[M], owner Plugin) []Operation {
		return []Operation{v.operation(owner, "create", "", false, Operation{
			Method: "POST", Summary: "Create " + article(v.Name), Body: objectOf[assignmentBody](v.class), Answer: v.codec.object(v.class),
			Codes: []AnswerKind{Created}, Do: v.assign,
		})}
	}
	return &vs
}

// assign answers POST on the collection.
func (v *view[M]) assign(ctx context.Context, r *Request) (*Answer, error) {
	above, err := v.parentOf(ctx, v.app.db.Reader(), r.Vars["pk"])
	if err != nil {
		return nil, err
	}
	m := v.fresh()
	to := any(m).(assigned).fields()
	if to.Account = &above; v.nest.column == "group_id" {
		to.Account, to.Group = nil, &above
	}
	if err := v.app.readAssignment(ctx, r.Body.Fields, to); err != nil {
		return nil, err
	}
	err = v.app.Tx(ctx, func(ctx context.Context, tx bun.Tx) error { return v.insert(ctx, tx, m) })
	if err != nil {
		return nil, alreadyAssigned(err)
	}
	return v.answer(ctx, v.app.db.Reader(), Created, m, r)
}

// alreadyAssigned reads the error of the index that allows one row for each assignment.
func alreadyAssigned(err error) error {
	if isUniqueViolation(err) {
		return FieldErrors{NonField: {"The role is already assigned so."}}
	}
	return err
}

// readAssignment reads which role is given on what.
func (a *App) readAssignment(ctx context.Context, fields map[string]json.RawMessage, to *grantedRole) error {
	in, err := readBody[assignmentBody](ctx, a, fields)
	if err != nil {
		return err
	}
	for _, field := range []**string{&in.Object, &in.PRN, &in.Domain} {
		if *field != nil && **field == "" { // as forms say null
			*field = nil
		}
	}
	errs, db := FieldErrors{}, a.db.Reader()
	if err := scanOne(ctx, db, "SELECT id FROM role WHERE name = ?", []any{in.Role}, &to.Role); err != nil {
		return err
	}
	if to.Role == 0 {
		errs.Add("role", "There is no role '%s'.", in.Role)
	}
	_, byHref := fields["content_object"]
	_, byPRN := fields["content_object_prn"]
	name, field := in.Object, "content_object"
	if name == nil {
		name, field = in.PRN, "content_object_prn"
	}
	switch {
	case !byHref && !byPRN:
		errs.Add("content_object", "This field is required; null stands for no object.")
	case in.Object != nil && in.PRN != nil:
		errs.Add(NonField, "Only one of 'content_object' and 'content_object_prn' may be given.")
	case name != nil && in.Domain != nil:
		errs.Add(NonField, "Only one of an object and 'domain' may be given.")
	case name != nil:
		if to.Kind, to.Object, err = a.roleObject(ctx, *name); err != nil {
			errs.Add(field, "%s", err)
		}
	case in.Domain != nil && *in.Domain != a.domainHref(ctx) && *in.Domain != a.domain.resource():
		errs.Add("domain", "Invalid hyperlink - Object does not exist.")
	case in.Domain != nil:
		to.Domain = &a.domain.ID
	}
	return errs.OrNil()
}

// roleObject finds the object that an href or a PRN names, which must be one that roles may be on.
func (a *App) roleObject(ctx context.Context, name string) (kind string, id int64, err error) {
	t, ok := a.parseTarget(ctx, name)
	if !ok {
		return "", 0, sentence("Invalid hyperlink - No URL match.")
	}
	if !t.end.kind.key.integer || strings.Contains(t.end.path, "{}") {
		return "", 0, sentence("There are no roles on objects of this kind.")
	}
	id, err = a.find(ctx, a.db.Reader(), t.end.kind.name, name)
	return t.end.kind.name, id, err
}

func (a *App) domainHref(ctx context.Context) string {
	return prefixOf(ctx) + a.APIPath() + "domains/" + a.domain.PulpID.String() + "/"
}

// assignmentFilters find assignments by what they are on.
func assignmentFilters() []Filter {
	return []Filter{
		{Name: "content_object", Doc: "content_object", Value: Text(), Where: func(ctx context.Context, value string) (Where, error) {
			if value == "null" {
				return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("ra.kind = ''") }, nil
			}
			kind, id, err := FromContext(ctx).roleObject(ctx, value)
			if err != nil {
				return nil, Refuse("%s", err)
			}
			return func(q *bun.SelectQuery) *bun.SelectQuery {
				return q.Where("ra.kind = ? AND ra.object_id = ?", kind, id)
			}, nil
		}},
		{Name: "domain", Doc: "Foreign Key referenced by HREF", Value: schema.Value{Type: schema.String, Format: "uuid"}, Where: func(ctx context.Context, value string) (Where, error) {
			a := FromContext(ctx)
			switch value {
			case "null":
				return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("ra.scope_domain IS NULL") }, nil
			case a.domainHref(ctx), a.domain.resource():
				return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("ra.scope_domain = ?", a.domain.ID) }, nil
			}
			return nil, Refuse("Invalid hyperlink - Object does not exist.")
		}},
	}
}

// assignmentFields are what an assignment tells of its role and its object.
func assignmentFields[M any]() []Computed[M] {
	text := func(format string, nullable bool) schema.Value {
		return schema.Value{Type: schema.String, Format: format, Nullable: nullable}
	}
	each := func(value func(m *grantedRole, known *assignedFacts) any) func(context.Context, bun.IDB, []*M) ([]any, error) {
		return func(ctx context.Context, db bun.IDB, ms []*M) ([]any, error) {
			known, err := factsOf(ctx, db, ms)
			if err != nil {
				return nil, err
			}
			out := make([]any, len(ms))
			for i, m := range ms {
				out[i] = value(any(m).(assigned).fields(), known)
			}
			return out, nil
		}
	}
	return []Computed[M]{
		{Name: "role", input: true, Value: text("", false), Values: each(func(m *grantedRole, k *assignedFacts) any { return k.roles[m.Role].name })},
		{Name: "content_object", input: true, Value: text("", true), Values: each(func(m *grantedRole, k *assignedFacts) any { return k.of(k.hrefs, m) })},
		{Name: "content_object_prn", input: true, Value: text("", true), Values: each(func(m *grantedRole, k *assignedFacts) any { return k.of(k.prns, m) })},
		{Name: "domain", input: true, Value: text("uri", true), Values: each(func(m *grantedRole, k *assignedFacts) any {
			if m.Domain == nil {
				return nil
			}
			return k.domain
		})},
		{Name: "description", Value: text("", false), Values: each(func(m *grantedRole, k *assignedFacts) any {
			if d := k.roles[m.Role].description; d != nil {
				return *d
			}
			return nil
		})},
		{Name: "permissions", Value: schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.String}},
			Values: each(func(m *grantedRole, k *assignedFacts) any { return k.roles[m.Role].permissions })},
	}
}

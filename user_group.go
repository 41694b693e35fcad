package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// A userGroup is a group of users as the API shows it.
type userGroup struct {
	bun.BaseModel `bun:"table:account_group,alias:ag"`
	Key           int64  `bun:"id,pk,autoincrement" json:"id" pulp:"readonly,filter"`
	Name          string `bun:"name" json:"name" validate:"required,max=150" pulp:"unique,filter" doc:"Name."`
}

func userGroupViews() *ViewSet[userGroup] {
	many := schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.Integer}}
	return &ViewSet[userGroup]{
		Path: "groups", Name: "group", class: "Group", kind: groupKind,
		Filters: []Filter{{Name: "id__in", Doc: "Multiple values may be separated by commas.", Value: many,
			Where: func(_ context.Context, value string) (Where, error) {
				var ids []int64
				for text := range strings.SplitSeq(value, ",") {
					n, err := readNumber(strings.TrimSpace(text))
					if err != nil {
						return nil, Refuse("%s", err)
					}
					ids = append(ids, n.(int64))
				}
				return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("ag.id IN (?)", bun.List(ids)) }, nil
			}}},
	}
}

// groupUsers declares groups/{pk}/users/: the members of a group.
type groupUsers struct{}

// A groupUser is a member of a group, or the body that makes one.
type groupUser struct {
	Username string `json:"username" validate:"required,max=150" doc:"Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only."`
}

func (groupUsers) declare(r *registry, _ Plugin) error {
	above := "has_group_model_or_domain_or_obj_perms:"
	groups := r.byPath["groups"]
	g := &guard{name: "groups/users", stem: groups.stem, scoped: true, make: func() []rule {
		return []rule{{[]string{"list"}, []string{above + groups.right("view")}},
			{[]string{"create", "destroy"}, []string{above + groups.right("change"), above + groups.right("view")}}}
	}}
	r.guards[g.name] = g
	body := objectOf[groupUser]("GroupUser")
	answer := &schema.Object{Name: "GroupUser", Fields: append([]schema.Field{
		{Name: "pulp_href", Value: schema.Value{Type: schema.String, Format: "uri"}, ReadOnly: true},
		{Name: "prn", Value: schema.Value{Type: schema.String}, ReadOnly: true}}, body.Fields...)}
	const all, one = "groups/{pk}/users/", "groups/{pk}/users/{nested_pk}/"
	for _, op := range []Operation{
		{ID: "groups_users_list", action: "list", Method: "GET", Path: all, Href: "{group_href}users/", Summary: "List users", Answer: answer, Many: true,
			Query: append(paging(), pruning()...), Codes: []AnswerKind{OK}, Do: r.app.listGroupUsers},
		{ID: "groups_users_create", action: "create", Method: "POST", Path: all, Href: "{group_href}users/", Summary: "Create an user",
			Body: answer, Answer: answer, Codes: []AnswerKind{Created}, Do: r.app.addGroupUser},
		{ID: "groups_users_delete", action: "destroy", Method: "DELETE", Path: one, Href: "{groups_user_href}", Summary: "Delete an user",
			Codes: []AnswerKind{NoContent}, Do: r.app.removeGroupUser},
	} {
		op.Tag, op.guard, op.parent = "Groups: Users", g, groups
		r.operations = append(r.operations, op)
	}
	return nil
}

// paging are the parameters of a page of a list without filters.
func paging() []schema.Parameter {
	return []schema.Parameter{
		{Name: "limit", Value: schema.Value{Type: schema.Integer}, Doc: "Number of results to return per page."},
		{Name: "offset", Value: schema.Value{Type: schema.Integer}, Doc: "The initial index from which to return the results."},
	}
}

const (
	countMembersSQL = "SELECT count(*) FROM account_group_member WHERE group_id = ?"
	membersSQL      = `SELECT a.id, a.username FROM account_group_member m CROSS JOIN account a ON a.id = m.account_id
WHERE m.group_id = ? ORDER BY a.id DESC LIMIT ? OFFSET ?`
	addMemberSQL    = "INSERT INTO account_group_member (account_id, group_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
	removeMemberSQL = "DELETE FROM account_group_member WHERE group_id = ? AND account_id = ?"
)

// groupOf is the group that a path names.
func (a *App) groupOf(ctx context.Context, r *Request) (int64, error) {
	ids, err := a.findTargets(ctx, a.db.Reader(), []target{{end: a.byPath["groups"], key: r.Vars["pk"]}})
	if err == nil && ids[0] == 0 {
		err = noMatch{"Group"}
	}
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

func (a *App) listGroupUsers(ctx context.Context, r *Request) (*Answer, error) {
	group, err := a.groupOf(ctx, r)
	if err != nil {
		return nil, err
	}
	page := &Page{Limit: number(r.Query.Get("limit"), defaultLimit), Offset: number(r.Query.Get("offset"), 0)}
	if err := scanOne(ctx, a.db.Reader(), countMembersSQL, []any{group}, &page.Count); err != nil {
		return nil, fmt.Errorf("count members: %w", err)
	}
	err = a.eachRow(ctx, membersSQL, []any{group, page.Limit, page.Offset}, func(scan func(...any) error) error {
		var id int64
		var name string
		if err := scan(&id, &name); err != nil {
			return err
		}
		page.Results = append(page.Results, a.member(ctx, group, id, name, r.Query))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list members: %w", err)
	}
	return &Answer{Kind: OK, Page: page}, nil
}

// member is a member of a group as JSON. Its href is the membership's, which can be deleted.
func (a *App) member(ctx context.Context, group, id int64, name string, query url.Values) json.RawMessage {
	href, _ := a.nameOf(ctx, groupKind, group)
	_, prn := a.nameOf(ctx, accountKind, id)
	w := objectWriter{wanted: chosen(list(query, "fields"), list(query, "exclude_fields"))}
	for _, f := range [][2]string{{"pulp_href", href + "users/" + strconv.FormatInt(id, 10) + "/"}, {"prn", prn}, {"username", name}} {
		if w.name(f[0]) {
			w.b = appendString(w.b, f[1])
		}
	}
	return w.end()
}

func (a *App) addGroupUser(ctx context.Context, r *Request) (*Answer, error) {
	group, err := a.groupOf(ctx, r)
	if err != nil {
		return nil, err
	}
	in, err := readBody[groupUser](ctx, a, r.Body.Fields)
	if err != nil {
		return nil, err
	}
	acc, err := a.account(ctx, in.Username)
	if err != nil {
		return nil, err
	}
	if acc.id == 0 {
		return nil, FieldErrors{"username": {"This user does not exist."}}
	}
	err = a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.Tx.ExecContext(ctx, addMemberSQL, acc.id, group)
		return err
	})
	if isForeignKeyViolation(err) {
		err = ErrNotFound // one of both was deleted meanwhile
	}
	if err != nil {
		return nil, fmt.Errorf("add member: %w", err)
	}
	return &Answer{Kind: Created, Body: a.member(ctx, group, acc.id, acc.username, r.Query)}, nil
}

func (a *App) removeGroupUser(ctx context.Context, r *Request) (*Answer, error) {
	group, err := a.groupOf(ctx, r)
	if err != nil {
		return nil, err
	}
	id, err := strconv.ParseInt(r.Vars["nested_pk"], 10, 64)
	if err != nil {
		return nil, ErrNotFound
	}
	err = a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		n, err := affected(tx.Tx.ExecContext(ctx, removeMemberSQL, group, id))
		if err == nil && n == 0 {
			err = noMatch{"User"}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Answer{Kind: NoContent}, nil
}

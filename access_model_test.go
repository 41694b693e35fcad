package pulp_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// An accessModel says in memory what the rows should say.
type accessModel struct {
	roles  map[string][]string        // role → permissions
	groups map[string]map[string]bool // group → users
	given  map[givenRole]bool
}

// A givenRole is a role of "user:name" or "group:name" on an href, "domain" or "" for everything.
type givenRole struct{ who, role, on string }

func (m *accessModel) can(user, permission, object string) bool {
	for g := range m.given {
		mine := g.who == "user:"+user
		for group, members := range m.groups {
			mine = mine || g.who == "group:"+group && members[user]
		}
		if mine && (g.on == "" || g.on == "domain" || g.on == object) && slices.Contains(m.roles[g.role], permission) {
			return true
		}
	}
	return false
}

// rbac is an App with some users, groups, roles and objects.
type rbac struct {
	*shop
	users, groups, roles []string
	hrefs                map[string]string // of all of them
	objects              map[string]string // href → the model of its permissions
	records              map[string]any
	ids                  map[string]pulp.Caller
}

func openRBAC(t *testing.T) *rbac {
	t.Helper()
	s := openShop(t, file.Plugin())
	r := &rbac{shop: s, hrefs: map[string]string{}, objects: map[string]string{}, records: map[string]any{}, ids: map[string]pulp.Caller{}}
	for i := range 3 {
		name := fmt.Sprintf("u%d", i)
		r.users, r.hrefs[name] = append(r.users, name), s.make(t, "users/", `{"username":"`+name+`"}`)
		var err error
		r.ids[name], err = s.Caller(t.Context(), name)
		require.NoError(t, err)
	}
	for i := range 2 {
		name := fmt.Sprintf("g%d", i)
		r.groups, r.hrefs[name] = append(r.groups, name), s.make(t, "groups/", `{"name":"`+name+`"}`)
		role := fmt.Sprintf("r%d", i)
		r.roles, r.hrefs[role] = append(r.roles, role), s.make(t, "roles/", `{"name":"`+role+`","permissions":[]}`)
	}
	for i := range 3 {
		href := s.make(t, "repositories/file/file/", fmt.Sprintf(`{"name":"r%d"}`, i))
		r.objects[href] = "filerepository"
		m, err := pulp.NewModel[pulp.Repository[file.Repository]]().One(t.Context(), s.DB().Reader(), idOf(t, href))
		require.NoError(t, err)
		r.records[href] = m
		href = s.make(t, "remotes/file/file/", fmt.Sprintf(`{"name":"r%d","url":"http://x.invalid/M"}`, i))
		r.objects[href] = "fileremote"
		n, err := pulp.NewModel[pulp.Remote[pulp.None]]().One(t.Context(), s.DB().Reader(), idOf(t, href))
		require.NoError(t, err)
		r.records[href] = n
	}
	return r
}

func (r *rbac) as(ctx context.Context, user string) context.Context {
	return r.Restrict(pulp.WithCaller(ctx, r.ids[user]))
}

var modelPermissions = []string{
	"file.view_filerepository", "file.change_filerepository", "file.view_fileremote", "file.change_fileremote",
}

// step does one random thing to the App and to the model.
func (r *rbac) step(t *rapid.T, ctx context.Context, m *accessModel) {
	call := func(method, path string, body any) error { return r.Call(ctx, method, path, body, nil) }
	switch rapid.SampledFrom([]string{"give", "give", "give", "take", "role", "join", "leave"}).Draw(t, "step") {
	case "give":
		g := givenRole{role: rapid.SampledFrom(r.roles).Draw(t, "role")}
		g.on = rapid.SampledFrom(append([]string{"", "domain"}, slices.Sorted(maps.Keys(r.objects))...)).Draw(t, "on")
		name := rapid.SampledFrom(append(slices.Clone(r.users), r.groups...)).Draw(t, "who")
		if g.who = "user:" + name; name[0] == 'g' {
			g.who = "group:" + name
		}
		body := map[string]any{"role": g.role, "content_object": nil}
		switch g.on {
		case "":
		case "domain":
			body["domain"] = r.domain(t, ctx)
		default:
			body["content_object"] = g.on
		}
		err := call("POST", r.hrefs[name]+"roles/", body)
		require.Equal(t, m.given[g], err != nil, "%v: %v", g, err)
		m.given[g] = true
	case "take":
		if len(m.given) == 0 {
			return
		}
		all := slices.SortedFunc(maps.Keys(m.given), func(x, y givenRole) int {
			return slices.Compare([]string{x.who, x.role, x.on}, []string{y.who, y.role, y.on})
		})
		g := rapid.SampledFrom(all).Draw(t, "taken")
		r.take(t, ctx, g)
		delete(m.given, g)
	case "role":
		role := rapid.SampledFrom(r.roles).Draw(t, "role")
		m.roles[role] = rapid.SliceOfNDistinct(rapid.SampledFrom(modelPermissions), 0, 3, rapid.ID[string]).Draw(t, "permissions")
		require.NoError(t, call("PATCH", r.hrefs[role], map[string]any{"permissions": m.roles[role]}))
	case "join":
		group, user := rapid.SampledFrom(r.groups).Draw(t, "group"), rapid.SampledFrom(r.users).Draw(t, "user")
		require.NoError(t, call("POST", r.hrefs[group]+"users/", map[string]any{"username": user}))
		m.groups[group][user] = true
	case "leave":
		group, user := rapid.SampledFrom(r.groups).Draw(t, "group"), rapid.SampledFrom(r.users).Draw(t, "user")
		err := call("DELETE", r.hrefs[group]+"users/"+fmt.Sprint(*r.ids[user].AccountID)+"/", nil)
		require.Equal(t, m.groups[group][user], err == nil, "%v", err)
		delete(m.groups[group], user)
	}
}

// take takes a role away by the href that the list of roles gives.
func (r *rbac) take(t require.TestingT, ctx context.Context, g givenRole) {
	var page struct {
		Results []struct {
			Href   string  `json:"pulp_href"`
			Role   string  `json:"role"`
			Object *string `json:"content_object"`
			Domain *string `json:"domain"`
		} `json:"results"`
	}
	above := r.hrefs[g.who[len(g.who)-2:]] + "roles/"
	require.NoError(t, r.Call(ctx, "GET", above, nil, &page))
	for _, a := range page.Results {
		on := ""
		if a.Object != nil {
			on = *a.Object
		} else if a.Domain != nil {
			on = "domain"
		}
		if a.Role == g.role && on == g.on {
			require.NoError(t, r.Call(ctx, "DELETE", a.Href, nil, nil))
			return
		}
	}
	require.Fail(t, "the role is not in the list", "%v", g)
}

func (r *rbac) domain(t require.TestingT, ctx context.Context) string {
	var id pulp.ID
	require.NoError(t, r.DB().Reader().DB.QueryRowContext(ctx, "SELECT pulp_id FROM domain").Scan(&id))
	return shopAPI + "domains/" + id.String() + "/"
}

// agrees compares what the App allows and shows with the model.
func (r *rbac) agrees(t *rapid.T, ctx context.Context, m *accessModel) {
	for _, user := range r.users {
		asUser := r.as(ctx, user)
		for href, model := range r.objects {
			for _, verb := range []string{"view", "change"} {
				permission := "file." + verb + "_" + model
				can, err := r.Can(ctx, r.ids[user], permission, r.records[href])
				require.NoError(t, err)
				require.Equal(t, m.can(user, permission, href), can, "%s %s %s", user, permission, href)
			}
			sees, changes := m.can(user, "file.view_"+model, href), m.can(user, "file.change_"+model, href)
			err := r.Call(asUser, "GET", href, nil, nil)
			require.Equal(t, sees, err == nil, "%s reads %s: %v", user, href, err)
			require.True(t, sees || errors.Is(err, pulp.ErrNotFound), "%v", err)
			err = r.Call(asUser, "PATCH", href, map[string]any{}, nil)
			switch {
			case !sees:
				require.ErrorIs(t, err, pulp.ErrNotFound)
			case !changes:
				require.ErrorIs(t, err, pulp.ErrDenied)
			default:
				require.NoError(t, err)
			}
		}
		for path, model := range map[string]string{"repositories/": "filerepository", "repositories/file/file/": "filerepository", "remotes/": "fileremote", "remotes/file/file/": "fileremote"} {
			var want, got []string
			for href, is := range r.objects {
				if is == model && m.can(user, "file.view_"+model, href) {
					want = append(want, href)
				}
			}
			var page struct {
				Count   int
				Results []struct {
					Href string `json:"pulp_href"`
				}
			}
			require.NoError(t, r.Call(asUser, "GET", path, nil, &page))
			for _, o := range page.Results {
				got = append(got, o.Href)
			}
			require.ElementsMatch(t, want, got, "%s lists %s", user, path)
			require.Equal(t, len(want), page.Count)
		}
	}
}

func TestWhatCallersMayDoIsWhatTheirRolesSay(t *testing.T) {
	t.Parallel()
	r, ctx := openRBAC(t), t.Context()
	rapid.Check(t, func(t *rapid.T) {
		for _, query := range []string{"DELETE FROM role_assignment", "DELETE FROM account_group_member", "UPDATE role SET permissions = '[]' WHERE NOT locked"} {
			_, err := r.DB().Writer().DB.ExecContext(ctx, query)
			require.NoError(t, err)
		}
		m := &accessModel{roles: map[string][]string{}, groups: map[string]map[string]bool{"g0": {}, "g1": {}}, given: map[givenRole]bool{}}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			r.step(t, ctx, m)
		}
		r.agrees(t, ctx, m)
	})
}

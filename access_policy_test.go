package pulp_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/sqlite"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
)

func TestViewSetsOfHostsSayWhoGetsIn(t *testing.T) {
	t.Parallel()
	s, err := tryShop(t, shopSchema, pulp.Config{Parts: []pulp.Part{
		&pulp.ViewSet[Buyer]{Path: "shop/open", Name: "open buyer", Access: pulp.Authenticated, Scope: func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("b.city <> 'hidden'") },
			Allow: func(_ context.Context, op pulp.Op, _ *Buyer) error {
				if op == pulp.Delete {
					return pulp.ErrDenied
				}
				return nil
			}},
		&pulp.ViewSet[Coupon]{Path: "shop/closed", Access: pulp.AdminOnly},
		&pulp.ViewSet[Parcel]{Path: "shop/parcels"},
	}})
	require.NoError(t, err)
	alice, host := s.person(t, "alice"), pulp.WithCaller(t.Context(), pulp.Caller{Username: "only the host knows"})
	href := alice.creates(t, "shop/open/", body{"email": "a@b.c"})
	s.make(t, "shop/open/", `{"email":"a@b.c","city":"hidden"}`)
	require.Len(t, alice.lists(t, "shop/open/", "email"), 1)
	_, err = alice.call("DELETE", href, nil)
	require.ErrorIs(t, err, pulp.ErrDenied)
	_, err = alice.call("GET", "shop/closed/", nil)
	require.ErrorIs(t, err, pulp.ErrDenied)
	_, err = alice.call("POST", "shop/parcels/", body{"number": "0194b8e9-5425-799b-ad0a-86c71e160158"})
	require.ErrorIs(t, err, pulp.ErrDenied)

	require.NoError(t, s.Call(s.Restrict(host), "GET", "shop/open/", nil, nil))
	require.ErrorIs(t, s.Call(s.Restrict(host), "GET", "shop/closed/", nil, nil), pulp.ErrDenied)
	require.ErrorIs(t, s.Call(s.Restrict(t.Context()), "GET", "shop/open/", nil, nil), pulp.ErrUnauthenticated)
	require.NoError(t, s.Call(t.Context(), "GET", "shop/closed/", nil, nil), "Go code that is not restricted may do everything")
	root := pulp.WithCaller(alice.ctx, pulp.Caller{Superuser: true})
	require.NoError(t, s.Call(root, "GET", "shop/closed/", nil, nil))
	require.ErrorIs(t, s.Call(pulp.WithCaller(root, pulp.CallerOf(alice.ctx)), "GET", "shop/closed/", nil, nil), pulp.ErrDenied)
}

func TestSuperusersAreChangedBySuperusersAlone(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.make(t, "roles/", `{"name":"helpdesk","permissions":["auth.view_user","auth.change_user","auth.delete_user"]}`)
	alice := s.person(t, "alice", "helpdesk")
	bob := s.person(t, "bob")
	_, err := alice.call("PATCH", bob.href, body{"password": "Through-the-glass"})
	require.NoError(t, err)
	_, err = alice.call("PATCH", "users/1/", body{"password": "Through-the-glass"})
	require.ErrorIs(t, err, pulp.ErrDenied)
	_, err = alice.call("DELETE", "users/1/", nil)
	require.ErrorIs(t, err, pulp.ErrDenied)
	_, err = s.Authenticate(t.Context(), "admin", "secret")
	require.NoError(t, err)
	_, err = s.Authenticate(t.Context(), "bob", "Through-the-glass")
	require.NoError(t, err)
}

func TestPasswordsAreKeptAsHashesAlone(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	const secret = "Through-the-glass"
	seen := []string{s.ask(t, "POST", "users/", `{"username":"alice","password":"`+secret+`"}`).body}
	for _, r := range [][3]string{{"PUT", "users/2/", `{"username":"alice","password":"` + secret + `"}`}, {"PATCH", "users/2/", `{"password":"` + secret + `","email":"x"}`},
		{"POST", "users/", `{"username":"alice","password":"` + secret + `"}`}, {"GET", "users/2/", ""}, {"GET", "users/", ""}, {"GET", "users/?ordering=password", ""}, {"GET", "users/?password=" + secret, ""}} {
		seen = append(seen, s.ask(t, r[0], r[1], r[2]).body)
	}
	seen = append(seen, s.log.String())
	for _, text := range seen {
		require.NotContains(t, text, secret)
		require.NotContains(t, text, "argon2")
	}
	require.Equal(t, 1, s.rows(t, "SELECT count(*) FROM account WHERE id = 2 AND password LIKE '$argon2id$%'"))
	_, err := s.Authenticate(t.Context(), "alice", secret)
	require.NoError(t, err)
}

func TestEditedPolicyHoldsAfterARestartAndOthersFollowTheProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() *pulp.App {
		db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Off))
		require.NoError(t, err)
		app, err := pulp.Open(t.Context(), db, pulp.Config{AdminPassword: "secret", Plugins: []pulp.Plugin{file.Plugin()}})
		require.NoError(t, err)
		t.Cleanup(func() { app.Close() })
		return app
	}
	app := open()
	page := func(query string) []any {
		var answer body
		require.NoError(t, app.Call(t.Context(), "GET", "access_policies/?"+query, nil, &answer))
		return answer["results"].([]any)
	}
	remotes := page("viewset_name=remotes/file/file")[0].(body)["pulp_href"].(string)
	nobody := app.Restrict(t.Context())
	require.ErrorIs(t, app.Call(nobody, "GET", "remotes/file/file/", nil, nil), pulp.ErrUnauthenticated)
	require.NoError(t, app.Call(t.Context(), "PATCH", remotes, body{"statements": []any{body{"action": []string{"list"}, "principal": "*", "effect": "allow"}},
		"queryset_scoping": body{}, "creation_hooks": []any{}}, nil))
	look := func() int {
		var answer body
		require.NoError(t, app.Call(app.Restrict(t.Context()), "GET", "remotes/file/file/", nil, &answer), "a policy may let nobody in particular in")
		return int(answer["count"].(float64))
	}
	require.NoError(t, app.Call(t.Context(), "POST", "remotes/file/file/", body{"name": "r", "url": "http://x.invalid/M"}, nil))
	require.Equal(t, 1, look(), "the list is not scoped any more")
	_, err := app.DB().Writer().DB.ExecContext(t.Context(), `UPDATE access_policy SET statements = '[]' WHERE viewset_name = 'roles';
		UPDATE access_policy SET statements = '[{"action":["list"],"principal":"*","effect":"allow","condition":"of_old"}]', customized = 1 WHERE viewset_name = 'uploads';
		UPDATE role SET permissions = '[]' WHERE name = 'file.fileremote_owner'`)
	require.NoError(t, err)
	require.NoError(t, app.Close())

	app = open()
	require.Equal(t, 1, look())
	require.Len(t, page("customized=true"), 2)
	require.NotEmpty(t, page("viewset_name=roles")[0].(body)["statements"], "what nobody changed follows the declaration")
	require.ErrorIs(t, app.Call(app.Restrict(t.Context()), "GET", "uploads/", nil, nil), pulp.ErrUnauthenticated, "what is not understood lets nobody in")
	var roles body
	require.NoError(t, app.Call(t.Context(), "GET", "roles/?name=file.fileremote_owner", nil, &roles))
	require.Len(t, roles["results"].([]any)[0].(body)["permissions"], 4)
	require.NoError(t, app.Call(t.Context(), "POST", remotes+"reset/", nil, nil))
	require.ErrorIs(t, app.Call(app.Restrict(t.Context()), "GET", "remotes/file/file/", nil, nil), pulp.ErrUnauthenticated)
}

func TestHooksGiveRolesToUsersAndGroups(t *testing.T) {
	t.Parallel()
	s := openShop(t, file.Plugin())
	s.make(t, "groups/", `{"name":"crew"}`)
	carol := s.person(t, "carol")
	dora := s.person(t, "dora")
	require.Equal(t, http.StatusCreated, s.ask(t, "POST", "groups/1/users/", `{"username":"carol"}`).code)
	policy := s.names(t, "access_policies/?viewset_name=remotes/file/file", "pulp_href")[0]
	r := s.ask(t, "PATCH", policy, `{"permissions_assignment":[{"function":"add_roles_for_groups","parameters":{"roles":["file.fileremote_viewer"],"groups":"crew"}},
		{"function":"add_roles_for_users","parameters":{"roles":"file.fileremote_owner","users":["dora"]}}]}`)
	require.Equal(t, http.StatusOK, r.code, r.body)
	s.make(t, "remotes/file/file/", `{"name":"r","url":"http://x.invalid/M"}`)
	require.Equal(t, []string{"r"}, carol.lists(t, "remotes/file/file/", "name"))
	require.Equal(t, []string{"r"}, dora.lists(t, "remotes/", "name"))
	require.Equal(t, 2, s.rows(t, "SELECT count(*) FROM role_assignment WHERE kind = 'remote'"), "and not to who made it")
}

func TestPolicyThatOneProcessEditsHoldsInAllThatShareTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() *pulp.App {
		db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Off), sqlite.Shared())
		require.NoError(t, err)
		app, err := pulp.Open(t.Context(), db, pulp.Config{AdminPassword: "secret", Plugins: []pulp.Plugin{file.Plugin()}})
		require.NoError(t, err)
		t.Cleanup(func() { app.Close() })
		return app
	}
	one, other := open(), open()
	look := func(app *pulp.App) error { return app.Call(app.Restrict(t.Context()), "GET", "remotes/", nil, nil) }
	require.ErrorIs(t, look(one), pulp.ErrUnauthenticated)
	require.ErrorIs(t, look(other), pulp.ErrUnauthenticated)
	var page body
	require.NoError(t, one.Call(t.Context(), "GET", "access_policies/?viewset_name=remotes", nil, &page))
	href := page["results"].([]any)[0].(body)["pulp_href"].(string)
	require.NoError(t, one.Call(t.Context(), "PATCH", href, body{"statements": []any{body{"action": "*", "principal": "*", "effect": "allow"}}}, nil))
	require.NoError(t, look(one))
	require.NoError(t, look(other))
	require.NoError(t, other.Call(t.Context(), "POST", href+"reset/", nil, nil))
	require.ErrorIs(t, look(other), pulp.ErrUnauthenticated)
	require.ErrorIs(t, look(one), pulp.ErrUnauthenticated)
}

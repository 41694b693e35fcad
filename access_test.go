package pulp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
)

// A person asks an App in Go as the API would be asked.
type person struct {
	*shop
	ctx  context.Context
	href string
}

// person makes a user with roles on everything.
func (s *shop) person(t testing.TB, name string, roles ...string) *person {
	t.Helper()
	href := s.make(t, "users/", `{"username":"`+name+`"}`)
	for _, role := range roles {
		s.make(t, href+"roles/", `{"role":"`+role+`","content_object":null}`)
	}
	c, err := s.Caller(t.Context(), name)
	require.NoError(t, err)
	return &person{s, s.Restrict(pulp.WithCaller(t.Context(), c)), href}
}

func (p *person) call(method, path string, body any) (answer map[string]any, err error) {
	err = p.Call(p.ctx, method, path, body, &answer)
	return answer, err
}

// creates returns the href of an object, also of one that a task made.
func (p *person) creates(t testing.TB, path string, body any) string {
	t.Helper()
	answer, err := p.call("POST", path, body)
	require.NoError(t, err)
	if answer["task"] == nil {
		return answer["pulp_href"].(string)
	}
	task := p.end(t, reply{http.StatusAccepted, encoded(t, answer)})
	require.Equal(t, "completed", task["state"], task)
	made := task["created_resources"].([]any)
	return made[len(made)-1].(string)
}

// lists are the values of a field in a list.
func (p *person) lists(t testing.TB, path, field string) []string {
	t.Helper()
	answer, err := p.call("GET", path, nil)
	require.NoError(t, err)
	out := []string{}
	for _, o := range answer["results"].([]any) {
		out = append(out, fmt.Sprint(o.(map[string]any)[field]))
	}
	return out
}

type body = map[string]any

func TestCreatorsOwnWhatTheyMake(t *testing.T) {
	t.Parallel()
	s := openShop(t, file.Plugin())
	alice := s.person(t, "alice", "file.filerepository_creator", "file.filepublication_creator", "file.filedistribution_creator", "shop.order_creator", "shop.lateorder_creator")
	bob := s.person(t, "bob")
	repo := alice.creates(t, "repositories/file/file/", body{"name": "r", "autopublish": true})
	made := []string{repo,
		alice.creates(t, "publications/file/file/", body{"repository": repo}),
		alice.creates(t, "distributions/file/file/", body{"name": "d", "base_path": "d", "repository": repo}),
		alice.creates(t, "shop/orders/", body{"name": "a"}),
		alice.creates(t, "shop/late-orders/", body{"name": "b"})}
	_, err := alice.call("POST", repo+"modify/", body{"remove_content_units": []string{"*"}})
	require.NoError(t, err)
	for _, href := range made {
		_, err := alice.call("GET", href, nil)
		require.NoError(t, err, href)
		roles, err := alice.call("GET", href+"list_roles/", nil)
		require.NoError(t, err)
		require.Len(t, roles["roles"], 1)
		require.Equal(t, []any{"alice"}, roles["roles"].([]any)[0].(map[string]any)["users"])
		_, err = bob.call("GET", href, nil)
		require.ErrorIs(t, err, pulp.ErrNotFound)
	}

	kind, form := multipartOf(t, map[string]string{"relative_path": "f", "repository": repo}, "x")
	s.end(t, s.send(t, "POST", "content/file/files/", kind, strings.NewReader(form)))
	published := s.names(t, "publications/file/file/", "pulp_href")
	require.Len(t, published, 2, "the new version was published by itself, on behalf of who changed it: admin")
	require.Len(t, alice.lists(t, "publications/file/file/", "pulp_href"), 1)
}

func TestContentIsSeenThroughRepositories(t *testing.T) {
	t.Parallel()
	s := openShop(t, file.Plugin())
	alice := s.person(t, "alice")
	var repos, units []string
	for _, name := range []string{"one", "two"} {
		repo := s.make(t, "repositories/file/file/", `{"name":"`+name+`"}`)
		kind, form := multipartOf(t, map[string]string{"relative_path": name, "repository": repo}, name)
		task := s.end(t, s.send(t, "POST", "content/file/files/", kind, strings.NewReader(form)))
		repos, units = append(repos, repo), append(units, task["created_resources"].([]any)[0].(string))
	}
	require.Empty(t, alice.lists(t, "content/file/files/", "relative_path"))
	for _, path := range []string{units[0], repos[0], repos[0] + "versions/", repos[0] + "versions/1/", "repositories/file/file/" + pulp.NewID().String() + "/versions/"} {
		_, err := alice.call("GET", path, nil)
		require.ErrorIs(t, err, pulp.ErrNotFound, path)
	}
	require.Equal(t, http.StatusCreated, s.ask(t, "POST", repos[0]+"add_role/", `{"role":"file.filerepository_viewer","users":["alice"]}`).code)
	require.Equal(t, []string{"one"}, alice.lists(t, "content/file/files/", "relative_path"))
	require.Equal(t, []string{units[0]}, alice.lists(t, "content/", "pulp_href"))
	require.Equal(t, []string{"1", "0"}, alice.lists(t, "repository_versions/", "number"))
	_, err := alice.call("GET", units[1], nil)
	require.ErrorIs(t, err, pulp.ErrNotFound)

	require.Equal(t, "completed", s.end(t, s.ask(t, "POST", repos[0]+"modify/", `{"remove_content_units":["*"]}`))["state"])
	require.Equal(t, []string{"one"}, alice.lists(t, "content/file/files/", "relative_path"), "an old version has it")
	require.Equal(t, http.StatusCreated, s.ask(t, "POST", repos[0]+"remove_role/", `{"role":"file.filerepository_viewer","users":["alice"]}`).code)
	require.Empty(t, alice.lists(t, "content/", "pulp_href"))
}

func TestNobodyNamesWhatTheyDoNotSee(t *testing.T) {
	t.Parallel()
	s := openShop(t, file.Plugin())
	alice := s.person(t, "alice", "file.filerepository_creator", "file.filedistribution_creator", "file.filepublication_creator", "shop.order_creator", "core.upload_creator")
	secret := s.make(t, "repositories/file/file/", `{"name":"secret"}`)
	remote := s.make(t, "remotes/file/file/", `{"name":"secret","url":"http://x.invalid/M"}`)
	buyer := s.make(t, "shop/buyers/", `{"email":"a@b.c"}`)
	kind, form := multipartOf(t, map[string]string{"relative_path": "f", "repository": secret}, "x")
	unit := s.end(t, s.send(t, "POST", "content/file/files/", kind, strings.NewReader(form)))["created_resources"].([]any)[0].(string)
	mine := alice.creates(t, "repositories/file/file/", body{"name": "mine"})
	for _, c := range []struct {
		path   string
		body   body
		denied bool
	}{
		{"repositories/file/file/", body{"name": "x", "remote": remote}, true},
		{mine + "sync/", body{"remote": remote}, true},
		{"publications/file/file/", body{"repository": secret}, true},
		{"publications/file/file/", body{"repository_version": secret + "versions/1/"}, true},
		{"content/file/files/", body{"repository": secret, "relative_path": "x"}, true},
		{"content/file/files/", body{"relative_path": "x"}, true},
		{"distributions/file/file/", body{"name": "x", "base_path": "x", "repository": secret}, false},
		{"distributions/file/file/", body{"name": "x", "base_path": "x", "repository_version": secret + "versions/1/"}, false},
		{"shop/orders/", body{"name": "x", "buyer": buyer}, false},
		{mine + "modify/", body{"add_content_units": []string{unit}}, false},
		{mine + "modify/", body{"base_version": secret + "versions/1/"}, false},
	} {
		_, err := alice.call("POST", c.path, c.body)
		require.Error(t, err, "%s %v", c.path, c.body)
		require.Equal(t, c.denied, errors.Is(err, pulp.ErrDenied), "%s %v: %v", c.path, c.body, err)
		if !c.denied {
			require.Regexp(t, "does not exist|Could not find", err.Error())
		}
	}
	_, err := alice.call("GET", "content/?repository_version="+secret+"versions/1/", nil)
	require.ErrorContains(t, err, "does not exist")
	_, err = alice.call("GET", "distributions/file/file/?repository="+secret, nil)
	require.ErrorContains(t, err, "does not exist")
}

func TestTasksBelongToWhoDispatchedThem(t *testing.T) {
	t.Parallel()
	s := openShop(t, file.Plugin())
	alice, bob := s.person(t, "alice", "file.filedistribution_creator"), s.person(t, "bob", "file.filedistribution_creator")
	alice.creates(t, "distributions/file/file/", body{"name": "a", "base_path": "a"})
	bob.creates(t, "distributions/file/file/", body{"name": "b", "base_path": "b"})
	require.Len(t, s.names(t, "tasks/", "name"), 2)
	hers := alice.lists(t, "tasks/", "pulp_href")
	require.Len(t, hers, 1)
	require.Equal(t, []string{alice.href}, alice.lists(t, "tasks/", "created_by"))
	for _, suffix := range []string{"", "blocked_by/", "events/", "my_permissions/"} {
		_, err := bob.call("GET", hers[0]+suffix, nil)
		require.ErrorIs(t, err, pulp.ErrNotFound, suffix)
		if suffix != "events/" {
			_, err = alice.call("GET", hers[0]+suffix, nil)
			require.NoError(t, err, suffix)
		}
	}
	_, err := bob.call("DELETE", hers[0], nil)
	require.ErrorIs(t, err, pulp.ErrNotFound)
	_, err = bob.call("GET", "tasks/events/", nil)
	require.ErrorIs(t, err, pulp.ErrDenied)

	require.Equal(t, http.StatusCreated, s.ask(t, "POST", hers[0]+"add_role/", `{"role":"core.task_viewer","users":["bob"]}`).code)
	require.Len(t, bob.lists(t, "tasks/", "name"), 2)
	_, err = bob.call("DELETE", hers[0], nil)
	require.ErrorIs(t, err, pulp.ErrDenied)

	// A purge forgets what its caller may delete.
	answer, err := bob.call("POST", "tasks/purge/", body{"finished_before": "2999-01-01"})
	require.NoError(t, err)
	s.end(t, reply{http.StatusAccepted, encoded(t, answer)})
	require.Equal(t, []string{"pulpcore.app.tasks.base.general_create"}, alice.lists(t, "tasks/", "name"))
	_, err = alice.call("DELETE", hers[0], nil)
	require.NoError(t, err)
	require.Zero(t, s.rows(t, "SELECT count(*) FROM role_assignment WHERE kind = 'task'"))
}

func TestTaskGroupIsSeenByWhoMadeItAndWhoSeesItsTasks(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	alice, bob, eve := s.person(t, "alice"), s.person(t, "bob"), s.person(t, "eve")
	require.NoError(t, s.Tx(alice.ctx, func(ctx context.Context, tx bun.Tx) error {
		g, err := s.NewGroup(ctx, tx, "hers")
		if err != nil {
			return err
		}
		_, err = slowProbe.Dispatch(pulp.WithCaller(ctx, pulp.CallerOf(bob.ctx)), tx, Probe{Word: "x"}, pulp.Group(g))
		return err
	}))
	for _, p := range []*person{alice, bob} {
		require.Equal(t, []string{"hers"}, p.lists(t, "task-groups/", "description"))
	}
	require.Empty(t, eve.lists(t, "task-groups/", "description"))
	href := alice.lists(t, "task-groups/", "pulp_href")[0]
	_, err := bob.call("PATCH", href, body{"state": "canceled"})
	require.ErrorIs(t, err, pulp.ErrDenied)
	_, err = alice.call("PATCH", href, body{"state": "canceled"})
	require.NotErrorIs(t, err, pulp.ErrDenied)
}

func TestRolesGoWithTheirObjects(t *testing.T) {
	t.Parallel()
	s := openShop(t, file.Plugin())
	alice := s.person(t, "alice", "file.filerepository_creator", "shop.buyer_creator", "shop.latebuyer_creator", "core.group_creator")
	count := func() int { return s.rows(t, "SELECT count(*) FROM role_assignment WHERE kind <> ''") }
	hrefs := []string{alice.creates(t, "repositories/file/file/", body{"name": "r"}), alice.creates(t, "groups/", body{"name": "g"}),
		alice.creates(t, "shop/buyers/", body{"email": "a@b.c"})}
	require.Equal(t, len(hrefs), count())
	for _, href := range hrefs {
		r := s.ask(t, "DELETE", href, "")
		if r.code == http.StatusAccepted {
			s.end(t, r)
		}
		require.Less(t, r.code, 300, r.body)
	}
	require.Zero(t, count())
	alice.creates(t, "shop/buyers/", body{"email": "a@b.c"})
	_, err := s.DB().Writer().DB.ExecContext(t.Context(), "DELETE FROM shop_buyer") // by the host itself
	require.NoError(t, err)
	require.Zero(t, count(), "who gets the number of a row that is gone does not inherit its roles")
	require.Equal(t, http.StatusNoContent, s.ask(t, "DELETE", alice.href, "").code)
	require.Zero(t, s.rows(t, "SELECT count(*) FROM role_assignment"))
}

func TestTwoAssignmentsAtOnceAreOneRow(t *testing.T) {
	t.Parallel()
	s := openShop(t, file.Plugin())
	alice := s.person(t, "alice")
	repo := s.make(t, "repositories/file/file/", `{"name":"r"}`)
	for _, c := range []struct{ path, body string }{
		{repo + "add_role/", `{"role":"file.filerepository_viewer","users":["alice"]}`},
		{alice.href + "roles/", `{"role":"file.filerepository_viewer","content_object":null}`},
		{alice.href + "roles/", `{"role":"file.filerepository_owner","content_object":"` + repo + `"}`},
	} {
		before := s.rows(t, "SELECT count(*) FROM role_assignment")
		codes := make([]int, 8)
		var wg sync.WaitGroup
		for i := range codes {
			wg.Go(func() { codes[i] = s.ask(t, "POST", c.path, c.body).code })
		}
		wg.Wait()
		created := 0
		for _, code := range codes {
			if code == http.StatusCreated {
				created++
			} else {
				require.Equal(t, http.StatusBadRequest, code)
			}
		}
		require.Equal(t, 1, created)
		require.Equal(t, before+1, s.rows(t, "SELECT count(*) FROM role_assignment"))
	}
}

package pulp_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRBACGuardAsksForTheRightToDownload(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	s.fill(t, "d", "a")
	one, other := s.guard(t, rbacGuards, nil), s.guard(t, rbacGuards, nil)
	s.Update(t, s.List(t, fileDistributions)[0].Href(), object{"content_guard": one.Href()})
	users := map[string]object{}
	for _, name := range []string{"none", "here", "there", "everywhere", "group", "owner"} {
		users[name] = s.Create(t, "users/", object{"username": name, "password": "a fine password"})
	}
	staff := s.Create(t, "groups/", object{"name": "staff"})
	s.Create(t, staff.Href()+"users/", object{"username": "group"})
	const downloader = "core.rbaccontentguard_downloader"
	add := func(guard object, fields object) {
		t.Helper()
		a := s.Do(t, "POST", guard.Href()+"add_role/", fields)
		require.Equal(t, 201, a.Code, "%s", a.Body)
	}
	add(one, object{"role": downloader, "users": []string{"here"}, "groups": []string{"staff"}})
	add(one, object{"role": "core.rbaccontentguard_owner", "users": []string{"owner"}})
	add(other, object{"role": downloader, "users": []string{"there"}})
	s.Create(t, users["everywhere"].Href()+"roles/", object{"role": downloader, "content_object": nil})
	code := func(name, password string) int {
		return s.ask("GET", "d/a", func(r *http.Request) { r.SetBasicAuth(name, password) }).Code
	}
	for name, want := range map[string]int{"none": 403, "here": 200, "there": 403, "everywhere": 200, "group": 200, "owner": 403} {
		for range 2 {
			require.Equal(t, want, code(name, "a fine password"), name)
			require.Equal(t, 403, code(name, "x"), name)
		}
	}
	got := s.Get(t, one.Href())
	require.Equal(t, []any{map[string]any{"username": "here", "pulp_href": users["here"].Href(), "prn": users["here"]["prn"]}}, got["users"])
	require.Equal(t, []any{map[string]any{"name": "staff", "pulp_href": staff.Href(), "prn": staff["prn"], "id": staff["id"]}}, got["groups"])
	a := s.Do(t, "POST", one.Href()+"remove_role/", object{"role": downloader, "users": []string{"here"}})
	require.Equal(t, 201, a.Code, "%s", a.Body)
	require.Equal(t, 403, code("here", "a fine password"), "at once")
	require.Empty(t, s.Get(t, one.Href())["users"])
	s.Delete(t, other.Href())
	require.Zero(t, s.count(t, "SELECT count(*) FROM role_assignment WHERE kind = 'guard' AND object_id NOT IN (SELECT id FROM guard)"))
}

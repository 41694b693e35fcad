package pulp_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/plugins/file"
)

func TestRBACGuardFollowsTheRolesOnIt(t *testing.T) {
	t.Parallel()
	s := openShop(t, file.Plugin())
	s.make(t, "users/", `{"username":"dora","password":"a long password"}`)
	guard := s.make(t, "contentguards/core/rbac/", `{"name":"g"}`)
	s.end(t, s.ask(t, "POST", "distributions/file/file/", `{"name":"d","base_path":"d","content_guard":"`+guard+`"}`))
	get := func() int {
		r := httptest.NewRequest("GET", "/pulp/content/d/a", nil)
		r.SetBasicAuth("dora", "a long password")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Code
	}
	require.Equal(t, http.StatusForbidden, get())
	role := `{"role":"core.rbaccontentguard_downloader","users":["dora"]}`
	require.Equal(t, 201, s.ask(t, "POST", guard+"add_role/", role).code)
	require.Equal(t, http.StatusNotFound, get(), "it may look, but there is nothing")
	require.Contains(t, s.ask(t, "GET", guard, "").body, `"username":"dora"`)
	require.Equal(t, 201, s.ask(t, "POST", guard+"remove_role/", role).code)
	require.Equal(t, http.StatusForbidden, get())
}

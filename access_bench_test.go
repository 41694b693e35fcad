package pulp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/file"
)

// BenchmarkAccess reads a repository: without access control, as a superuser, by a role on everything,
// and by a role on the repository.
func BenchmarkAccess(b *testing.B) {
	s := openShop(b, file.Plugin())
	repo := s.make(b, "repositories/file/file/", `{"name":"r"}`)
	all, one := s.person(b, "all", "file.filerepository_viewer"), s.person(b, "one")
	require.Equal(b, http.StatusCreated, s.ask(b, "POST", repo+"add_role/", `{"role":"file.filerepository_viewer","users":["one"]}`).code)
	as := func(c pulp.Caller) httpapi.Option {
		return httpapi.Authenticators(func(*http.Request) (pulp.Caller, error) { return c, nil })
	}
	root := pulp.Caller{Username: "admin", Superuser: true}
	free := func(context.Context, *pulp.Operation, map[string]string) error { return nil }
	for _, c := range []struct {
		name string
		h    http.Handler
	}{
		{"unchecked", httpapi.Handler(s.App, as(root), httpapi.Authorize(free))}, {"superuser", httpapi.Handler(s.App, as(root))},
		{"role on everything", httpapi.Handler(s.App, as(pulp.CallerOf(all.ctx)))}, {"role on the object", httpapi.Handler(s.App, as(pulp.CallerOf(one.ctx)))},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				w := httptest.NewRecorder()
				c.h.ServeHTTP(w, httptest.NewRequest("GET", repo, nil))
				require.Equal(b, http.StatusOK, w.Code)
			}
		})
	}
}

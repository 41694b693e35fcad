package httpapi_test

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
)

// BenchmarkRoute calls the last of as many operations as a large App has.
func BenchmarkRoute(b *testing.B) {
	s := newSite(b)
	var ops []pulp.Operation
	for i := range 120 {
		path := fmt.Sprintf("repositories/plugin%03d/type/", i)
		for _, p := range []string{path, path + "{pk}/", path + "{pk}/versions/{number}/"} {
			ops = append(ops, pulp.Operation{ID: p, Method: "GET", Path: p, Anonymous: true, Do: echo(pulp.OK)})
		}
	}
	h := httpapi.HandlerOf(s.app, ops, nil)
	r := httptest.NewRequest("GET", "/pulp/api/v3/repositories/plugin119/type/7/versions/3/", nil)
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}

package httpapi

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/gopulp/pulp"
)

// Seams for the tests of this package.

// HandlerOf is Handler with operations and content of the test's own.
func HandlerOf(app *pulp.App, ops []pulp.Operation, serve func(context.Context, string) (*pulp.Served, error), opts ...Option) http.Handler {
	s := newServer(app, ops, opts)
	if serve != nil {
		s.serve, s.look = serve, serve
	}
	return s
}

// Describe is the document of operations.
func Describe(app *pulp.App, ops []pulp.Operation, pkPath bool) ([]byte, error) {
	doc, err := describe(app, withBuiltin(ops), variant{pkPath: pkPath})
	b, _ := json.MarshalIndent(doc, "", "  ")
	return b, err
}

var (
	Fault     = fault
	PlainPath = plainPath
	Reference = reference
	ParseJSON = parseJSON
	ParseForm = parseForm
	MediaType = mediaType
)

package goproxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gorilla/mux"
	"golang.org/x/mod/module"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/goproxy/internal/protocol"
)

// patience is how long a client, for whom the bytes are there, waits until the repository has them.
const patience = 5 * time.Second

const plain = "text/plain; charset=utf-8"

// routes are the files of the protocol. What is held is preferred to what the remote has.
func routes(r *mux.Router) {
	r.Handle("/{module:.+}/@latest", about(latest)).Methods("GET")
	r.Handle("/{module:.+}/@v/list", about(list)).Methods("GET")
	r.Handle("/{module:.+}/@v/{version}.info", about(describe)).Methods("GET")
	r.Handle("/{module:.+}/@v/{version}.{kind:mod|zip}", about(file)).Methods("GET")
}

// A request is about a module, or a version of it, of which the repository holds something.
type request struct {
	*httpapi.LiveRequest
	module module.Version
	here   held
}

// about makes a handler.
func about(serve func(w http.ResponseWriter, r *request) error) httpapi.LiveFunc {
	return func(w http.ResponseWriter, live *httpapi.LiveRequest) (err error) {
		r := &request{LiveRequest: live}
		if r.module.Path, err = module.UnescapePath(r.Vars["module"]); err == nil && r.Vars["version"] != "" {
			r.module.Version, err = module.UnescapeVersion(r.Vars["version"])
		}
		if err != nil {
			return pulp.Refuse("%s", err)
		}
		if r.here, err = modules.Held(r.Context(), r.Version, "module", r.module.Path); err != nil {
			return err
		}
		return serve(w, r)
	}
}

// file answers with a go.mod or a zip. Who holds a zip has its go.mod.
func file(w http.ResponseWriter, r *request) error {
	m, kind := r.module, r.Vars["kind"]
	if err := module.Check(m.Path, m.Version); err != nil {
		return fmt.Errorf("%w: %w", pulp.ErrNotFound, err)
	}
	if c := r.here[protocol.FileOf(m, "zip")]; c != nil && r.here[protocol.FileOf(m, kind)] == nil {
		return r.Inside(w, c.ID, plain, func(f io.ReaderAt, size int64) ([]byte, error) { return protocol.GoMod(m, f, size) })
	}
	return r.FilesOrPull(w, patience, func(ctx context.Context) (*pulp.Unit, error) { return pull(ctx, r, m, kind, r.here) })
}

// describe answers with a version and its time.
func describe(w http.ResponseWriter, r *request) error {
	out, err := r.here.describe(r.Context(), r, r.module)
	if err != nil {
		return err
	}
	return r.JSON(w, out)
}

// latest answers with the newest version, here or there.
func latest(w http.ResponseWriter, r *request) error {
	best, err := protocol.Describe(r.Context(), r, module.Version{Path: r.module.Path, Version: protocol.Latest})
	for _, c := range r.here {
		if protocol.Newer(c.Detail.Version, best.Version) {
			best, err = protocol.Info{Version: c.Detail.Version, Time: c.Detail.Time}, nil
		}
	}
	if err != nil {
		return err
	}
	return r.JSON(w, best)
}

// list answers with the released versions, here and there.
func list(w http.ResponseWriter, r *request) error {
	out, err := protocol.Released(r.Context(), r, r.module.Path)
	if err != nil && len(r.here) == 0 {
		return err
	}
	for _, c := range r.here {
		if !module.IsPseudoVersion(c.Detail.Version) {
			out = append(out, c.Detail.Version)
		}
	}
	return r.Text(w, plain, protocol.List(out))
}

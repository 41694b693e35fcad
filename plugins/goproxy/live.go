package goproxy

import (
	"archive/zip"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
)

// patience is how long a client, for whom the bytes are there, waits until the repository has them.
const patience = 5 * time.Second

// routes are the files of the protocol. What is held is preferred to what the remote has, where it lies
// at the same paths.
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
	held   held
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
		if r.held, err = heldOf(r.Context(), r.Version, r.module.Path); err != nil {
			return err
		}
		return serve(w, r)
	}
}

// info is what the remote says of a version, at the request's path.
func (r *request) info() (info, error) {
	return pulp.Pulled(r.Context(), r.Live, r.Live.Path, func(ctx context.Context) (info, error) {
		return source(r.Fetch).info(ctx, r.module.Path, r.Live.Path)
	})
}

// file answers with a go.mod or a zip.
func file(w http.ResponseWriter, r *request) error {
	m, kind := r.module, r.Vars["kind"]
	if err := module.Check(m.Path, m.Version); err != nil {
		return fmt.Errorf("%w: %w", pulp.ErrNotFound, err)
	}
	if from := r.held[m.Version+".zip"]; from != nil && r.held[m.Version+"."+kind] == nil {
		return extract(w, r, from.ID)
	}
	return r.FilesOrPull(w, patience, func(ctx context.Context) (*pulp.Unit, error) {
		return source(r.Fetch).unit(ctx, m, kind, r.held.made(m.Version))
	})
}

// extract answers with the go.mod of a zip.
func extract(w http.ResponseWriter, r *request, unit int64) error {
	served, err := r.ServeUnit(r.Context(), unit)
	if err != nil {
		return err
	}
	defer served.File.Close()
	z, err := zip.NewReader(served.File, served.File.Size)
	if err != nil {
		return fmt.Errorf("read the zip of %s: %w", r.module, err)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err = w.Write(goModIn(z, r.module))
	return err
}

// describe answers with a version and its time. A branch or the like is another version tomorrow, so that
// what the remote says is not kept.
func describe(w http.ResponseWriter, r *request) (err error) {
	out := info{r.module.Version, r.held.made(r.module.Version)}
	if out.Time == nil {
		if out, err = r.info(); err != nil {
			return err
		}
	}
	return write(w, out)
}

func write(w http.ResponseWriter, out info) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(out)
}

// latest answers with the newest version, here or there.
func latest(w http.ResponseWriter, r *request) error {
	best, err := r.info()
	for _, c := range r.held {
		if v := c.Detail.Version; newer(v, best.Version) {
			best, err = info{v, c.Detail.Time}, nil
		}
	}
	if err != nil {
		return err
	}
	return write(w, best)
}

// newer prefers released versions, then higher ones. No version is the oldest.
func newer(a, b string) bool {
	if late := semver.Prerelease(b) != ""; b != "" && late != (semver.Prerelease(a) != "") {
		return late
	}
	return semver.Compare(a, b) > 0
}

// list answers with the released versions, here and there.
func list(w http.ResponseWriter, r *request) error {
	there, err := pulp.Pulled(r.Context(), r.Live, r.Live.Path, func(ctx context.Context) ([]string, error) {
		return source(r.Fetch).list(ctx, r.module.Path, r.Live.Path)
	})
	if err != nil && len(r.held) == 0 {
		return err
	}
	versions := slices.Clone(there) // others read it, too
	for _, c := range r.held {
		if !module.IsPseudoVersion(c.Detail.Version) {
			versions = append(versions, c.Detail.Version)
		}
	}
	semver.Sort(versions)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err = fmt.Fprintln(w, strings.Join(slices.Compact(versions), "\n"))
	return err
}

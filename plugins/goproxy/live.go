package goproxy

import (
	"archive/zip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
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

func routes(r *mux.Router) {
	r.Handle("/{module:.+}/{file:@v/[^/]+|@latest}", httpapi.LiveFunc(serve)).Methods("GET")
}

// serve answers with a file of the protocol, of what is held in preference to what the remote has.
func serve(w http.ResponseWriter, r *httpapi.LiveRequest) error {
	name, err := module.UnescapePath(r.Vars["module"])
	if err != nil {
		return pulp.Refuse("%s", err)
	}
	held, err := heldOf(r.Context(), r.Version, name)
	if err != nil {
		return err
	}
	ext := path.Ext(r.Vars["file"])
	version, err := module.UnescapeVersion(strings.TrimSuffix(path.Base(r.Vars["file"]), ext))
	m, exact := module.Version{Path: name, Version: version}, module.Check(name, version) == nil
	made := timeOf(held, version)
	switch file := r.Vars["file"]; {
	case file == "@v/list":
		return list(w, r, name, held)
	case file == "@latest":
		return latest(w, r, name, held)
	case err != nil:
		return pulp.Refuse("%s", err)
	case ext == ".info" && made != nil:
		return describe(w, info{version, made})
	case ext == ".info": // a branch or the like is another version tomorrow, so that nothing is kept
		about, err := pull(r, file+" of "+name, func(ctx context.Context) (info, error) { return source(r.Fetch).info(ctx, name, file) })
		if err != nil {
			return err
		}
		return describe(w, about)
	case !exact || ext != ".mod" && ext != ".zip" || held[version+ext] != nil:
		return r.Files(w)
	case ext == ".mod" && held[version+".zip"] != nil:
		return extract(w, r, m, held[version+".zip"].ID)
	}
	unit, err := pull(r, ext+" of "+m.String(), func(ctx context.Context) (int64, error) {
		unit, err := source(r.Fetch).unit(ctx, m, ext[1:], made)
		if err != nil {
			return 0, err
		}
		return r.Keep(ctx, unit, patience)
	})
	if err != nil {
		return err
	}
	return r.Unit(w, unit)
}

// pull asks the remote, if there is one, once for all who need the same.
func pull[T any](r *httpapi.LiveRequest, key string, get func(ctx context.Context) (T, error)) (out T, err error) {
	if r.Remote == nil {
		return out, pulp.ErrNotFound
	}
	got, err := r.Pull(r.Context(), key, func(ctx context.Context) (any, error) { return get(ctx) })
	out, _ = got.(T)
	return out, err
}

// list answers with the released versions, here and there.
func list(w http.ResponseWriter, r *httpapi.LiveRequest, name string, held map[string]*pulp.Content[Module]) error {
	versions, err := pull(r, "list of "+name, func(ctx context.Context) ([]string, error) { return source(r.Fetch).list(ctx, name) })
	if err != nil && len(held) == 0 {
		return err
	}
	versions = slices.Clone(versions) // others read it, too
	for _, c := range held {
		if !module.IsPseudoVersion(c.Detail.Version) {
			versions = append(versions, c.Detail.Version)
		}
	}
	semver.Sort(versions)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err = fmt.Fprintln(w, strings.Join(slices.Compact(versions), "\n"))
	return err
}

// latest answers with the newest version, here or there.
func latest(w http.ResponseWriter, r *httpapi.LiveRequest, name string, held map[string]*pulp.Content[Module]) error {
	there, err := pull(r, "latest of "+name, func(ctx context.Context) (info, error) { return source(r.Fetch).info(ctx, name, "@latest") })
	best := there
	for _, c := range held {
		if v := c.Detail.Version; newer(v, best.Version) {
			best = info{v, c.Detail.Time}
		}
	}
	if best.Version == "" {
		return err
	}
	return describe(w, best)
}

// newer prefers released versions, then higher ones.
func newer(a, b string) bool {
	early := semver.Prerelease(a) != ""
	if late := semver.Prerelease(b) != ""; b != "" && early != late {
		return late
	}
	return semver.Compare(a, b) > 0
}

func describe(w http.ResponseWriter, about info) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(about)
}

// extract answers with the go.mod of a zip.
func extract(w http.ResponseWriter, r *httpapi.LiveRequest, m module.Version, unit int64) error {
	served, err := r.ServeUnit(r.Context(), unit)
	if err != nil {
		return err
	}
	defer served.File.Close()
	file, ok := served.File.ReadSeekCloser.(io.ReaderAt)
	if !ok {
		return fmt.Errorf("read the zip of %s: it cannot be read from the middle", m)
	}
	z, err := zip.NewReader(file, served.File.Size)
	if err == nil {
		_, err = w.Write(goModIn(z, m))
	}
	return err
}

package python

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/python/internal/pep"
)

func routes(r *mux.Router) {
	get := func(path string, f httpapi.LiveFunc) { r.Handle(path, f).Methods("GET") }
	for _, path := range []string{"/legacy/", "/simple/"} {
		r.Handle(path, httpapi.LiveFunc(upload)).Methods("POST")
	}
	get("/simple", func(w http.ResponseWriter, r *httpapi.LiveRequest) error { return moved(w, "simple/") })
	get("/simple/", serveProjects)
	get("/simple/index.html", func(w http.ResponseWriter, r *httpapi.LiveRequest) error { return r.Files(w) }) // of a publication
	get("/simple/{name}", func(w http.ResponseWriter, r *httpapi.LiveRequest) error {
		return moved(w, pep.Normalize(r.Vars["name"])+"/")
	})
	get("/simple/{name}/", serveProject)
	get("/simple/{name}/{file}", serveFile)
	get("/pypi/{name}/json", serveRelease)
	get("/pypi/{name}/{version}/json", serveRelease)
}

// moved redirects to a path beside the one that was asked for.
func moved(w http.ResponseWriter, to string) error {
	w.Header().Set("Location", "./"+to)
	w.WriteHeader(http.StatusMovedPermanently)
	return nil
}

// heldOf is what a version of a repository has of a project, by the names of files.
func heldOf(ctx context.Context, v *pulp.Version, name string) (map[string]*pulp.Content[Package], error) {
	out := map[string]*pulp.Content[Package]{}
	for c, err := range packages.In(ctx, v, "name_normalized", name) {
		if err != nil {
			return nil, err
		}
		out[c.Detail.Filename] = c
	}
	return out, nil
}

// entryOf is a package on the page of its project.
func entryOf(c *pulp.Content[Package], url string) pep.File {
	p := &c.Detail
	f := pep.File{Filename: p.Filename, URL: url, Hashes: map[string]string{"sha256": p.Digest}, RequiresPython: p.RequiresPython, UploadTime: c.Created.String(), Named: pep.Filename{Version: p.Version}}
	if p.Size >= 0 {
		f.Size = &p.Size
	}
	if p.Metadata != "" {
		f.Metadata = pep.Mark{Set: true, Why: "sha256=" + p.Metadata}
	}
	if p.Yanked != nil {
		f.Yanked = pep.Mark{Set: true, Why: *p.Yanked}
	}
	return f
}

// filesOf is what the page of a project has: what is here, and what else the remote has.
func filesOf(r *httpapi.LiveRequest, name string) (out []pep.File, err error) {
	held, err := heldOf(r.Context(), r.Version, name)
	if err != nil {
		return nil, err
	}
	for _, c := range held {
		out = append(out, entryOf(c, c.Detail.Filename))
	}
	there, err := remoteFiles(r, name)
	for _, e := range there {
		if held[e.Filename] == nil {
			e.URL = e.Filename // it is got through us
			out = append(out, e)
		}
	}
	if len(out) > 0 && (errors.Is(err, pulp.ErrNotFound) || errors.Is(err, pulp.ErrRemote)) {
		err = nil
	}
	if err == nil && len(out) == 0 {
		err = pulp.ErrNotFound
	}
	return out, err
}

// serveProject answers with the page of a project.
func serveProject(w http.ResponseWriter, r *httpapi.LiveRequest) error {
	name := r.Vars["name"]
	if n := pep.Normalize(name); n != name {
		return moved(w, "../"+n+"/")
	}
	return serve(w, r, func() (page, error) {
		files, err := filesOf(r, name)
		return pep.NewProject(name, files), err
	})
}

// serveProjects answers with the list of all projects that are here.
func serveProjects(w http.ResponseWriter, r *httpapi.LiveRequest) error {
	return serve(w, r, func() (page, error) {
		var names []string
		for name, err := range packages.Values(r.Context(), r.Version, "name_normalized") {
			if err != nil {
				return nil, err
			}
			names = append(names, name)
		}
		return pep.List(names), nil
	})
}

// serve answers with a page in the form that the client likes best.
func serve(w http.ResponseWriter, r *httpapi.LiveRequest, find func() (page, error)) error {
	form := r.Accepts(pep.Text, pep.HTML, pep.JSON)
	w.Header().Set("Vary", "Accept")
	if r.Remote == nil && r.Unchanged(w, version+" "+form) {
		return nil
	}
	found, err := find()
	if err != nil {
		return err
	}
	text, err := found.Render(form)
	if err != nil {
		return err
	}
	return r.Text(w, form+map[bool]string{true: "; charset=utf-8"}[form != pep.JSON], text)
}

// serveFile answers with a package, or with its metadata, which has ".metadata" behind its name.
func serveFile(w http.ResponseWriter, r *httpapi.LiveRequest) error {
	name := pep.Normalize(r.Vars["name"])
	filename, metadata := strings.CutSuffix(r.Vars["file"], ".metadata")
	if _, err := pep.ParseFilename(filename, ""); err != nil {
		return r.Files(w) // of a publication
	}
	for c, err := range packages.In(r.Context(), r.Version, "filename", filename) {
		switch {
		case err != nil:
			return err
		case c.Detail.Normalized != name, metadata && c.Detail.Metadata == "":
			return pulp.ErrNotFound
		case metadata:
			return serveMetadata(w, r, c)
		}
		return r.Unit(w, c.ID)
	}
	if metadata {
		return pullMetadata(w, r, name, filename)
	}
	unit, err := pullFile(r, name, filename)
	if err != nil {
		return err
	}
	return r.Unit(w, unit)
}

// serveMetadata answers with the metadata in a wheel, as it is there.
func serveMetadata(w http.ResponseWriter, r *httpapi.LiveRequest, c *pulp.Content[Package]) error {
	served, err := r.ServeUnit(r.Context(), c.ID)
	if err != nil {
		return err
	}
	defer served.File.Close()
	text, err := pep.MetadataIn(".whl", served.File, served.File.Size)
	if err != nil {
		return fmt.Errorf("read the metadata in %s: %w", c.Detail.Filename, err)
	}
	return r.Text(w, "text/plain; charset=utf-8", text)
}

// serveRelease answers with what is here of a version of a project, the newest if none is named, as the JSON API of
// pypi.org does.
func serveRelease(w http.ResponseWriter, r *httpapi.LiveRequest) error {
	name := pep.Normalize(r.Vars["name"])
	held, err := heldOf(r.Context(), r.Version, name)
	if err != nil {
		return err
	}
	releases, best := map[string][]map[string]any{}, (*Package)(nil)
	for _, key := range slices.Sorted(maps.Keys(held)) {
		p := &held[key].Detail
		releases[p.Version] = append(releases[p.Version], map[string]any{
			"filename": p.Filename, "url": r.Base() + "simple/" + name + "/" + p.Filename, "digests": map[string]string{"sha256": p.Digest}, "size": p.Size, "packagetype": p.PackageType,
			"python_version": p.Python, "requires_python": p.RequiresPython, "upload_time_iso_8601": held[key].Created.String(), "yanked": p.Yanked != nil,
		})
		if want := r.Vars["version"]; (want == "" || want == p.Version) && (best == nil || pep.Newer(p.Version, best.Version) < 0) {
			best = p
		}
	}
	if best == nil {
		return pulp.ErrNotFound
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(map[string]any{"info": best.Core, "last_serial": 0, "releases": releases, "urls": releases[best.Version]})
}

package python

import (
	"context"
	"errors"
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
	get("/", serveSummary)
	get("/simple", func(w http.ResponseWriter, r *httpapi.LiveRequest) error { return r.Redirect(w, "simple/") })
	get("/simple/", serveProjects)
	get("/simple/index.html", func(w http.ResponseWriter, r *httpapi.LiveRequest) error { return r.Files(w) }) // of a publication
	get("/simple/{name}", func(w http.ResponseWriter, r *httpapi.LiveRequest) error {
		return r.Redirect(w, pep.Normalize(r.Vars["name"])+"/")
	})
	get("/simple/{name}/", serveProject)
	get("/simple/{name}/{file}", serveFile)
	get("/pypi/{name}/json{slash:/?}", serveReleases)
	get("/pypi/{name}/{version}/json{slash:/?}", serveReleases)
}

// serveSummary answers with how much is here.
func serveSummary(w http.ResponseWriter, r *httpapi.LiveRequest) error {
	if !r.Prefixed() {
		return r.Files(w) // all packages, below the content path
	}
	if r.Unchanged(w, version) {
		return nil
	}
	out := map[string]int64{}
	for name, fields := range map[string][]string{"projects": {"name_normalized"}, "releases": {"name_normalized", "version"}, "files": {"filename"}} {
		n, err := packages.Count(r.Context(), r.Version, fields...)
		if err != nil {
			return err
		}
		out[name] = n
	}
	return r.JSON(w, out)
}

// forms are the media types of pages.
var forms = []string{pep.Text, pep.HTML, pep.JSON}

// serveProjects answers with the list of all projects that are here.
func serveProjects(w http.ResponseWriter, r *httpapi.LiveRequest) error {
	return r.Page(w, version, forms, func() (httpapi.Page, error) {
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

// serveProject answers with the page of a project.
func serveProject(w http.ResponseWriter, r *httpapi.LiveRequest) error {
	name := r.Vars["name"]
	if n := pep.Normalize(name); n != name {
		return r.Redirect(w, "../"+n+"/")
	}
	return r.Page(w, version, forms, func() (httpapi.Page, error) {
		files, err := filesOf(r, name)
		return pep.NewProject(name, files), err
	})
}

// filesOf is what the page of a project has: what is here, and what else the remote has.
func filesOf(r *httpapi.LiveRequest, name string) ([]pep.File, error) {
	held, err := packages.Held(r.Context(), r.Version, "name_normalized", name)
	if err != nil {
		return nil, err
	}
	out := listed(held, "")
	there, err := remoteFiles(r, name)
	for _, f := range there {
		if held[f.Filename] == nil {
			f.URL = f.Filename // it is got through us
			out = append(out, f)
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

// remoteFiles is what the distribution's remote has of a project; nothing if there is no remote.
func remoteFiles(r *httpapi.LiveRequest, name string) ([]pep.File, error) {
	if r.Remote == nil {
		return nil, nil
	}
	remote, err := pulp.RemoteOf[Remote](r.Context(), r.Live)
	if err != nil {
		return nil, err
	}
	index, err := remote.Detail.Open(r.Live, remote.URL)
	if err != nil {
		return nil, err
	}
	return index.Files(r.Context(), name)
}

// serveFile answers with a package, or with its metadata, which has ".metadata" behind its name.
func serveFile(w http.ResponseWriter, r *httpapi.LiveRequest) error {
	name := pep.Normalize(r.Vars["name"])
	filename, aside := strings.CutSuffix(r.Vars["file"], ".metadata")
	if _, err := pep.ParseFilename(filename, ""); err != nil {
		return r.Files(w) // of a publication
	}
	held, err := packages.Held(r.Context(), r.Version, "filename", filename)
	if err != nil {
		return err
	}
	switch c := held[filename]; {
	case c == nil:
		return pullFile(w, r, name, filename, aside)
	case c.Detail.Normalized != name, aside && c.Detail.Metadata == "":
		return pulp.ErrNotFound
	case aside:
		return serveMetadata(w, r, c)
	default:
		return r.Unit(w, c.ID)
	}
}

// pullFile answers with a file that only the remote has, which the repository keeps, or with the metadata that is beside it
// there.
func pullFile(w http.ResponseWriter, r *httpapi.LiveRequest, name, filename string, aside bool) error {
	files, err := remoteFiles(r, name)
	i := slices.IndexFunc(files, func(f pep.File) bool { return f.Filename == filename })
	if err == nil && i < 0 {
		err = pulp.ErrNotFound
	}
	if err != nil {
		return err
	}
	f := &files[i]
	if !aside {
		return r.PullUnit(w, filename+" "+f.URL, patience, func(ctx context.Context) (*pulp.Unit, error) {
			return unit(ctx, r.Live, name, f, true)
		})
	}
	text, err := f.MetadataFrom(r.Context(), r.Live)
	if err == nil && text == nil {
		err = pulp.ErrNotFound
	}
	if err != nil {
		return err
	}
	return r.Text(w, plain, text)
}

// plain is the media type of metadata.
const plain = "text/plain; charset=utf-8"

// serveMetadata answers with the metadata of a wheel: that which a remote has beside it, if the wheel itself is not here
// and need not come for it, else that in the wheel.
func serveMetadata(w http.ResponseWriter, r *httpapi.LiveRequest, c *pulp.Content[Package]) error {
	text, err := r.Beside(r.Context(), c.ID, ".metadata", c.Detail.Metadata, pep.MaxMetadata)
	if errors.Is(err, pulp.ErrNotFound) {
		return r.Inside(w, c.ID, plain, pep.MetadataInWheel)
	}
	if err != nil {
		return err
	}
	return r.Text(w, plain, text)
}

// serveReleases answers with what is here of a project, and of a version of it, the newest if none is named.
func serveReleases(w http.ResponseWriter, r *httpapi.LiveRequest) error {
	name, want := pep.Normalize(r.Vars["name"]), r.Vars["version"]
	held, err := packages.Held(r.Context(), r.Version, "name_normalized", name)
	if err != nil {
		return err
	}
	var best *Package
	for _, key := range slices.Sorted(maps.Keys(held)) {
		p := &held[key].Detail
		if (want == "" || want == p.Version) && (best == nil || pep.Newer(p.Version, best.Version) < 0) {
			best = p
		}
	}
	if best == nil {
		return pulp.ErrNotFound
	}
	return r.JSON(w, pep.NewReleases(best.Core, listed(held, r.Base()+"simple/"+name+"/")))
}

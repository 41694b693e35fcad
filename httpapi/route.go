package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gopulp/pulp"
	"github.com/gorilla/mux"
)

// routes finds the operation for a request's method and path. There is a router for each
// head, the words with which a path begins, since mux tries one route after another and an
// App has hundreds.
type routes struct {
	server *server
	root   string
	heads  map[string]*mux.Router
}

// newRoutes makes one route for each path. Where a path fits two patterns, the one with
// words in the place of variables wins, in whatever order they were declared.
func newRoutes(s *server, ops []pulp.Operation) *routes {
	m := &routes{server: s, root: s.app.APIPath(), heads: map[string]*mux.Router{}}
	m.add("", readOnly(s.collections(ops)))
	m.add("livez/", readOnly(http.HandlerFunc(alive)))
	m.add("docs/api.json", readOnly(s.docs.handler(false)))
	m.add("docs/api.yaml", readOnly(s.docs.handler(true)))
	for _, group := range grouped(ops) {
		m.add(group[0].Path, newResource(s, group))
	}
	return m
}

// add makes the route of a path below the root.
func (m *routes) add(path string, h http.Handler) {
	words, _, _ := strings.Cut(path, "{")
	head := heads(words)[0]
	if m.heads[head] == nil {
		m.heads[head] = mux.NewRouter()
	}
	m.heads[head].Path(m.root + path).Handler(h)
}

// heads are the first two segments of a path, the first, and none: "a/b/", "a/", "". What
// is no whole segment does not count.
func heads(path string) []string {
	out := []string{""}
	for end := range len(path) {
		if path[end] == '/' {
			out = append(out, path[:end+1])
		}
		if len(out) == 3 {
			break
		}
	}
	slices.Reverse(out)
	return out
}

// match finds the route of a decoded path.
func (m *routes) match(r *http.Request) (*mux.RouteMatch, bool) {
	path, below := strings.CutPrefix(r.URL.Path, m.root)
	if !below {
		return nil, false
	}
	for _, head := range heads(path) {
		var found mux.RouteMatch
		if router := m.heads[head]; router != nil && router.Match(r, &found) {
			return &found, true
		}
	}
	return nil, false
}

// ServeHTTP routes by the decoded path. A slash that was encoded would be taken for one that
// separates, so such a path leads nowhere.
func (m *routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(strings.ToLower(r.URL.RawPath), "%2f") {
		m.server.fail(w, r, pulp.ErrNotFound)
		return
	}
	found, ok := m.match(r)
	switch {
	case ok:
		found.Handler.ServeHTTP(w, mux.SetURLVars(r, found.Vars))
	case m.lacksSlash(r):
		redirect(w, r, r.URL.Path+"/")
	default:
		m.server.fail(w, r, pulp.ErrNotFound)
	}
}

// lacksSlash says whether a slash at its end would make the path one that is known, and
// whether redirecting the request there loses nothing.
func (m *routes) lacksSlash(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || strings.HasSuffix(r.URL.Path, "/") {
		return false
	}
	slashed := r.Clone(r.Context())
	slashed.URL.Path += "/"
	_, ok := m.match(slashed)
	return ok || slashed.URL.Path == m.server.app.ContentPath()
}

// grouped gathers the operations of each path, words before variables.
func grouped(ops []pulp.Operation) [][]*pulp.Operation {
	byPath := map[string][]*pulp.Operation{}
	var paths []string
	for i := range ops {
		op := &ops[i]
		if byPath[op.Path] == nil {
			paths = append(paths, op.Path)
		}
		byPath[op.Path] = append(byPath[op.Path], op)
	}
	slices.Sort(paths) // "{" sorts behind all that words are made of
	groups := make([][]*pulp.Operation, len(paths))
	for i, p := range paths {
		groups[i] = byPath[p]
	}
	return groups
}

// A resource is a path with its operations by method.
type resource struct {
	server  *server
	methods map[string]*pulp.Operation
	allow   string
}

func newResource(s *server, ops []*pulp.Operation) *resource {
	res := &resource{server: s, methods: map[string]*pulp.Operation{}}
	for _, op := range ops {
		res.methods[op.Method] = op
	}
	var names []string
	for _, name := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		if res.methods[name] != nil {
			names = append(names, name)
		}
	}
	if get := res.methods["GET"]; get != nil {
		res.methods["HEAD"] = get
		names = append(names, "HEAD")
	}
	res.allow = strings.Join(append(names, "OPTIONS"), ", ")
	return res
}

// ServeHTTP calls the operation of the request's method.
func (res *resource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", res.allow)
	op := res.methods[r.Method]
	switch {
	case op != nil:
		res.server.call(w, r, op)
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
	default:
		notAllowed(w, r)
	}
}

// readOnly lets GET, HEAD and OPTIONS through to a handler.
func readOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			h.ServeHTTP(w, r)
		case http.MethodOptions:
			w.Header().Set("Allow", readMethods)
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Allow", readMethods)
			notAllowed(w, r)
		}
	})
}

const readMethods = "GET, HEAD, OPTIONS"

func notAllowed(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusMethodNotAllowed, detail{`Method "` + r.Method + `" not allowed.`})
}

// alive says that the process answers; it touches nothing.
func alive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "0")
}

// collections is the page at the API's root: the names of all collections and their URLs.
func (s *server) collections(ops []pulp.Operation) http.Handler {
	var paths []string
	for _, op := range ops {
		if op.Method == http.MethodGet && op.Many && !strings.Contains(op.Path, "{") {
			paths = append(paths, op.Path)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		base := s.origin(r) + escaped(mountPoint(r)+s.app.APIPath())
		urls := make(map[string]string, len(paths))
		for _, p := range paths {
			urls[strings.TrimSuffix(p, "/")] = base + p
		}
		writeJSON(w, http.StatusOK, urls)
	})
}

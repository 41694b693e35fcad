package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/gopulp/pulp"
)

// Live makes routes below the path of each distribution of a type, for [pulp.DistributionType]. add
// gets a router and adds routes to it, once, when this is called; their paths begin at the
// distribution: "/", "/simple/{name}/".
//
// A request comes to a route when the distribution's guard has let it pass. GET and HEAD without route
// lead to files, as in any distribution; another method without route is a 405. HEAD goes to routes
// for GET. Requests that browsers send for other sites are refused as in the API. A
// handler is best a [LiveFunc]; any other one works as well. What it writes gets headers that keep
// browsers from running it; it may overwrite them.
func Live(add func(r *mux.Router)) pulp.LiveRoutes {
	m := mux.NewRouter().SkipClean(true)
	add(m)
	return &liveRoutes{m}
}

type liveRoutes struct{ router *mux.Router }

// LiveRoutes marks the type.
func (*liveRoutes) LiveRoutes() {}

// A LiveFunc is the handler of a route below a distribution. Its error is answered as an error of
// content is, in words and with the code of its kind, if nothing has been written; the operator gets to
// know faults that are not the client's. After an error in the middle of an answer the connection is
// broken off, so that no client takes a part for the whole.
type LiveFunc func(w http.ResponseWriter, r *LiveRequest) error

// A LiveRequest is a request to a route below a distribution. To stream, flush with
// [http.ResponseController]; to change something, dispatch a task that reserves [pulp.Live].Repository,
// and wait for its ticket.
type LiveRequest struct {
	*http.Request // its path begins at the distribution
	*pulp.Live
	// Vars are the variables of the route's path.
	Vars map[string]string

	server *server
	root   string        // the path below which distributions are
	outer  *http.Request // as it came
	forms  *[]*pulp.Input
}

type liveKey struct{}

// ServeHTTP calls f.
func (f LiveFunc) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	lr, ok := r.Context().Value(liveKey{}).(*LiveRequest)
	if !ok {
		Error(w, r, errors.New("a LiveFunc serves below distributions only: see httpapi.Live"))
		return
	}
	one := *lr
	one.Request, one.Vars = r, mux.Vars(r)
	if err := f(w, &one); err != nil {
		panic(liveError{err})
	}
}

// liveError carries the error of a handler to where it is known whether something was written.
type liveError struct{ err error }

// Files answers the request with the file, listing or redirect that is at its path, as if there were
// no route.
func (r *LiveRequest) Files(w http.ResponseWriter) error {
	find := r.Serve
	if r.Method == http.MethodHead {
		find = r.Look
	}
	served, err := find(r.Context())
	if err == nil {
		r.server.send(w, r.outer, served)
	}
	return err
}

// Unit answers the request with the first file of a unit of content, see [pulp.Live.ServeUnit].
func (r *LiveRequest) Unit(w http.ResponseWriter, unit int64) error {
	served, err := r.ServeUnit(r.Context(), unit)
	if err == nil {
		r.server.send(w, r.outer, served)
	}
	return err
}

// FilesOrPull is [LiveRequest.Files], and where there is no file, [LiveRequest.Unit] of what get gets from the
// distribution's remote: once for all who ask for the path ([pulp.Live.Pull]), and the repository has it
// from then on ([pulp.Live.Keep], with its wait).
func (r *LiveRequest) FilesOrPull(w http.ResponseWriter, wait time.Duration, get func(ctx context.Context) (*pulp.Unit, error)) error {
	err := r.Files(w)
	if !errors.Is(err, pulp.ErrNotFound) || r.Remote == nil {
		return err
	}
	return r.PullUnit(w, r.Live.Path, wait, get)
}

// PullUnit is the second half of [LiveRequest.FilesOrPull], for a unit that key names.
func (r *LiveRequest) PullUnit(w http.ResponseWriter, key string, wait time.Duration, get func(ctx context.Context) (*pulp.Unit, error)) error {
	unit, err := pulp.Pulled(r.Context(), r.Live, "unit "+key, func(ctx context.Context) (int64, error) {
		u, err := get(ctx)
		if err != nil {
			return 0, err
		}
		return r.Keep(ctx, u, wait)
	})
	if err != nil {
		return err
	}
	return r.Unit(w, unit)
}

// Allow returns nil if the caller may call an action of the distribution's repository: "modify" is
// that of who adds content. Else it is [pulp.ErrUnauthenticated], whose answer asks for credentials, or
// [pulp.ErrDenied].
func (r *LiveRequest) Allow(action string) error {
	op, vars, err := r.Operation(action)
	if err != nil {
		return err
	}
	_, err = r.server.identify(mux.SetURLVars(r.outer, vars), op)
	if errors.Is(err, pulp.ErrNotFound) && !known(pulp.CallerOf(r.Context())) {
		return pulp.ErrUnauthenticated // they may see nothing before they say who they are
	}
	return err
}

// Form reads the request's body: a form, or a JSON object. Its files are received, as they come,
// and are gone when the handler returns, unless a unit that was saved has them. Form may be
// called once, and only after [LiveRequest.Allow]: anybody could fill the disk else.
func (r *LiveRequest) Form(w http.ResponseWriter) (*pulp.Input, error) {
	in := &pulp.Input{}
	err := r.server.read(w, r.Request, &pulp.Operation{}, in)
	*r.forms = append(*r.forms, in)
	return in, err
}

// Prefixed says whether the request came below the prefix of the distribution's type, not below the path of all
// content.
func (r *LiveRequest) Prefixed() bool { return r.Prefix != "" && r.root == r.Prefix }

// Base is the URL of the distribution, as the client has asked for it, with a slash at its end.
func (r *LiveRequest) Base() string {
	return r.server.origin(r.outer) + escaped(mountPoint(r.outer)+r.root+r.BasePath) + "/"
}

// discard removes the files that nobody kept.
func (r *LiveRequest) discard() {
	for _, in := range *r.forms {
		discard(in)
	}
}

// live answers a request below a distribution with routes; false if there is none at the path.
func (s *server) live(w http.ResponseWriter, r *http.Request, root, path string) (done bool) {
	live, routes, err := s.app.Live(r.Context(), path)
	switch {
	case err != nil:
		s.failText(w, r, err)
		return true
	case live == nil, root != live.Prefix && root != s.app.ContentPath():
		return false
	}
	done = true // also if the handler panics
	out := &liveWriter{ResponseWriter: w}
	h := w.Header()
	h.Set("Content-Security-Policy", "sandbox")
	if live.Private {
		h.Set("Cache-Control", "private")
	}
	defer s.rescueLive(out, r)
	if err := s.crossOrigin.Check(r); err != nil {
		s.failText(out, r, refuse(http.StatusForbidden, "Requests from other sites are not allowed."))
		return true
	}
	lr := &LiveRequest{Live: live, server: s, root: root, outer: r, forms: new([]*pulp.Input)}
	defer lr.discard()
	inner := r.WithContext(context.WithValue(r.Context(), liveKey{}, lr))
	inner.URL = &url.URL{Path: "/" + live.Path, RawQuery: r.URL.RawQuery}
	lr.Request = inner
	s.route(out, lr, root+path, routes.(*liveRoutes).router)
	return true
}

// route calls the handler of the route for a request, or what there is in its place.
func (s *server) route(w http.ResponseWriter, r *LiveRequest, path string, router *mux.Router) {
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	if read && r.Path == "" && !strings.HasSuffix(path, "/") {
		redirect(w, r.outer, path+"/")
		return
	}
	var match mux.RouteMatch
	switch {
	case find(router, r.Request, r.Method, &match):
		match.Handler.ServeHTTP(w, mux.SetURLVars(r.Request, match.Vars))
	case read:
		if err := r.Files(w); err != nil {
			s.failText(w, r.outer, err)
		}
	default:
		w.Header().Set("Allow", methods(router, r.Request))
		if r.Method != http.MethodOptions {
			notAllowed(w, r.Request)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// find matches a request as if it had a method; HEAD is GET where there is no route for it.
func find(router *mux.Router, r *http.Request, method string, match *mux.RouteMatch) bool {
	as := *r
	as.Method = method
	if router.Match(&as, match) && match.MatchErr == nil {
		return true
	}
	*match = mux.RouteMatch{}
	return method == http.MethodHead && find(router, r, http.MethodGet, match)
}

// methods are those that a request's path has, for the header Allow.
func methods(router *mux.Router, r *http.Request) string {
	out := "GET, HEAD, "
	for _, m := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		if find(router, r, m, &mux.RouteMatch{}) {
			out += m + ", "
		}
	}
	return out + "OPTIONS"
}

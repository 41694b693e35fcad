// Package httpapi is the HTTP face of an App: Pulp's REST API, its OpenAPI document, and the
// content below distributions, as one [http.Handler].
//
//	request ─► Handler ─► correlation id, prefix, recovery
//	             ├─ {root}content/…      ─► App.Live ─► route of a plugin
//	             │                       ─► App.Serve ─► file, listing or redirect
//	             └─ {root}api/v3/…       ─► route ─► who is it? ─► body ─► Operation.Do ─► answer
//	                  docs/api.json          made of the same operations
//
// The package knows operations and served content, nothing else of what an App offers: no
// plugin, no type of content. Codes of HTTP appear nowhere but here.
package httpapi

import (
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/gopulp/pulp"
)

// Handler serves what lies below app's root ([pulp.Config.APIRoot]), and below the paths that plugins name for
// their distributions ([pulp.DistributionType].Prefix); all other paths are not found. It may be mounted anywhere in any server:
//
//	mux.Handle("/pulp/", httpapi.Handler(app))
//	mux.Handle("/mirror/", http.StripPrefix("/mirror", httpapi.Handler(app)))
//
// In the second case the links in answers begin with "/mirror". Timeouts and TLS belong to
// the server. A request to the API is answered after its body was read whole; files in forms
// and content go straight between the network and the disk. What callers may do is what their
// roles and the access policies say, see [pulp.Access].
func Handler(app *pulp.App, opts ...Option) http.Handler {
	return newServer(app, app.Operations(), opts)
}

// An Option changes what [Handler] does.
type Option func(*options)

type options struct {
	authenticators []Authenticator
	authorize      Authorizer
	proxies        []netip.Prefix
	bodyLimit      int64
	crossOrigin    *http.CrossOriginProtection
}

// Authenticators replaces the ways in which callers make themselves known; they are asked in
// order. The default is [Basic], then [Session].
func Authenticators(chain ...Authenticator) Option {
	return func(o *options) { o.authenticators = chain }
}

// Authorize replaces roles and access policies by the host's own rules. Then lists hold everything
// but what [pulp.ViewSet.Scope] leaves out.
func Authorize(f Authorizer) Option {
	return func(o *options) { o.authorize = f }
}

// TrustProxies names the addresses of proxies whose X-Forwarded-Proto and X-Forwarded-Host
// make the links in answers, and whose X-CLIENT-CERT, the client's certificate as URL-quoted PEM,
// is what guards go by. They must set or remove these headers in every request. By default no
// one is believed; guards then go by the certificate of the TLS connection.
func TrustProxies(nets ...netip.Prefix) Option {
	return func(o *options) { o.proxies = nets }
}

// BodyLimit is how many bytes of a request's body are kept in memory: all of it, except for
// the files of a form, which have no limit. The default is 16 MiB.
func BodyLimit(bytes int64) Option {
	return func(o *options) { o.bodyLimit = bytes }
}

// CrossOrigin decides which requests that a browser sends for another site are let in. The
// default is none that could change something: a browser adds a person's Basic credentials to
// whatever any site makes it send. Programs are not concerned.
func CrossOrigin(p *http.CrossOriginProtection) Option {
	return func(o *options) { o.crossOrigin = p }
}

// A server is one Handler.
type server struct {
	options
	app    *pulp.App
	log    *slog.Logger
	api    *routes
	docs   *library
	serve  serveFunc
	look   serveFunc // for HEAD
	logins Authenticator
}

func newServer(app *pulp.App, ops []pulp.Operation, opts []Option) *server {
	s := &server{app: app, log: app.Logger(), serve: app.Serve, look: app.Look}
	s.bodyLimit = 16 << 20
	s.authenticators = []Authenticator{Basic(app), Session(app)}
	s.crossOrigin = http.NewCrossOriginProtection()
	for _, o := range opts {
		o(&s.options)
	}
	s.logins = chain(s.authenticators)
	s.docs = newLibrary(app, ops)
	s.api = newRoutes(s, ops)
	return s
}

// ServeHTTP gives every request its correlation id, the App and the prefix of its links.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := correlate(w, r)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	ctx := s.app.With(r.Context())
	ctx = pulp.WithCaller(ctx, pulp.Caller{CorrelationID: id})
	ctx = pulp.WithPrefix(ctx, mountPoint(r))
	r = r.WithContext(ctx)
	defer s.rescue(w, r)
	if path, ok := strings.CutPrefix(r.URL.Path, s.app.ContentPath()); ok {
		s.content(w, r, s.app.ContentPath(), path)
		return
	}
	if prefix, path, ok := s.app.LivePath(r.URL.Path); ok {
		s.content(w, r, prefix, path)
		return
	}
	s.api.ServeHTTP(w, r)
}

// rescue answers a request whose handling panicked. The client learns nothing but that.
func (s *server) rescue(w http.ResponseWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler { //nolint:errorlint // a panic's value, compared as net/http does
		panic(v)
	}
	s.log.ErrorContext(r.Context(), "panic in a request", "panic", v, "method", r.Method, "path", r.URL.Path,
		"correlation_id", pulp.CallerOf(r.Context()).CorrelationID, "stack", string(debug.Stack()))
	writeJSON(w, http.StatusInternalServerError, detail{serverError})
}

// mountPoint is what the host has stripped from the request's path: "/mirror", or nothing.
func mountPoint(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, r.URL.Path) {
		return ""
	}
	asked, err := url.ParseRequestURI(r.RequestURI)
	if err != nil {
		return ""
	}
	prefix, ok := strings.CutSuffix(asked.Path, r.URL.Path)
	prefix = strings.Trim(prefix, "/") // "//host" would be a link to another server
	if !ok || prefix == "" {
		return ""
	}
	return "/" + prefix
}

// redirect sends the client to another path of the handler, with the same query.
func redirect(w http.ResponseWriter, r *http.Request, path string) {
	to := url.URL{Path: mountPoint(r) + path, RawQuery: r.URL.RawQuery}
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusMovedPermanently)
}

package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/sqlite"
)

// patience is how long requests and tasks may go on after the first signal.
const patience = 30 * time.Second

// run serves until ctx ends. It takes the directory first, then the address, and makes up a
// password last: what fails before that has told no secret and lost none.
func run(ctx context.Context, cfg config, out io.Writer) error {
	cert, err := cfg.certificate()
	if err != nil {
		return err
	}
	services, err := cfg.services()
	if err != nil {
		return err
	}
	options := []sqlite.Option{sqlite.Logger(cfg.log)}
	if cfg.shared {
		options = append(options, sqlite.Shared())
	}
	db, err := sqlite.Open(cfg.data, options...)
	if err != nil {
		return explainOpen(cfg, err)
	}
	l, err := net.Listen("tcp", cfg.addr)
	if err != nil {
		return errors.Join(explainListen(err), db.Close())
	}
	app, err := pulp.Open(ctx, db, pulp.Config{
		Plugins:         cfg.Plugins,
		SigningServices: services,
		AdminPassword:   cfg.password,
		Drain:           patience,
		Quota:           int64(cfg.quota),
		MinFree:         int64(cfg.minFree),
		Logger:          cfg.log,
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	announce(out, cfg, l, app)
	if cert != nil {
		l = tls.NewListener(l, cfg.tls(*cert))
	}
	return errors.Join(serve(ctx, cfg, app, l), app.Close())
}

// certificate reads the files for HTTPS; nil means HTTP.
func (c config) certificate() (*tls.Certificate, error) {
	if c.tlsCert == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(c.tlsCert, c.tlsKey)
	if err != nil {
		return nil, fmt.Errorf("read the certificate and its key: %w", err)
	}
	return &cert, nil
}

// tls asks for client certificates, if it shall, and leaves it to guards to judge them.
func (c config) tls(cert tls.Certificate) *tls.Config {
	t := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}}
	if c.clientCerts {
		t.ClientAuth = tls.RequestClientCert
	}
	return t
}

// serve answers requests, runs tasks and keeps mirrors until ctx ends.
func serve(ctx context.Context, cfg config, app *pulp.App, l net.Listener) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return httpapi.Serve(ctx, app, l, handler(app, httpapi.TrustProxies(cfg.proxies...))) })
	for _, m := range cfg.mirrors {
		g.Go(func() error {
			(&mirroring{mirror: m, app: app, log: cfg.log.With("mirror", m.name)}).run(ctx)
			return nil
		})
	}
	return g.Wait()
}

// handler serves the App, and leads who asks for nothing in particular to the content.
func handler(app *pulp.App, opts ...httpapi.Option) http.Handler {
	api := httpapi.Handler(app, opts...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, app.ContentPath(), http.StatusFound)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// announce tells where everything is, and how to log in.
func announce(out io.Writer, cfg config, l net.Listener, app *pulp.App) {
	base := baseURL(cfg, l.Addr())
	fmt.Fprintf(out, "Serving %s\n\n", cfg.data)
	for _, line := range [][2]string{
		{"content", app.ContentPath()}, {"API", app.APIPath()},
		{"docs", app.APIPath() + "docs/api.json"}, {"status", app.APIPath() + "status/"},
	} {
		fmt.Fprintf(out, "  %-8s %s%s\n", line[0], base, line[1])
	}
	switch made := app.NewAdminPassword(); {
	case made != "":
		fmt.Fprintf(out, "\n  login    admin\n  password %s\n           made up now and never shown again; PULP_ADMIN_PASSWORD sets another\n\n", made)
	case cfg.password != "":
		fmt.Fprint(out, "\n  login    admin, with the password in PULP_ADMIN_PASSWORD\n\n")
	default:
		fmt.Fprint(out, "\n  login    admin, with the password set before; PULP_ADMIN_PASSWORD sets another\n\n")
	}
	if at, ok := l.Addr().(*net.TCPAddr); ok && cfg.tlsCert == "" && !at.IP.IsLoopback() {
		cfg.log.Warn("passwords travel in the clear: use -tls-cert and -tls-key, or a proxy with TLS and -addr on the loopback")
	}
}

// baseURL is the address as a client on this machine would write it.
func baseURL(cfg config, addr net.Addr) string {
	scheme, host := "http", addr.String()
	if cfg.tlsCert != "" {
		scheme = "https"
	}
	if at, ok := addr.(*net.TCPAddr); ok && at.IP.IsUnspecified() {
		host = fmt.Sprintf("localhost:%d", at.Port)
	}
	return scheme + "://" + host
}

// explainOpen says what to do about a directory that cannot be used.
func explainOpen(cfg config, err error) error {
	switch {
	case errors.Is(err, sqlite.ErrLocked):
		return fmt.Errorf("%w\nanother server runs on %s: stop it, start both with -shared, or name another directory with -data", err, cfg.data)
	case errors.Is(err, sqlite.ErrNewerSchema):
		return err
	}
	return fmt.Errorf("%w\nname a directory that may be made and written with -data", err)
}

// explainListen says what to do about an address that cannot be had.
func explainListen(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w\nsomething else listens there: stop it, or choose another address with -addr", err)
	}
	return fmt.Errorf("%w\nthe address is like 127.0.0.1:24817, :24817 for all networks, or 127.0.0.1:0 for any free port", err)
}

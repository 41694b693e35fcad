// Command embed is a small build service that has a content platform inside. The service has its
// own handlers, its own tables and its own migration; the platform shares its database and its
// server, and gives its rows a REST API and its work a queue.
//
//	go run ./examples/embed           # tries itself and ends
//	go run ./examples/embed -serve    # serves on http://127.0.0.1:8080
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/sqlite"
)

// password is the one of the user admin; a real host takes it from its configuration, or brings
// its own users with httpapi.Authenticators.
const password = "only-for-this-example"

func main() {
	serve := flag.Bool("serve", false, "serve until Ctrl-C, instead of trying the service and ending")
	addr := flag.String("addr", "127.0.0.1:8080", "with -serve: the `address` to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	use := try
	if *serve {
		use = wait
	} else {
		*addr = "127.0.0.1:0"
	}
	if err := run(ctx, os.Stdout, *addr, use); err != nil {
		fmt.Fprintln(os.Stderr, "embed:", err)
		os.Exit(1)
	}
}

// run starts the service in a temporary directory, has use do something with it, and ends it.
func run(ctx context.Context, out io.Writer, addr string, use func(context.Context, io.Writer, string) error) (err error) {
	dir, err := os.MkdirTemp("", "pulp-embed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	app, err := open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, app.Close()) }()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: newService(app), ReadHeaderTimeout: 10 * time.Second}
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 2)
	go func() { ended <- app.Run(working) }() // the workers; without them tasks wait
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			ended <- err
			return
		}
		ended <- nil
	}()
	err = use(ctx, out, "http://"+l.Addr().String())
	stop()
	return errors.Join(err, server.Shutdown(context.WithoutCancel(ctx)), <-ended, <-ended)
}

// open opens the database, migrates the host's tables in it, and then the platform.
func open(ctx context.Context, dir string) (*pulp.App, error) {
	db, err := sqlite.Open(dir)
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err == nil {
		err = db.Migrate(ctx, "ci", files)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return pulp.Open(ctx, db, pulp.Config{
		Plugins:       []pulp.Plugin{file.Plugin()}, // repositories of files, beside the host's own rows
		Parts:         parts(),
		AdminPassword: password,
	})
}

// A service is the host: it had its handlers before the platform came.
type service struct{ app *pulp.App }

func newService(app *pulp.App) http.Handler {
	s := &service{app}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /build", s.build)
	mux.Handle("/platform/", http.StripPrefix("/platform", httpapi.Handler(app)))
	return mux
}

// build answers POST /build with the digest of what was built. The host's row, the task and its
// reservations are one transaction: either all of them are there, or nothing is.
func (s *service) build(w http.ResponseWriter, r *http.Request) {
	b := &Build{Revision: r.FormValue("revision"), Machine: r.FormValue("machine")}
	var ticket *pulp.Ticket[compileResult]
	err := s.app.Tx(r.Context(), func(ctx context.Context, tx bun.Tx) (err error) {
		if _, err = machineOf(ctx, tx, b); err != nil {
			return err
		}
		if err = builds.Insert(ctx, tx, b); err != nil {
			return err
		}
		ticket, err = enqueue(ctx, tx, b)
		return err
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	result, err := ticket.Wait(r.Context()) // or answer at once, and let the client look later
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, result.Digest)
}

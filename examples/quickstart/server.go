package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/sqlite"
)

// A server is a content platform in a temporary directory, on a free port of this machine.
type server struct {
	dir, url, password string
	stop               func() error // ends it and removes the directory
}

func start(ctx context.Context) (*server, error) {
	dir, err := os.MkdirTemp("", "pulp-quickstart-")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, password: rand.Text()[:12]}
	app, err := s.open(ctx)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, app.Close(), os.RemoveAll(dir))
	}
	s.url = "http://" + l.Addr().String()
	s.serve(context.WithoutCancel(ctx), app, l)
	return s, nil
}

func (s *server) open(ctx context.Context) (*pulp.App, error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	db, err := sqlite.Open(s.dir, sqlite.Logger(log))
	if err != nil {
		return nil, err
	}
	return pulp.Open(ctx, db, pulp.Config{
		Plugins:       []pulp.Plugin{file.Plugin()},
		AdminPassword: s.password,
		Drain:         time.Second,
		Logger:        log,
	})
}

// serve runs the tasks and answers requests until stop is called.
func (s *server) serve(ctx context.Context, app *pulp.App, l net.Listener) {
	ctx, cancel := context.WithCancel(ctx)
	web := &http.Server{Handler: httpapi.Handler(app), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 2)
	go func() { ended <- app.Run(ctx) }()
	go func() {
		err := web.Serve(l)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		ended <- err
	}()
	s.stop = func() error {
		cancel()
		return errors.Join(web.Close(), <-ended, <-ended, app.Close(), os.RemoveAll(s.dir))
	}
}

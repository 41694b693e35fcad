package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gopulp/pulp"
)

// Serve answers what comes to a listener by h, and runs app's tasks ([pulp.App.Run]), until ctx ends. Then it takes no
// more of either, and lets those under way go on for [pulp.Config].Drain; requests that have not ended are cut off. A
// nil h is Handler(app). It closes the listener, not the App.
//
// It is for programs that do nothing else. Any other one has a server already, mounts [Handler] there, and calls Run.
func Serve(ctx context.Context, app *pulp.App, l net.Listener, h http.Handler) error {
	if h == nil {
		h = Handler(app)
	}
	web := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second, // bodies and answers may take as long as they need
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(app.Logger().Handler(), slog.LevelWarn),
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return app.Run(ctx) })
	g.Go(func() error {
		if err := web.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		return shutdown(web, app)
	})
	return g.Wait()
}

func shutdown(web *http.Server, app *pulp.App) error {
	ctx, cancel := context.WithTimeout(context.Background(), app.Drain())
	defer cancel()
	err := web.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		app.Logger().Warn("cut off the requests that did not end")
		return web.Close()
	}
	return err
}

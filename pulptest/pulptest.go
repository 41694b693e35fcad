// Package pulptest is for people who test their own plugins, tasks and view sets: an App on a
// directory of its own, a client of its REST API, and a server that stands for the rest of the
// world and does what a test wants, be it nasty.
//
//	func TestSyncBringsTheFiles(t *testing.T) {
//		t.Parallel()
//		app := pulptest.New(t, pulptest.Plugins(file.Plugin()))
//		up := pulptest.NewUpstream(t)
//		up.Put("a.bin", "hello")
//		remote := app.Create(t, "remotes/file/file/", pulptest.Object{"name": "up", "url": up.URL("PULP_MANIFEST")})
//		repo := app.Create(t, "repositories/file/file/", pulptest.Object{"name": "foo"})
//		app.Completes(t, repo.Href()+"sync/", pulptest.Object{"remote": remote.Href()})
//		require.Len(t, app.List(t, "content/file/files/"), 1)
//	}
//
// Nothing here sleeps to be on the safe side: a test holds the upstream or a task at a [Gate],
// looks, and lets it go; and a [Clock] makes tomorrow come at once.
//
// By default the tasks run on workers, as in a program. [Inline] has each run before the
// dispatching transaction returns, [Manual] has none run until the test says [App.Drain]; either
// way one after the other, in an order that is the same each time. [RequireDispatched] says
// what was dispatched, whether it has run or not.
package pulptest

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/sqlite"
)

// T is what the helpers need of a test; *testing.T, *testing.B and *rapid.T have it.
type T interface {
	require.TestingT
	Helper()
}

// An App is a running App with a client of its REST API.
type App struct {
	*pulp.App
	*Client
	// Dir is its data directory.
	Dir string
	// Log is what it has logged so far.
	Log *Log

	server *httptest.Server
	stop   func()
	clock  *Clock // nil: the system's
	mode   mode
	held   *holds
}

// An Option says how an App for a test differs from the usual one.
type Option func(*options)

type options struct {
	pulp.Config
	dir    string
	sqlite []sqlite.Option
	http   []httpapi.Option
	clock  *Clock
	mode   mode
}

// Plugins adds plugins.
func Plugins(ps ...pulp.Plugin) Option {
	return func(o *options) { o.Config.Plugins = append(o.Config.Plugins, ps...) }
}

// Parts adds the host's own view sets and tasks.
func Parts(ps ...pulp.Part) Option {
	return func(o *options) { o.Config.Parts = append(o.Config.Parts, ps...) }
}

// Configure changes anything else of the configuration.
func Configure(f func(*pulp.Config)) Option { return func(o *options) { f(&o.Config) } }

// Dir opens a data directory that is there already. By default the App gets a new one.
func Dir(dir string) Option { return func(o *options) { o.dir = dir } }

// SQLite adds options of the database. By default it does not wait for the disk, since a test
// that fails to finish does not care what a power cut leaves.
func SQLite(opts ...sqlite.Option) Option {
	return func(o *options) { o.sqlite = append(o.sqlite, opts...) }
}

// HTTP adds options of the HTTP handler.
func HTTP(opts ...httpapi.Option) Option {
	return func(o *options) { o.http = append(o.http, opts...) }
}

// New opens an App, runs its tasks and serves its API until the test ends.
func New(t testing.TB, opts ...Option) *App {
	t.Helper()
	logs := &Log{}
	o := options{sqlite: []sqlite.Option{sqlite.Synchronous(sqlite.Off)}}
	o.Logger = slog.New(slog.NewTextHandler(logs, nil))
	o.AdminPassword, o.Drain = "password", 10*time.Second
	for _, set := range opts {
		set(&o)
	}
	if o.dir == "" {
		o.dir = t.TempDir()
	}
	db, err := sqlite.Open(o.dir, append([]sqlite.Option{sqlite.Logger(o.Logger)}, o.sqlite...)...)
	require.NoError(t, err)
	held := newHolds(o.Around)
	o.Around = held.around
	app, err := pulp.Open(context.Background(), db, o.Config)
	require.NoError(t, err)
	a := &App{App: app, Dir: o.dir, Log: logs, clock: o.clock, mode: o.mode, held: held}
	a.run(t)
	a.server = httptest.NewServer(httpapi.Handler(app, o.http...))
	a.Client = &Client{Base: a.server.URL, Root: app.APIPath(), User: "admin", Password: o.AdminPassword, http: a.server.Client()}
	t.Cleanup(a.Stop)
	return a
}

// run starts the workers, if there are any; Stop ends them, and what the App still has to say is
// in the log.
func (a *App) run(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	if a.mode == onWorkers {
		go func() { ended <- a.App.Run(ctx) }()
		select {
		case <-a.Started():
		case err := <-ended:
			ended <- err
		}
	} else {
		ended <- nil
	}
	once := false
	a.stop = func() {
		if once {
			return
		}
		once = true
		a.OpenGates()
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("run: %v", err)
		}
		a.server.CloseClientConnections()
		a.server.Close()
		if err := a.App.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

// Stop ends the App as its process would do when it is asked to. The test's end does it, too.
// [New] with [Dir] opens the directory again.
func (a *App) Stop() { a.stop() }

// Temps are the files that were received but not kept: none, as long as nothing is under way.
func (a *App) Temps(t T) []string {
	t.Helper()
	entries, err := os.ReadDir(a.Dir + "/media/tmp")
	require.NoError(t, err)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Heavy says whether tests may take minutes: the environment has PULP_TEST_HEAVY=1.
func Heavy() bool { return os.Getenv("PULP_TEST_HEAVY") == "1" }

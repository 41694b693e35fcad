package pulp_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

// How long a test waits for what must happen, and how often it looks where nothing tells it.
const (
	patience = 60 * time.Second
	tick     = 5 * time.Millisecond
)

// A taskHost is an App with tasks of a test's own, on a file of its own.
type taskHost struct {
	*pulp.App
	t    testing.TB
	dir  string
	stop func() error // what run returned
}

// hostTasks opens an App on a new directory. Its workers run until the test ends.
func hostTasks(t testing.TB, parts ...pulp.Part) *taskHost {
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: parts})
	h.run()
	return h
}

// openTasks opens an App whose workers do not run.
func openTasks(t testing.TB, dir string, cfg pulp.Config) *taskHost {
	t.Helper()
	return hostOn(t, openDatabase(t, dir), cfg)
}

// openDatabase opens the database of a directory.
func openDatabase(t testing.TB, dir string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Off))
	require.NoError(t, err)
	return db
}

// hostOn opens an App on a database.
func hostOn(t testing.TB, db pulp.Database, cfg pulp.Config) *taskHost {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	app, err := pulp.Open(context.Background(), db, cfg)
	require.NoError(t, err)
	h := &taskHost{App: app, t: t, dir: db.Dir()}
	t.Cleanup(func() {
		if h.App != nil {
			require.NoError(t, h.Close())
		}
	})
	return h
}

// run runs the workers until the test ends, or stop is called, which returns what Run did.
func (h *taskHost) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	<-h.Started()
	ended := false
	h.stop = func() error {
		if ended {
			return nil
		}
		ended = true
		cancel()
		return <-done
	}
	stop := h.stop
	h.t.Cleanup(func() { require.NoError(h.t, stop()) })
}

// dispatch dispatches a task in a transaction of its own.
func dispatch[A, R any](h *taskHost, task *pulp.Task[A, R], args A, opts ...pulp.DispatchOption) *pulp.Ticket[R] {
	h.t.Helper()
	var ticket *pulp.Ticket[R]
	require.NoError(h.t, h.Tx(context.Background(), func(ctx context.Context, tx bun.Tx) (err error) {
		ticket, err = task.Dispatch(ctx, tx, args, opts...)
		return err
	}))
	return ticket
}

// wait waits for a task, but not for ever.
func wait[R any](t testing.TB, ticket *pulp.Ticket[R]) (R, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return ticket.Wait(ctx)
}

// receive receives from c, but does not wait for ever.
func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		require.FailNow(t, "waited too long")
		panic("not reached")
	}
}

// A taskRow is what the database says of a task.
type taskRow struct {
	State             pulp.State
	Result, Error     *string
	Record            string
	Unblocked         bool
	CreatedBy, Parent *int64
	CorrelationID     string
	Finished          bool
}

func (h *taskHost) row(id pulp.ID) (r taskRow) {
	h.t.Helper()
	row := h.DB().Reader().DB.QueryRow(`SELECT state, result, error, record, unblocked_at IS NOT NULL, created_by, parent_id, logging_cid,
		finished_at IS NOT NULL FROM task WHERE pulp_id = ?`, id)
	require.NoError(h.t, row.Scan(&r.State, &r.Result, &r.Error, &r.Record, &r.Unblocked, &r.CreatedBy, &r.Parent, &r.CorrelationID, &r.Finished))
	return r
}

// count returns the one number that a query yields.
func (h *taskHost) count(query string, args ...any) (n int) {
	h.t.Helper()
	require.NoError(h.t, h.DB().Reader().DB.QueryRow(query, args...).Scan(&n))
	return n
}

// exec changes rows behind the App's back.
func (h *taskHost) exec(query string, args ...any) {
	h.t.Helper()
	_, err := h.DB().Writer().DB.Exec(query, args...)
	require.NoError(h.t, err)
}

// A stage has a task that runs until the test lets it end.
type stage struct {
	task    *pulp.Task[string, struct{}]
	started chan string
	mu      sync.Mutex
	exits   map[string]chan error
}

func newStage() *stage {
	s := &stage{started: make(chan string, 1000), exits: map[string]chan error{}}
	s.task = &pulp.Task[string, struct{}]{Name: "stage", Run: func(ctx context.Context, _ *pulp.Job, name string) (struct{}, error) {
		s.started <- name
		select {
		case err := <-s.exit(name):
			return struct{}{}, err
		case <-ctx.Done():
			return struct{}{}, ctx.Err()
		}
	}}
	return s
}

func (s *stage) exit(name string) chan error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exits[name] == nil {
		s.exits[name] = make(chan error, 1)
	}
	return s.exits[name]
}

// end lets the task of that name end.
func (s *stage) end(name string, err error) { s.exit(name) <- err }

// testDatabase opens a database in a directory of its own.
func testDatabase(t testing.TB) pulp.Database {
	t.Helper()
	return openDatabase(t, t.TempDir())
}

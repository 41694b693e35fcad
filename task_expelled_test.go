package pulp_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

// lonely returns a task that says when it begins, and a channel that yields the cause with which
// the context of its first attempt ended.
func lonely() (task *pulp.Task[string, int], started chan int, lost chan error) {
	started, lost = make(chan int, 10), make(chan error, 10)
	return &pulp.Task[string, int]{Name: "lonely", Retry: pulp.Retry{Attempts: 2}, Run: func(ctx context.Context, j *pulp.Job, _ string) (int, error) {
		started <- j.Attempt()
		if j.Attempt() == 1 {
			<-ctx.Done()
			lost <- context.Cause(ctx)
			return 0, j.CleanUp(func(context.Context, bun.Tx) error { return nil })
		}
		return j.Attempt(), nil
	}}, started, lost
}

func TestProcessThatWasExpelledGoesOnAsAnotherWorker(t *testing.T) {
	t.Parallel()
	task, started, lost := lonely()
	h := shareTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}, Workers: 2})
	h.run()
	ticket := dispatch(h, task, "")
	require.Equal(t, 1, receive(t, started))
	h.exec("DELETE FROM worker") // as another process does
	require.ErrorIs(t, receive(t, lost), pulp.ErrLost)
	n, err := wait(t, ticket)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, 2, h.count("SELECT id FROM worker"))
}

func TestProcessThatWasExpelledClaimsNothingBeforeItKnows(t *testing.T) {
	t.Parallel()
	task := double()
	h := shareTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}, Workers: 2})
	h.run()
	for _, opts := range [][]pulp.DispatchOption{nil, {pulp.AtOnce()}} {
		old := h.count("SELECT max(id) FROM worker")
		var ticket *pulp.Ticket[int]
		require.NoError(t, h.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) (err error) {
			if _, err = tx.Tx.Exec("DELETE FROM worker"); err == nil { // as another process does
				ticket, err = task.Dispatch(ctx, tx, 21, opts...)
			}
			return err
		}))
		_, err := wait(t, ticket)
		require.NoError(t, err)
		require.Greater(t, h.count("SELECT worker_id FROM task WHERE pulp_id = ?", ticket.ID), old)
	}
}

// A process that can neither write nor read for as long as its lease gives up its tasks, since
// others may take them.
func TestProcessThatLosesTheDatabaseGivesUpItsTasks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Off), sqlite.Shared(), sqlite.BusyTimeout(20*time.Millisecond))
	require.NoError(t, err)
	c := &counted{DB: db, n: &atomic.Int64{}}
	bad := &failing{counting: counting{pool: db.Reader().DB, n: c.n}}
	c.reader = bun.NewDB(sql.OpenDB(bad), sqlitedialect.New())
	task, started, lost := lonely()
	h := hostOn(t, c, pulp.Config{Parts: []pulp.Part{task}, Workers: 2, Lease: time.Second})
	t.Cleanup(func() { require.NoError(t, c.reader.Close()) })
	h.run()
	ticket := dispatch(h, task, "")
	require.Equal(t, 1, receive(t, started))

	other := shareTasks(t, dir, pulp.Config{Workers: -1})
	tx, err := other.DB().Writer().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	select {
	case <-lost:
		require.Fail(t, "it reads that nobody has taken them")
	case <-time.After(2 * time.Second):
	}
	bad.now.Store(true)
	require.ErrorIs(t, receive(t, lost), pulp.ErrLost)
	bad.now.Store(false)
	require.NoError(t, tx.Rollback())
	n, err := wait(t, ticket)
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

// failing is counting whose queries fail now.
type failing struct {
	counting
	now atomic.Bool
}

func (f *failing) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := f.counting.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &failingConn{c.(*countingConn), f}, nil
}

type failingConn struct {
	*countingConn
	failing *failing
}

func (c *failingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c.failing.now.Load() {
		return nil, errors.New("cannot read")
	}
	return c.countingConn.QueryContext(ctx, query, args)
}

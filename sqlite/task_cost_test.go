package sqlite_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

// What fills the tables, beside the task of id 1: tasks that wait for the same as it, and tasks
// that have ended.
const (
	copyTask = `WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
INSERT INTO task (pulp_id, domain_id, pulp_created, pulp_last_updated, name, state, finished_at, exclusive, shared, record, args)
SELECT randomblob(16), 1, n, n, t.name, ?2, iif(?2 = 'completed', n, NULL), t.exclusive, t.shared, t.record, t.args FROM n CROSS JOIN task t WHERE t.id = 1`
	copyReservations = `INSERT INTO reservation (resource, mode, ticket, task_id)
SELECT r.resource, r.mode, t.id, t.id FROM task t CROSS JOIN reservation r WHERE t.state = 'waiting' AND t.id > 1 AND r.task_id = 1`
)

// A cost is what something took of the writer.
type cost struct{ statements, pages int }

// A meter measures an App whose handlers end when they are told.
type meter struct {
	*pulp.App
	t          *testing.T
	db         *sqlite.DB
	statements atomic.Int64
	task       *pulp.Task[int, int]
	started    chan struct{}
	end        chan struct{}
}

func newMeter(t *testing.T, backlog, finished int) *meter {
	m := &meter{t: t, started: make(chan struct{}, 1), end: make(chan struct{})}
	count := func(string) sqlite.Fault {
		m.statements.Add(1)
		return sqlite.NoFault
	}
	var err error
	m.db, err = sqlite.Open(t.TempDir(), sqlite.Synchronous(sqlite.Off), sqlite.Faults(count))
	require.NoError(t, err)
	m.task = &pulp.Task[int, int]{Name: "task", Run: func(ctx context.Context, _ *pulp.Job, n int) (int, error) {
		m.started <- struct{}{}
		<-m.end
		return n, nil
	}}
	m.App, err = pulp.Open(t.Context(), m.db, pulp.Config{Parts: []pulp.Part{m.task}, Workers: 1, TaskRetention: -1, OrphanProtection: -1, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	m.dispatch(pulp.Exclusive(pulp.Name("r")), pulp.Shared(pulp.Name("s")))
	for _, fill := range []struct {
		n     int
		state string
	}{{finished, "completed"}, {backlog, "waiting"}} {
		if fill.n > 0 {
			_, err = m.db.Writer().DB.Exec(copyTask, fill.n, fill.state)
			require.NoError(t, err)
		}
	}
	_, err = m.db.Writer().DB.Exec(copyReservations)
	require.NoError(t, err)
	return m
}

func (m *meter) dispatch(options ...pulp.DispatchOption) (id pulp.ID) {
	require.NoError(m.t, m.Tx(m.t.Context(), func(ctx context.Context, tx bun.Tx) error {
		ticket, err := m.task.Dispatch(ctx, tx, 1, options...)
		if err == nil {
			id = ticket.ID
		}
		return err
	}))
	return id
}

// of measures one thing that is done a few times; the first time does not count, because it
// prepares statements.
func (m *meter) of(do func(i int)) (c cost) {
	const times = 8
	do(0)
	pages, err := m.db.Pages()
	require.NoError(m.t, err)
	statements := m.statements.Load()
	for i := range times {
		do(i + 1)
	}
	c.statements = int(m.statements.Load()-statements) / times
	now, err := m.db.Pages()
	require.NoError(m.t, err)
	c.pages = (now - pages) / times
	return c
}

// measure returns what the steps of a task cost.
func measure(t *testing.T, backlog, finished int) (costs map[string]cost) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter(t, backlog, finished)
		r, s := pulp.Exclusive(pulp.Name("r")), pulp.Shared(pulp.Name("s"))
		var blocked, free [9]pulp.ID
		costs = map[string]cost{
			"dispatch blocked": m.of(func(i int) { blocked[i] = m.dispatch(r, s) }),
			"dispatch free":    m.of(func(i int) { free[i] = m.dispatch(pulp.Exclusive(pulp.Name(fmt.Sprint(i))), s) }),
			"cancel blocked":   m.of(func(i int) { require.NoError(t, m.Cancel(t.Context(), blocked[i])) }),
			"cancel ready":     m.of(func(i int) { require.NoError(t, m.Cancel(t.Context(), free[i])) }),
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		<-m.started // the task of id 1; each that follows is readied by the one before
		costs["finish and claim"] = m.of(func(int) {
			m.end <- struct{}{}
			<-m.started
			synctest.Wait()
		})
		cancel()
		synctest.Wait()
		m.end <- struct{}{}
		require.NoError(t, <-done)
		require.NoError(t, m.Close())
	})
	return costs
}

func TestTasksCostTheSameWhateverWaitsAndWhateverHasBeen(t *testing.T) {
	t.Parallel()
	small := measure(t, 100, 0)
	for _, c := range []struct{ backlog, finished int }{
		{scale(10_000, 100_000, 100_000), 0},
		{100, scale(10_000, 20_000, 1_000_000)},
	} {
		for what, large := range measure(t, c.backlog, c.finished) {
			t.Logf("%s with %d waiting and %d ended: %v, with 100 and none %v", what, c.backlog, c.finished, large, small[what])
			require.Equal(t, small[what].statements, large.statements, what)
			// Trees become a few levels higher; a scan would be of a thousand pages.
			require.LessOrEqual(t, large.pages, 3*small[what].pages, what)
		}
	}
}

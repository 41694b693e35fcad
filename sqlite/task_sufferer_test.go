package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	modernc "modernc.org/sqlite"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

// A sufferer is an App whose database fails now and then, and what is known of its tasks.
type sufferer struct {
	*pulp.App
	t      *testing.T
	db     *sqlite.DB
	outage outage

	sturdy, once, stuck, inline *pulp.Task[int, int]
	parts                       []pulp.Part

	mu     sync.Mutex
	n      int            // the number of the last task
	starts map[int]int    // of handlers, by the task's number
	asked  map[int]string // type of each task that was dispatched
	acked  map[int]pulp.ID
	held   chan int // tasks of stuck that have begun
}

func newSufferer(t *testing.T) *sufferer {
	s := &sufferer{t: t, starts: map[int]int{}, asked: map[int]string{}, acked: map[int]pulp.ID{}, held: make(chan int, 100)}
	s.sturdy = &pulp.Task[int, int]{Name: "sturdy", Retry: pulp.Retry{Attempts: 3}, Run: s.run}
	s.once = &pulp.Task[int, int]{Name: "once", Run: s.run}
	s.inline = &pulp.Task[int, int]{Name: "inline", RunTx: func(ctx context.Context, tx bun.Tx, _ *pulp.Job, n int) (int, error) {
		return n, into("host", n)(ctx, tx)
	}}
	s.stuck = &pulp.Task[int, int]{Name: "stuck", Run: func(ctx context.Context, j *pulp.Job, n int) (int, error) {
		s.began(n)
		s.held <- n
		<-ctx.Done()
		return n, errors.Join(ctx.Err(), j.CleanUp(into("effect", n)))
	}}
	tick := &pulp.Task[int, int]{Name: "tick", Run: func(context.Context, *pulp.Job, int) (int, error) { return 0, nil }}
	s.parts = []pulp.Part{s.sturdy, s.once, s.stuck, s.inline, tick, pulp.Schedule{Name: "tick", Every: time.Minute, Work: tick.With(1)}}
	return s
}

// open opens the App on a directory, which may fail as everything may.
func (s *sufferer) open(dir string) (err error) {
	s.db, err = sqlite.Open(dir, sqlite.Synchronous(sqlite.Off), sqlite.Faults(s.outage.strike),
		sqlite.BusyTimeout(20*time.Millisecond), sqlite.Logger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	s.App, err = pulp.Open(s.t.Context(), s.db, pulp.Config{
		Parts: s.parts, Workers: 2, Logger: slog.New(slog.DiscardHandler), AdminPassword: "password", OrphanProtection: -1,
	})
	return err
}

// makeTables makes the tables of the host.
func (s *sufferer) makeTables() {
	_, err := s.db.Writer().DB.Exec("CREATE TABLE host (n INTEGER); CREATE TABLE effect (n INTEGER)")
	require.NoError(s.t, err)
}

func into(table string, n int) func(context.Context, bun.Tx) error {
	return func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.Tx.ExecContext(ctx, "INSERT INTO "+table+" VALUES (?)", n)
		return err
	}
}

func (s *sufferer) began(n int) (times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starts[n]++
	return s.starts[n]
}

// run is the handler of ordinary tasks: it reports, writes, may have a child, may fail once, and
// leaves a row with its end.
func (s *sufferer) run(ctx context.Context, j *pulp.Job, n int) (int, error) {
	times := s.began(n)
	j.Progress("p", "Working", 1).Add(1)
	err := j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if n%7 == 3 && times == 1 {
			if _, _, err := s.dispatch(ctx, tx, s.once); err != nil {
				return err
			}
		}
		return into("effect", n)(ctx, tx)
	})
	if n%5 == 4 && times == 1 {
		err = errors.Join(err, errors.New("failed"))
	}
	j.OnFinish(into("host", n))
	return n, err
}

// dispatch dispatches a task with a number of its own, which is its key, too.
func (s *sufferer) dispatch(ctx context.Context, tx bun.Tx, task *pulp.Task[int, int], options ...pulp.DispatchOption) (n int, id pulp.ID, err error) {
	s.mu.Lock()
	s.n++
	n = s.n
	s.asked[n] = task.Name
	s.mu.Unlock()
	ticket, err := task.Dispatch(ctx, tx, n, append(options, pulp.Unique(fmt.Sprint(n)))...)
	if err != nil {
		return n, id, err
	}
	return n, ticket.ID, nil
}

// insist does something until it works, as a client would. What does not work says why.
func (s *sufferer) insist(f func() error) {
	for {
		err := f()
		if err == nil {
			return
		}
		require.True(s.t, ofDatabase(err), "the error does not say that it is the database's: %v", err)
		time.Sleep(time.Second)
	}
}

func ofDatabase(err error) bool {
	return errors.Is(err, sqlite.ErrBatchLost) || errors.As(err, new(*modernc.Error))
}

// send dispatches one task, until it is there.
func (s *sufferer) send(task *pulp.Task[int, int], options ...pulp.DispatchOption) (id pulp.ID) {
	s.insist(func() error {
		var n int
		err := s.Tx(s.t.Context(), func(ctx context.Context, tx bun.Tx) (err error) {
			n, id, err = s.dispatch(ctx, tx, task, options...)
			return err
		})
		if err == nil {
			s.acked[n] = id
		}
		return err
	})
	return id
}

func (s *sufferer) query(query string, args []any, each func(scan func(...any) error) error) error {
	rows, err := s.db.Reader().DB.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

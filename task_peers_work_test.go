package pulp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
)

// A sharedWork is what was dispatched in a directory that processes share.
type sharedWork struct {
	*taskHost
	sturdy, once *pulp.Task[work, int]
	tickets      []*pulp.Ticket[int]
}

func newWork(t *testing.T, dir string, lease time.Duration, workers int) *sharedWork {
	h, sturdy, once := openPeer(t, dir, lease, workers)
	h.exec(stepSchema)
	return &sharedWork{taskHost: h, sturdy: sturdy, once: once}
}

// add dispatches a task. Every second one may start once, and its resources depend on its number.
func (s *sharedWork) add(w work) {
	s.t.Helper()
	n := len(s.tickets)
	task := []*pulp.Task[work, int]{s.sturdy, s.once}[n%2]
	name := func(i int) pulp.Resource { return pulp.Name(fmt.Sprint("r", i%12)) }
	opts := []pulp.DispatchOption{pulp.Exclusive(name(n)), pulp.Shared(name(n + 6 + n%3))}
	for {
		var ticket *pulp.Ticket[int]
		err := s.Tx(context.Background(), func(ctx context.Context, tx bun.Tx) (err error) {
			ticket, err = task.Dispatch(ctx, tx, w, opts...)
			return err
		})
		if !errors.Is(err, pulp.ErrBusy) {
			require.NoError(s.t, err)
			s.tickets = append(s.tickets, ticket)
			return
		}
	}
}

// check waits for all tasks, and looks whether what they wrote could have been written one after
// another.
func (s *sharedWork) check() {
	s.t.Helper()
	for _, ticket := range s.tickets {
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		_, err := ticket.Wait(ctx)
		cancel()
		var failure *pulp.TaskError
		if errors.As(err, &failure) {
			require.Equal(s.t, "Worker has gone missing.", failure.Text)
			continue
		}
		require.NoError(s.t, err)
	}
	require.Zero(s.t, s.count("SELECT count(*) FROM zombie"), "writes of attempts that were superseded")
	require.Zero(s.t, s.count("SELECT count(*) FROM task WHERE name = 'sturdy' AND state <> 'completed'"))
	require.Zero(s.t, s.count("SELECT count(*) FROM task WHERE name = 'once' AND attempt > 1"))
	require.Zero(s.t, s.count(`SELECT count(*) FROM task t WHERE name IN ('sturdy', 'once')
		AND (state = 'completed') <> (SELECT count(*) FROM step WHERE task = t.pulp_id AND last)`), "the last step is there if and only if the task completed")
	s.checkOverlaps()
	require.NoError(s.t, s.Sweep(context.Background()))
	for name, query := range pulp.SweepStatements() {
		if name != "running" {
			require.Zero(s.t, s.count("SELECT count(*) FROM ("+query+")"), name)
		}
	}
	require.Zero(s.t, s.count("SELECT count(*) FROM reservation"))
	require.Zero(s.t, s.count("SELECT count(*) FROM goqite"))
}

// An attempt is the part of the history of all commits between an attempt's first and last step.
type attempt struct {
	record      []string
	first, last int
}

func (s *sharedWork) checkOverlaps() {
	s.t.Helper()
	rows, err := s.DB().Reader().DB.Query(`SELECT t.record, min(s.id), max(s.id) FROM step s JOIN task t ON t.pulp_id = s.task
		GROUP BY s.task, s.attempt ORDER BY min(s.id)`)
	require.NoError(s.t, err)
	defer rows.Close()
	var all []attempt
	for rows.Next() {
		var a attempt
		var record string
		require.NoError(s.t, rows.Scan(&record, &a.first, &a.last))
		a.record = strings.Split(strings.Trim(record, "[]"), ",")
		for _, b := range all {
			require.False(s.t, b.last > a.first && conflict(a.record, b.record), "%v and %v ran at the same time", a, b)
		}
		all = append(all, a)
	}
	require.NoError(s.t, rows.Err())
}

// conflict says whether two records name the same resource, one of them exclusively.
func conflict(x, y []string) bool {
	for _, name := range x {
		bare := strings.Replace(name, "shared:", "", 1)
		if slices.Contains(y, bare) || bare == name && slices.Contains(y, strings.Replace(name, `"`, `"shared:`, 1)) {
			return true
		}
	}
	return false
}

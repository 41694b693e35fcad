package sqlite_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/internal/taskrule"
	"github.com/gopulp/pulp/sqlite"
)

// An outage has one statement fail, or all for some time.
type outage struct {
	mu     sync.Mutex
	kind   sqlite.Fault
	at     int           // the number of the statement, of the commit if it is TooLate; zero: none
	lasts  time.Duration // zero: that statement alone
	seen   int
	struck bool
	until  time.Time
}

// plan says what is to fail from now on, and returns how many statements there were since it
// was called last, and whether one has failed: 1 or 0.
func (o *outage) plan(kind sqlite.Fault, at int, lasts time.Duration) (seen, struck int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if seen = o.seen; o.struck {
		struck = 1
	}
	o.kind, o.at, o.lasts, o.seen, o.struck = kind, at, lasts, 0, false
	return seen, struck
}

func (o *outage) strike(text string) sqlite.Fault {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.kind == sqlite.TooLate && text != sqlite.CommitStatement {
		return sqlite.NoFault
	}
	o.seen++
	switch {
	case o.at == 0 || o.seen < o.at || o.struck && !time.Now().Before(o.until):
		return sqlite.NoFault
	case !o.struck:
		o.struck, o.until = true, time.Now().Add(o.lasts)
	}
	return o.kind
}

// round has tasks of all kinds dispatched, run, canceled, paused, retried and forgotten, while
// the outage comes, and waits until it must be over.
func (s *sufferer) round() {
	a, b, all := pulp.Name("a"), pulp.Name("b"), pulp.Name("all")
	s.send(s.stuck, pulp.Exclusive(a))
	blocked := s.send(s.once, pulp.Exclusive(a), pulp.Shared(all))
	s.insist(func() error { return notThere(s.Cancel(s.t.Context(), blocked)) })
	s.insist(func() error { return s.Pause(s.t.Context(), "once") })
	for i := range 3 {
		s.send(s.sturdy, pulp.Shared(a), pulp.Exclusive(b), pulp.Limit{Key: "l", N: 1})
		s.send(s.once, pulp.Exclusive(all), pulp.Priority(i))
		s.send(s.inline, pulp.Shared(pulp.Name(fmt.Sprint(i))))
	}
	s.send(s.inline, pulp.Exclusive(a))
	s.send(s.sturdy, pulp.After(time.Second), pulp.Shared(b))
	<-s.held
	s.cancelStuck()
	s.insist(func() error { return s.Resume(s.t.Context(), "once") })
	time.Sleep(5 * time.Minute)
	synctest.Wait()
	for len(s.held) > 0 {
		<-s.held
	}
}

// cancelStuck cancels all tasks that do not end by themselves. There may be more than this test
// knows of, where a commit was said to have failed.
func (s *sufferer) cancelStuck() {
	var ids []pulp.ID
	s.insist(func() error {
		ids = nil
		return s.query("SELECT pulp_id FROM task WHERE name = 'stuck' AND finished_at IS NULL ORDER BY id DESC", nil, func(scan func(...any) error) error {
			var id pulp.ID
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	})
	for _, id := range ids {
		s.insist(func() error { return notThere(s.Cancel(s.t.Context(), id)) })
	}
}

// notThere passes over the errors of a cancel that came too late.
func notThere(err error) error {
	if errors.Is(err, pulp.ErrConflict) {
		return nil
	}
	return err
}

// judge says whether anything was lost or done twice, or stayed undone.
func (s *sufferer) judge(kind sqlite.Fault) {
	wrong, err := taskrule.Violations(s.t.Context(), s.db.Reader().DB)
	require.NoError(s.t, err)
	require.Empty(s.t, wrong)
	states, rows := map[int]string{}, map[int]int{}
	require.NoError(s.t, s.query("SELECT CAST(unique_key AS INTEGER), state FROM task WHERE unique_key IS NOT NULL", nil, func(scan func(...any) error) error {
		var n int
		var state string
		defer func() { states[n] = state }()
		return scan(&n, &state)
	}))
	require.NoError(s.t, s.query("SELECT n, count(*) FROM host GROUP BY n", nil, func(scan func(...any) error) error {
		var n, count int
		defer func() { rows[n] = count }()
		return scan(&n, &count)
	}))
	for n, name := range s.asked {
		state, there := states[n]
		_, acked := s.acked[n]
		require.True(s.t, there || !acked, "task %d (%s) is lost", n, name)
		require.True(s.t, !there || pulp.State(state).Final(), "task %d (%s) is %s", n, name, state)
		if name == "once" || name == "stuck" {
			require.LessOrEqual(s.t, s.starts[n], 1, "task %d (%s) ran twice", n, name)
		}
		require.LessOrEqual(s.t, s.starts[n], 3)
		require.True(s.t, there || s.starts[n] == 0, "task %d (%s) ran, but is not there", n, name)
		if name != "stuck" {
			require.Equal(s.t, state == "completed", rows[n] == 1, "task %d (%s) is %s, with %d rows", n, name, state, rows[n])
		}
		if state == "completed" && name != "inline" {
			require.Positive(s.t, s.starts[n])
		}
		if kind == sqlite.NoFault && state == "failed" {
			require.True(s.t, name == "once" && n%5 == 4, "task %d (%s) failed where nothing was wrong", n, name)
		}
	}
	for n, count := range rows {
		require.Equal(s.t, 1, count, "task %d wrote twice", n)
	}
}

// forget purges all that has ended.
func (s *sufferer) forget() {
	i := slices.IndexFunc(s.Operations(), func(o pulp.Operation) bool { return o.ID == "tasks_purge" })
	before, err := json.Marshal(time.Now())
	require.NoError(s.t, err)
	states := json.RawMessage(`["completed","failed","canceled"]`)
	s.insist(func() error {
		r := &pulp.Request{Body: pulp.Input{Fields: map[string]json.RawMessage{"finished_before": before, "states": states}}}
		_, err := s.Operations()[i].Do(s.With(s.t.Context()), r)
		return err
	})
	time.Sleep(2 * time.Minute)
	synctest.Wait()
}

// clean makes ready for the next round.
func (s *sufferer) clean() {
	_, err := s.db.Writer().DB.Exec("DELETE FROM host; DELETE FROM effect; DELETE FROM task WHERE finished_at IS NOT NULL")
	require.NoError(s.t, err)
	clear(s.starts)
	clear(s.asked)
	clear(s.acked)
}

func TestTasksOutliveFailuresOfTheDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSufferer(t)
		require.NoError(t, s.open(t.TempDir()))
		s.makeTables()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		<-s.Started()
		rounds, strikes := 0, 0
		defer func() {
			cancel()
			require.NoError(t, <-done)
			require.NoError(t, s.Close())
		}()
		each := scale(2, 6, 100_000)
		for _, kind := range []sqlite.Fault{sqlite.Busy, sqlite.NoSpace, sqlite.NoIO, sqlite.TooLate} {
			for _, phase := range []func(){s.round, s.forget} {
				s.outage.plan(kind, 0, 0)
				phase()
				total, _ := s.outage.plan(sqlite.NoFault, 0, 0)
				s.judge(sqlite.NoFault)
				s.clean()
				for at := 1; at <= total; at += max(1, total/each) {
					for _, lasts := range []time.Duration{0, 3 * time.Second} {
						if kind == sqlite.TooLate && lasts > 0 {
							continue // who gets no true answer for long cannot know what to do
						}
						s.outage.plan(kind, at, lasts)
						phase()
						_, struck := s.outage.plan(sqlite.NoFault, 0, 0)
						strikes += struck
						s.judge(kind)
						s.clean()
						rounds++
					}
				}
			}
		}
		require.Greater(t, strikes, rounds*8/10, "the outages come")
	})
}

// leave makes a directory as a process leaves it that is killed while its tasks run, wait, are
// canceled, paused and held back. It returns how many of them are unfinished.
func leave(t *testing.T, dir string) (unfinished int) {
	synctest.Test(t, func(t *testing.T) {
		s := newSufferer(t)
		live := t.TempDir()
		require.NoError(t, s.open(live))
		s.makeTables()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		<-s.Started()
		a := pulp.Name("a")
		s.send(s.stuck, pulp.Exclusive(a))
		second := s.send(s.stuck, pulp.Shared(pulp.Name("b")))
		s.send(s.sturdy, pulp.Shared(a))
		s.send(s.once, pulp.Shared(a))
		s.send(s.once, pulp.After(time.Hour))
		s.send(s.sturdy)
		require.NoError(t, s.Pause(t.Context(), "once"))
		s.send(s.once)
		synctest.Wait()
		_, err := s.db.Writer().DB.Exec("UPDATE task SET state = 'canceling' WHERE pulp_id = ?", second)
		require.NoError(t, err)
		require.NoError(t, s.query("SELECT count(*) FROM task WHERE finished_at IS NULL", nil, func(scan func(...any) error) error { return scan(&unfinished) }))
		require.NoError(t, os.CopyFS(dir, os.DirFS(live)))
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, s.Close())
	})
	return unfinished
}

func TestOpenThatFailsAnywhereCanBeRepeated(t *testing.T) {
	t.Parallel()
	dead := t.TempDir()
	unfinished := leave(t, dead)
	s := newSufferer(t)
	open := func(dir string) error {
		require.NoError(t, os.CopyFS(dir, os.DirFS(dead)))
		return s.open(dir)
	}
	require.NoError(t, open(t.TempDir()))
	require.NoError(t, s.Close())
	total, _ := s.outage.plan(sqlite.NoFault, 0, 0)
	for _, kind := range []sqlite.Fault{sqlite.Busy, sqlite.NoSpace, sqlite.NoIO, sqlite.TooLate} {
		for at := 1; at <= total; at += max(1, total/scale(2, 6, total)) {
			dir := t.TempDir()
			s.outage.plan(kind, at, 0)
			err := open(dir)
			_, struck := s.outage.plan(sqlite.NoFault, 0, 0)
			if err == nil {
				require.NoError(t, s.Close())
			} else {
				require.Equal(t, 1, struck)
				require.True(t, ofDatabase(err), "the error does not say that it is the database's: %v", err)
			}
			require.NoError(t, s.open(dir), "%s at statement %d of an earlier Open", kind, at)
			wrong, err := taskrule.Violations(t.Context(), s.db.Reader().DB)
			require.NoError(t, err)
			require.Empty(t, wrong)
			var left int
			require.NoError(t, s.query("SELECT count(*) FROM task WHERE finished_at IS NULL", nil, func(scan func(...any) error) error { return scan(&left) }))
			require.Equal(t, unfinished-2, left, "those that ran are ended, the others are there")
			require.NoError(t, s.Close())
			if kind == sqlite.TooLate && struck == 0 {
				break // there are fewer commits than statements
			}
		}
	}
}

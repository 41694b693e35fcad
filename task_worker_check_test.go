package pulp_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/internal/taskrule"
)

// check looks at what the workers have come to.
func (m *workMachine) check() {
	synctest.Wait()
	reader := m.DB().Reader().DB
	wrong, err := taskrule.Violations(context.Background(), reader)
	require.NoError(m.chooser, err)
	require.Empty(m.chooser, wrong)

	ready := m.numbers("state = 'waiting' AND unblocked_at IS NOT NULL AND name NOT IN (SELECT name FROM paused_type)")
	running := m.with(atWork)
	inRows := m.numbers("state IN ('running', 'canceling')")
	for _, c := range running {
		require.Contains(m.chooser, inRows, c.number, "a handler runs whose task does not")
	}
	require.Len(m.chooser, running, len(inRows), "a task runs whose handler does not: %v", inRows)
	if len(ready) > 0 {
		require.GreaterOrEqual(m.chooser, len(running), workers, "a worker is idle while %v are ready", slices.Collect(maps.Keys(ready)))
	}
	require.Empty(m.chooser, m.numbers("state = 'canceling'"), "a handler does not learn that it is canceled")
	late := fmt.Sprintf("state = 'waiting' AND run_at < %d", time.Now().Add(-10*time.Millisecond).UnixMicro())
	require.Empty(m.chooser, m.numbers(late), "a task is held back for too long")
	var wants []taskrule.Task
	for _, c := range running {
		wants = append(wants, c.wants)
	}
	require.NotContains(m.chooser, taskrule.Unblocked(wants), false, "handlers overlap that must not")
	m.checkOrder(ready)
}

// checkOrder looks at who began in the last step.
func (m *workMachine) checkOrder(ready map[int]bool) {
	m.mu.Lock() // what a timer starts is not ordered after this goroutine
	defer m.mu.Unlock()
	for _, c := range m.begun {
		for n := range ready {
			other := m.chores[n]
			overtaken := other.priority > c.priority || other.priority == c.priority && !c.ready
			require.False(m.chooser, other.ready && overtaken && !c.atOnce, "chore %d began before chore %d, which was ready before", c.number, n)
		}
		require.True(m.chooser, c.starts == 1 || c.task == m.sturdy && c.starts <= attempts, "chore %d began too often", c.number)
	}
	m.begun = nil
	for _, c := range m.chores {
		c.ready = ready[c.number]
	}
}

// numbers returns those of the chores whose rows fit.
func (m *workMachine) numbers(where string) map[int]bool {
	rows, err := m.DB().Reader().DB.Query("SELECT pulp_id FROM task WHERE " + where)
	require.NoError(m.chooser, err)
	defer rows.Close()
	all := map[int]bool{}
	for rows.Next() {
		var id pulp.ID
		require.NoError(m.chooser, rows.Scan(&id))
		i := slices.IndexFunc(m.chores, func(c *chore) bool { return c.id == id })
		require.GreaterOrEqual(m.chooser, i, 0, "a task that nobody dispatched")
		all[i] = true
	}
	return all
}

// play does so many steps, and has all chores come to their ends.
func (m *workMachine) play(c chooser, steps int) {
	m.chooser = c
	m.exec("DELETE FROM task")
	m.chores, m.begun = nil, nil
	m.run()
	for range steps {
		m.steps[c.choose(len(m.steps), "step")](m)
		m.check()
	}
	if m.paused {
		m.pause()
	}
	for n := 0; ; n++ {
		require.Less(m.chooser, n, 10_000, "it never ends")
		time.Sleep(time.Second)
		m.check()
		some := m.with(atWork)
		if len(some) == 0 && m.count("SELECT count(*) FROM task WHERE finished_at IS NULL") == 0 {
			require.NoError(m.chooser, m.stop())
			return
		}
		if len(some) > 0 {
			some[0].exit <- nil
		}
	}
}

// suspectWork plays games in a bubble, until something is found to be wrong, and returns that.
func suspectWork(t *testing.T, games uint64, wrap func(pulp.Database) pulp.Database) (wrong string) {
	synctest.Test(t, func(t *testing.T) {
		m := newWorkMachine(t, wrap)
		defer m.Close()
		m.stop = func() error { return nil }
		defer func() { _ = m.stop() }()
		for seed := uint64(0); seed < games && wrong == ""; seed++ {
			if wrong = m.suspect(seed); wrong != "" {
				wrong = fmt.Sprintf("game %d: %s", seed, wrong)
			}
		}
	})
	return wrong
}

func (m *workMachine) suspect(seed uint64) (wrong string) {
	d := newDie(seed)
	defer func(t testing.TB) {
		m.taskHost.t = t
		if p := recover(); p != nil && p != d {
			panic(p)
		}
		wrong = d.wrong
	}(m.taskHost.t)
	m.taskHost.t = accuser{m.taskHost.t, d}
	m.play(d, 40)
	return
}

func TestWorkersDoWhatTheyShouldAtOnce(t *testing.T) {
	t.Parallel()
	require.Empty(t, suspectWork(t, games(t, 15), nil))
}

package pulp_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gopulp/pulp"
)

// A drawer has rapid choose, which finds the shortest way to a failure.
type drawer struct{ *rapid.T }

func (d drawer) choose(n int, what string) int { return rapid.IntRange(0, n-1).Draw(d.T, what) }

func TestTasksFollowTheModel(t *testing.T) {
	t.Parallel()
	m := newRuleMachine(t, nil)
	rapid.Check(t, func(rt *rapid.T) {
		m.begin(drawer{rt})
		actions := map[string]func(*rapid.T){"": func(*rapid.T) { m.check() }}
		for _, s := range ruleSteps {
			actions[s.name] = func(rt *rapid.T) {
				if !s.do(m) {
					rt.Skip("not now")
				}
			}
		}
		rt.Repeat(actions)
		m.drain()
	})
}

// drain ends all tasks, the oldest first. It always comes to an end.
func (m *ruleMachine) drain() {
	for name, paused := range m.paused {
		if paused {
			m.ok(m.Resume(m.host.Context(), name))
			m.paused[name] = false
		}
	}
	m.now = m.now.Add(time.Hour)
	m.admit()
	for {
		free := m.unblocked()
		if len(free) == 0 {
			break
		}
		t := free[0]
		if t.job == nil {
			j, err := m.ClaimTask(m.host.Context(), t.id)
			m.ok(err)
			require.NotNil(m.chooser, j)
			m.started(t, j)
			m.check()
		}
		m.end(t, 0)
		m.check()
	}
	for _, t := range m.tasks {
		require.True(m.chooser, t.state.Final())
	}
}

// A die chooses by chance, and gives up at the first failure.
type die struct {
	*rand.Rand
	said []string
}

func (d *die) choose(n int, what string) int {
	k := d.IntN(n)
	d.said = append(d.said, fmt.Sprintf("%s %d", what, k))
	return k
}

func (d *die) Errorf(format string, args ...any) {
	d.said = append(d.said, fmt.Sprintf(format, args...))
}
func (d *die) FailNow() { panic(d) }

// play has the machine do so many steps and come to an end.
func (m *ruleMachine) play(c chooser, steps int) {
	m.begin(c)
	for range steps {
		s := ruleSteps[c.choose(len(ruleSteps), "step")]
		if s.do(m) {
			m.check()
		}
	}
	m.drain()
}

var _ = pulp.Waiting

package pulp_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
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
	wrong string
}

func newDie(seed uint64) *die { return &die{Rand: rand.New(rand.NewPCG(seed, 0))} }

func (d *die) choose(n int, _ string) int { return d.IntN(n) }

func (d *die) Errorf(format string, args ...any) { d.wrong += fmt.Sprintf(format, args...) }
func (d *die) FailNow()                          { panic(d) }

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

// gamesToPlay says how many games a test plays, for a search that takes as long as one likes.
const gamesToPlay = "PULP_TEST_GAMES"

// games is how many are played.
func games(t *testing.T, normally uint64) uint64 {
	if os.Getenv(gamesToPlay) == "" {
		if testing.Short() { // each takes 16 times as long under the race detector
			return normally/5 + 1
		}
		return normally
	}
	n, err := strconv.ParseUint(os.Getenv(gamesToPlay), 10, 64)
	require.NoError(t, err)
	return n
}

func TestModelHoldsForManyGames(t *testing.T) {
	t.Parallel()
	m := newRuleMachine(t, nil)
	first := knownGames[os.Getenv(mutantAtWork)]
	for n := range games(t, 20) {
		require.Empty(t, m.suspect(first+n, 40), "seed %d", first+n)
	}
}

// suspect plays one game by chance, and returns what was found to be wrong.
func (m *ruleMachine) suspect(seed uint64, steps int) (wrong string) {
	d := newDie(seed)
	defer func(host testing.TB) {
		m.host, m.taskHost.t = host, host
		if p := recover(); p != nil && p != d {
			panic(p)
		}
		wrong = d.wrong
	}(m.host)
	m.host = accuser{m.host, d}
	m.taskHost.t = m.host
	m.play(d, steps)
	return
}

// An accuser fails the game instead of the test.
type accuser struct {
	testing.TB
	*die
}

func (a accuser) Errorf(format string, args ...any) { a.die.Errorf(format, args...) }
func (a accuser) FailNow()                          { a.die.FailNow() }

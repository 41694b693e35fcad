package pulp_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/internal/taskrule"
	"github.com/gopulp/pulp/pulptest"
)

// The small model is one in which nothing is left to chance: at most four tasks, three
// resources, two workers, and a crash at any time. Its states are finitely many, so that each
// step can be tried from each of them.
const smallTasks, smallWorkers = 4, 2

// smallWants are what its tasks may want.
var smallWants = []taskrule.Task{
	{Exclusive: []string{"a"}},
	{Shared: []string{"a"}},
	{Exclusive: []string{"b"}, Shared: []string{"a"}},
	{Exclusive: []string{"a", "c"}, Shared: []string{"b"}},
	{Shared: []string{"b", "c"}},
	{Exclusive: []string{"c"}, Limits: []taskrule.Limit{{Key: "one", N: 1}}},
}

// A smallMachine walks through the states of the small model.
type smallMachine struct {
	*ruleMachine
	steps map[string]map[string]string // from each known state with each known step to another
	rest  map[string][]string          // steps that were not tried yet
}

// live are the unfinished tasks, in line.
func (m *smallMachine) live() []*modelTask {
	return slices.DeleteFunc(slices.Clone(m.tasks), func(t *modelTask) bool { return t.state.Final() })
}

// state names where the machine is: what each task wants, and what it does.
func (m *smallMachine) state() string {
	var s strings.Builder
	for _, t := range m.live() {
		fmt.Fprintf(&s, "%d%c ", t.priority, t.state[0])
	}
	return s.String()
}

// choices are the steps that can be made here.
func (m *smallMachine) choices() (all []string) {
	live := m.live()
	if len(live) < smallTasks {
		for i := range smallWants {
			all = append(all, fmt.Sprint("dispatch ", i))
		}
	}
	running := 0
	for _, t := range live {
		if t.job != nil {
			running++
		}
	}
	free := m.unblocked()
	for i, t := range live {
		if t.state != pulp.Canceling {
			all = append(all, fmt.Sprint("cancel ", i))
		}
		switch {
		case t.job != nil:
			all = append(all, fmt.Sprint("end ", i))
		case running < smallWorkers && slices.Contains(free, t):
			all = append(all, fmt.Sprint("claim ", i))
		}
	}
	if running > 0 {
		all = append(all, "crash 0")
	}
	return all
}

// do makes a step, and looks at everything if nobody has made it from here before.
func (m *smallMachine) do(step string, known bool) {
	var what string
	var i int
	_, err := fmt.Sscan(step, &what, &i)
	m.ok(err)
	ctx, live := context.Background(), m.live()
	switch what {
	case "dispatch":
		t := &modelTask{number: len(m.tasks), state: pulp.Waiting, task: m.once, wants: smallWants[i], priority: i}
		t.id = dispatch(m.taskHost, m.once, 0, wanting(t.wants, i)...).ID
		m.tasks = append(m.tasks, t)
	case "cancel":
		m.ok(m.Cancel(ctx, live[i].id))
		m.canceled(live[i])
	case "claim":
		j, err := m.ClaimTask(ctx, live[i].id)
		m.ok(err)
		require.NotNil(m.chooser, j)
		m.started(live[i], j)
	case "end":
		m.end(live[i], 0)
	case "crash": // as recovery sees it; a true one is among the steps of the large model
		for _, t := range live {
			if t.job != nil {
				t.job.Forget()
			}
		}
		m.ok(m.Sweep(ctx))
		for _, t := range live {
			if t.job != nil {
				m.lost(t)
			}
		}
	}
	if known {
		m.compare()
	} else {
		m.check()
	}
}

// wanting are the options of a task that wants w.
func wanting(w taskrule.Task, priority int) []pulp.DispatchOption {
	options := []pulp.DispatchOption{pulp.Priority(priority)}
	for _, name := range w.Exclusive {
		options = append(options, pulp.Exclusive(pulp.Name(name)))
	}
	for _, name := range w.Shared {
		options = append(options, pulp.Shared(pulp.Name(name)))
	}
	for _, l := range w.Limits {
		options = append(options, pulp.Limit(l))
	}
	return options
}

// arrive notes the state that the machine is in.
func (m *smallMachine) arrive() (state string) {
	state = m.state()
	if m.steps[state] == nil {
		m.steps[state] = map[string]string{}
		m.rest[state] = m.choices()
		rand.Shuffle(len(m.rest[state]), func(i, k int) { m.rest[state][i], m.rest[state][k] = m.rest[state][k], m.rest[state][i] })
	}
	return state
}

// way finds the steps from here to the nearest state in which something was not tried; none if
// all was.
func (m *smallMachine) way(from string) []string {
	type place struct {
		state string
		way   []string
	}
	seen, line := map[string]bool{from: true}, []place{{state: from}}
	for len(line) > 0 {
		at := line[0]
		line = line[1:]
		if rest := m.rest[at.state]; len(rest) > 0 {
			m.rest[at.state] = rest[1:]
			return append(at.way, rest[0])
		}
		for step, to := range m.steps[at.state] {
			if !seen[to] {
				seen[to] = true
				line = append(line, place{to, append(slices.Clone(at.way), step)})
			}
		}
	}
	return nil
}

// walk tries every step from every state, or as many as are allowed.
func (m *smallMachine) walk(most int) (done int) {
	m.steps, m.rest = map[string]map[string]string{}, map[string][]string{}
	state := m.arrive()
	for done < most {
		way := m.way(state)
		if way == nil {
			return done
		}
		for _, step := range way {
			from := state
			_, known := m.steps[from][step]
			m.do(step, known)
			done++
			state = m.arrive()
			m.steps[from][step] = state
		}
		m.forgetEnded()
	}
	return done
}

// forgetEnded keeps the tables small.
func (m *smallMachine) forgetEnded() {
	if len(m.tasks) > 30 {
		m.exec("DELETE FROM task WHERE finished_at IS NOT NULL")
		m.tasks, m.ghosts = m.live(), nil
	}
}

func TestEachStepFromEachStateOfASmallModelIsRight(t *testing.T) {
	t.Parallel()
	most := 1500
	switch {
	case pulptest.Heavy():
		most = 1_000_000
	case testing.Short():
		most = 300
	}
	m := &smallMachine{ruleMachine: newRuleMachine(t, nil)}
	m.begin(&witness{TB: t})
	done := m.walk(most)
	left := 0
	for _, rest := range m.rest {
		left += len(rest)
	}
	t.Logf("%d steps through %d states; %d not tried", done, len(m.steps), left)
	require.True(t, left == 0 || done >= most)
}

// A witness chooses nothing.
type witness struct{ testing.TB }

func (*witness) choose(int, string) int { panic("nothing is left to chance") }

package pulp_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gopulp/pulp"
)

// A modelTask is a task as the reference model knows it.
type modelTask struct {
	id                pulp.ID
	exclusive, shared []string
	final             bool
	job               *pulp.Job // if it runs
}

// unblocked is Pulp's rule, literally: walk over all unfinished tasks, the oldest first, and
// keep the names taken so far. A task is blocked if it wants a taken name exclusively, or one
// that is taken exclusively at all. Its own names count as taken either way.
func unblocked(tasks []*modelTask) (ids []string) {
	exclusive, shared := map[string]bool{}, map[string]bool{}
	for _, t := range tasks {
		if t.final {
			continue
		}
		blocked := slices.ContainsFunc(t.exclusive, func(r string) bool { return exclusive[r] || shared[r] }) ||
			slices.ContainsFunc(t.shared, func(r string) bool { return exclusive[r] })
		if !blocked {
			ids = append(ids, t.id.String())
		}
		for _, r := range t.exclusive {
			exclusive[r] = true
		}
		for _, r := range t.shared {
			shared[r] = true
		}
	}
	return ids
}

// A ruleMachine does random things to an App, whose only worker it is, and to the model.
type ruleMachine struct {
	*taskHost
	task  *pulp.Task[int, int]
	tasks []*modelTask
}

func (m *ruleMachine) open(dir string) {
	m.taskHost = openTasks(m.t, dir, pulp.Config{Parts: []pulp.Part{m.task}, Workers: -1})
	require.NoError(m.t, m.Step(context.Background()))
}

// pick draws one of the unfinished tasks that fit.
func (m *ruleMachine) pick(t *rapid.T, fits func(*modelTask) bool) *modelTask {
	var some []*modelTask
	for _, task := range m.tasks {
		if !task.final && fits(task) {
			some = append(some, task)
		}
	}
	if len(some) == 0 {
		t.Skip("none of that kind")
	}
	return rapid.SampledFrom(some).Draw(t, "task")
}

func (m *ruleMachine) dispatch(t *rapid.T) {
	task := &modelTask{}
	var options []pulp.DispatchOption
	for _, name := range []string{"a", "b", "c", "d"} {
		switch rapid.IntRange(0, 4).Draw(t, name) {
		case 0:
			task.exclusive = append(task.exclusive, name)
			options = append(options, pulp.Exclusive(pulp.Name(name)))
		case 1, 2:
			task.shared = append(task.shared, name)
			options = append(options, pulp.Shared(pulp.Name(name)))
		}
	}
	task.id = dispatch(m.taskHost, m.task, 1, options...).ID
	m.tasks = append(m.tasks, task)
}

func (m *ruleMachine) claim(t *rapid.T) {
	ready := unblocked(m.tasks)
	task := m.pick(t, func(x *modelTask) bool { return x.job == nil && slices.Contains(ready, x.id.String()) })
	job, err := m.ClaimTask(context.Background(), task.id)
	require.NoError(t, err)
	require.NotNil(t, job)
	task.job = job
}

func (m *ruleMachine) finish(t *rapid.T) {
	task := m.pick(t, func(x *modelTask) bool { return x.job != nil })
	var failure error
	if rapid.Bool().Draw(t, "fails") {
		failure = fmt.Errorf("failed")
	}
	require.NoError(t, m.EndTask(context.Background(), task.job, failure))
	task.final = true
}

func (m *ruleMachine) cancel(t *rapid.T) {
	task := m.pick(t, func(*modelTask) bool { return true })
	require.NoError(t, m.Cancel(context.Background(), task.id))
	task.final = task.job == nil // one that runs stays until its handler returns
}

// kill drops the App as a crash would, and opens the directory again.
func (m *ruleMachine) kill(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "dice") > 0 {
		t.Skip("opening takes long")
	}
	require.NoError(t, m.Close())
	m.open(m.dir)
	for _, task := range m.tasks {
		task.final = task.final || task.job != nil
		task.job = nil
	}
}

// check compares the rows with the model: who is unblocked, what is reserved, what is on the
// ready list.
func (m *ruleMachine) check(t *rapid.T) {
	want := unblocked(m.tasks)
	var got []string
	rows, err := m.DB().Reader().DB.Query(`SELECT pulp_id FROM task
		WHERE state IN ('running', 'canceling') OR state = 'waiting' AND unblocked_at IS NOT NULL ORDER BY id`)
	require.NoError(t, err)
	for rows.Next() {
		var id pulp.ID
		require.NoError(t, rows.Scan(&id))
		got = append(got, id.String())
	}
	require.NoError(t, rows.Close())
	require.Equal(t, want, got)
	reservations, ready := 0, 0
	for _, task := range m.tasks {
		if !task.final {
			reservations += len(task.exclusive) + len(task.shared)
			if task.job == nil && slices.Contains(want, task.id.String()) {
				ready++
			}
		}
	}
	require.Equal(t, reservations, m.count("SELECT count(*) FROM reservation"))
	require.Equal(t, ready, m.count("SELECT count(*) FROM goqite"))
	require.Equal(t, ready, m.count("SELECT count(*) FROM goqite g JOIN task t ON t.message = g.id AND t.state = 'waiting'"))
}

func TestTasksAreUnblockedAsPulpDoes(t *testing.T) {
	t.Parallel()
	m := &ruleMachine{taskHost: &taskHost{t: t}, task: double()}
	m.open(t.TempDir())
	rapid.Check(t, func(rt *rapid.T) {
		m.exec("DELETE FROM task; DELETE FROM goqite")
		m.tasks = nil
		rt.Repeat(map[string]func(*rapid.T){
			"dispatch": m.dispatch, "dispatch another": m.dispatch, "claim": m.claim, "claim another": m.claim,
			"finish": m.finish, "finish another": m.finish, "cancel": m.cancel, "kill": m.kill, "": m.check,
		})
		for slices.ContainsFunc(m.tasks, func(x *modelTask) bool { return !x.final }) { // it always drains
			ready := unblocked(m.tasks)
			require.NotEmpty(rt, ready)
			i := slices.IndexFunc(m.tasks, func(x *modelTask) bool { return x.id.String() == ready[0] })
			if m.tasks[i].job == nil {
				job, err := m.ClaimTask(context.Background(), m.tasks[i].id)
				require.NoError(rt, err)
				m.tasks[i].job = job
			}
			require.NoError(rt, m.EndTask(context.Background(), m.tasks[i].job, nil))
			m.tasks[i].final = true
			m.check(rt)
		}
	})
}

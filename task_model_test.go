package pulp_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gopulp/pulp"
)

// A modelTask is a task as the reference model knows it.
type modelTask struct {
	id                pulp.ID
	exclusive, shared []string
	counted           []pulp.Limit
	key               string    // of Unique
	due               time.Time // not zero: it is held back
	attempts          int
	canceling, final  bool
	job               *pulp.Job // if it runs
}

// unblocked is Pulp's rule, literally: walk over all unfinished tasks, the oldest first, and
// keep the names taken so far. A task is blocked if it wants a taken name exclusively, or one
// that is taken exclusively at all. Its own names count as taken either way. Limits are ours.
func unblocked(tasks []*modelTask) (ids []string) {
	exclusive, shared, counted := map[string]bool{}, map[string]bool{}, map[string]int{}
	for _, t := range tasks {
		if t.final || !t.due.IsZero() {
			continue
		}
		blocked := slices.ContainsFunc(t.exclusive, func(r string) bool { return exclusive[r] || shared[r] }) ||
			slices.ContainsFunc(t.shared, func(r string) bool { return exclusive[r] }) ||
			slices.ContainsFunc(t.counted, func(l pulp.Limit) bool { return counted[l.Key] >= l.N })
		if !blocked {
			ids = append(ids, t.id.String())
		}
		for _, r := range t.exclusive {
			exclusive[r] = true
		}
		for _, r := range t.shared {
			shared[r] = true
		}
		for _, l := range t.counted {
			counted[l.Key]++
		}
	}
	return ids
}

// A ruleMachine does random things to an App, whose only worker it is, and to the model.
type ruleMachine struct {
	*taskHost
	task   *pulp.Task[int, int]
	now    time.Time
	paused bool
	tasks  []*modelTask // in the order of their tickets
}

// attempts is how often the machine's tasks may start.
const attempts = 3

func (m *ruleMachine) open(dir string) {
	m.taskHost = openTasks(m.t, dir, pulp.Config{Parts: []pulp.Part{m.task}, Workers: -1, TaskRetention: -1, OrphanProtection: -1})
	m.SetClock(func() time.Time { return m.now })
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
	for _, l := range []pulp.Limit{{Key: "one", N: 1}, {Key: "three", N: 3}} {
		if rapid.IntRange(0, 3).Draw(t, l.Key) == 0 {
			task.counted, options = append(task.counted, l), append(options, l)
		}
	}
	if rapid.IntRange(0, 4).Draw(t, "delayed") == 0 {
		task.due = m.now.Add(time.Duration(rapid.IntRange(1, 5).Draw(t, "seconds")) * time.Second)
		options = append(options, pulp.At(task.due))
	}
	if rapid.IntRange(0, 4).Draw(t, "unique") == 0 {
		task.key = rapid.SampledFrom([]string{"u", "v"}).Draw(t, "key")
		options = append(options, pulp.Unique(task.key))
	}
	ticket := dispatch(m.taskHost, m.task, 1, options...)
	i := slices.IndexFunc(m.tasks, func(x *modelTask) bool { return task.key != "" && x.key == task.key && !x.final })
	require.Equal(t, i >= 0, ticket.Existed())
	if i >= 0 {
		require.Equal(t, m.tasks[i].id, ticket.ID)
		return
	}
	task.id = ticket.ID
	m.tasks = append(m.tasks, task)
}

// pass lets time pass. Who is due takes its place behind all others.
func (m *ruleMachine) pass(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(1, 3).Draw(t, "seconds")) * time.Second)
	m.admit(t)
}

func (m *ruleMachine) admit(t *rapid.T) {
	require.NoError(t, m.AdmitDue(context.Background()))
	m.modelAdmit()
}

func (m *ruleMachine) modelAdmit() {
	var due, rest []*modelTask
	for _, task := range m.tasks {
		if task.due.IsZero() || task.due.After(m.now) {
			rest = append(rest, task)
		} else {
			due = append(due, task)
		}
	}
	slices.SortStableFunc(due, func(x, y *modelTask) int {
		return cmp.Or(x.due.Compare(y.due), strings.Compare(x.id.String(), y.id.String()))
	})
	for _, task := range due {
		task.due = time.Time{}
	}
	m.tasks = append(rest, due...)
}

func (m *ruleMachine) pause(t *rapid.T) {
	if m.paused = !m.paused; m.paused {
		require.NoError(t, m.Pause(context.Background(), m.task.Name))
		return
	}
	require.NoError(t, m.Resume(context.Background(), m.task.Name))
}

func (m *ruleMachine) claim(t *rapid.T) {
	ready := unblocked(m.tasks)
	task := m.pick(t, func(x *modelTask) bool { return x.job == nil && slices.Contains(ready, x.id.String()) })
	m.start(t, task)
}

// start claims a task, which comes to nothing if its type is paused.
func (m *ruleMachine) start(t *rapid.T, task *modelTask) {
	job, err := m.ClaimTask(context.Background(), task.id)
	require.NoError(t, err)
	require.Equal(t, m.paused, job == nil)
	if task.job = job; job != nil {
		task.attempts++
	}
}

func (m *ruleMachine) finish(t *rapid.T) {
	task := m.pick(t, func(x *modelTask) bool { return x.job != nil })
	var failure error
	switch rapid.IntRange(0, 3).Draw(t, "how") {
	case 0:
		failure = fmt.Errorf("failed")
	case 1:
		failure = pulp.NoRetry(fmt.Errorf("failed"))
	}
	require.NoError(t, m.EndTask(context.Background(), task.job, failure))
	task.job = nil
	if retryable(failure) && task.attempts < attempts && !task.canceling {
		task.due = m.now.Add(time.Second << (task.attempts - 1))
		return
	}
	task.final = true
}

// retryable says whether the model tries again after a failure.
func retryable(failure error) bool {
	return failure != nil && errors.Unwrap(failure) == nil
}

func (m *ruleMachine) cancel(t *rapid.T) {
	task := m.pick(t, func(*modelTask) bool { return true })
	require.NoError(t, m.Cancel(context.Background(), task.id))
	task.canceling = true
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
		task.final = task.final || task.job != nil && (task.canceling || task.attempts >= attempts)
		task.job = nil
	}
}

// check compares the rows with the model: who is unblocked, what is reserved, what is on the
// ready list.
func (m *ruleMachine) check(t *rapid.T) {
	want := unblocked(m.tasks)
	var got []string
	rows, err := m.DB().Reader().DB.Query(`SELECT pulp_id FROM task
		WHERE state IN ('running', 'canceling') OR state = 'waiting' AND unblocked_at IS NOT NULL ORDER BY ifnull(ticket, id)`)
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
		if !task.final && task.due.IsZero() {
			reservations += len(task.exclusive) + len(task.shared) + len(task.counted)
			if task.job == nil && slices.Contains(want, task.id.String()) {
				ready++
			}
		}
	}
	require.Equal(t, reservations, m.count("SELECT count(*) FROM reservation"))
	if m.paused { // those that were taken off the list have no message
		return
	}
	require.Equal(t, ready, m.count("SELECT count(*) FROM goqite"))
	require.Equal(t, ready, m.count("SELECT count(*) FROM goqite g JOIN task t ON t.message = g.id AND t.state = 'waiting'"))
}

func TestTasksAreUnblockedAsPulpDoes(t *testing.T) {
	t.Parallel()
	m := &ruleMachine{taskHost: &taskHost{t: t}, task: double(), now: time.Now().Truncate(time.Second)}
	m.task.Retry.Attempts = attempts
	m.open(t.TempDir())
	rapid.Check(t, func(rt *rapid.T) {
		m.exec("DELETE FROM task; DELETE FROM goqite")
		m.tasks = nil
		require.NoError(rt, m.Resume(context.Background(), m.task.Name))
		m.paused = false
		rt.Repeat(map[string]func(*rapid.T){
			"dispatch": m.dispatch, "dispatch another": m.dispatch, "claim": m.claim, "claim another": m.claim,
			"finish": m.finish, "finish another": m.finish, "cancel": m.cancel, "kill": m.kill, "pass": m.pass, "pause": m.pause, "": m.check,
		})
		m.drain(rt)
	})
}

// drain ends all tasks, the oldest first. It always comes to an end.
func (m *ruleMachine) drain(rt *rapid.T) {
	if m.paused {
		m.pause(rt)
	}
	m.now = m.now.Add(time.Hour)
	m.admit(rt)
	for slices.ContainsFunc(m.tasks, func(x *modelTask) bool { return !x.final }) { // it always drains
		ready := unblocked(m.tasks)
		require.NotEmpty(rt, ready)
		i := slices.IndexFunc(m.tasks, func(x *modelTask) bool { return x.id.String() == ready[0] })
		if m.tasks[i].job == nil {
			m.start(rt, m.tasks[i])
		}
		require.NoError(rt, m.EndTask(context.Background(), m.tasks[i].job, nil))
		m.tasks[i].final = true
		m.check(rt)
	}
}

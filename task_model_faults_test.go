package pulp_test

import (
	"context"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
)

func (m *ruleMachine) pause() bool {
	task := []*pulp.Task[int, int]{m.sturdy, m.inline}[m.choose(2, "type")]
	if m.paused[task.Name] {
		m.ok(m.Resume(context.Background(), task.Name))
	} else {
		m.ok(m.Pause(context.Background(), task.Name))
	}
	m.paused[task.Name] = !m.paused[task.Name]
	return true
}

// pass lets time pass.
func (m *ruleMachine) pass() bool {
	m.now = m.now.Add(time.Duration(1+m.choose(3, "seconds")) * time.Second)
	m.admit()
	return true
}

// turnBack sets the clock back.
func (m *ruleMachine) turnBack() bool {
	m.now = m.now.Add(-time.Duration(1+m.choose(5, "seconds")) * time.Second)
	m.admit()
	return true
}

// lost has the model do what follows from the loss of a task's worker.
func (m *ruleMachine) lost(t *modelTask) {
	m.ghosts = append(m.ghosts, t.job)
	t.job = nil
	switch {
	case t.state == pulp.Canceling:
		t.state, t.error = pulp.Canceled, ""
	case t.task == m.sturdy && t.attempts < attempts:
		t.state = pulp.Waiting // in its place
	default:
		t.state, t.error = pulp.Failed, lostRecord
	}
}

// lose loses one task, as if its worker had been another process that is gone.
func (m *ruleMachine) lose() bool {
	t := m.pick(runs)
	if t == nil {
		return false
	}
	t.job.Forget()
	m.ok(m.Sweep(context.Background()))
	m.lost(t)
	return true
}

// kill drops the App as a crash would, and opens the directory again.
func (m *ruleMachine) kill() bool {
	if !m.one(3, "really") { // opening takes long
		return false
	}
	m.ok(m.Close())
	m.taskHost.App = nil // thousands of them would fill the memory
	m.open(m.dir)
	for _, t := range m.tasks {
		if t.job != nil {
			m.lost(t)
		}
	}
	for i, g := range m.groups {
		var err error
		old := g
		g, err = m.TaskGroup(context.Background(), g.ID)
		m.ok(err)
		for _, t := range m.tasks {
			if t.group == old {
				t.group = g
			}
		}
		m.groups[i] = g
	}
	return true
}

// sweepInVain sweeps where nothing is wrong, and mends tasks that are in order.
func (m *ruleMachine) sweepInVain() bool {
	messages := m.rows("goqite")
	defer func() { require.Equal(m.chooser, messages, m.rows("goqite")) }()
	m.ok(m.Sweep(context.Background()))
	if t := m.pick(func(*modelTask) bool { return true }); t != nil {
		attempt := t.attempts - 1 // which was lost, and ended since
		if t.state.Final() || t.job == nil {
			attempt = t.attempts
		}
		m.ok(m.MendInVain(context.Background(), t.id, attempt))
	}
	return true
}

// damages are what a bug or a hand could do to rows, with the task they do it to.
var damages = []struct {
	name, sql string
	to        func(t *modelTask, ready bool) bool
}{
	{"a message is lost", "DELETE FROM goqite WHERE id = (SELECT message FROM task WHERE pulp_id = ?)", func(_ *modelTask, ready bool) bool { return ready }},
	{"nobody said that it is unblocked", "UPDATE task SET unblocked_at = NULL WHERE pulp_id = ?", func(_ *modelTask, ready bool) bool { return ready }},
	{"a message of somebody else", "INSERT INTO goqite (queue, body) SELECT 'pulp', CAST(CAST(id AS TEXT) AS BLOB) FROM task WHERE pulp_id = ?", func(*modelTask, bool) bool { return true }},
	{"a reservation that nobody holds", "INSERT INTO reservation (resource, mode, ticket, task_id) SELECT 1, 1, ifnull(ticket, id), id FROM task WHERE pulp_id = ?", func(t *modelTask, _ bool) bool { return t.state.Final() }},
	{"a worker that is not enrolled", "UPDATE task SET worker_id = -1 WHERE pulp_id = ?", func(t *modelTask, _ bool) bool { return t.job != nil }},
}

// damage breaks something, and has the sweep mend it.
func (m *ruleMachine) damage() bool {
	d := damages[m.choose(len(damages), "damage")]
	ready := m.ready()
	t := m.pick(func(t *modelTask) bool { return d.to(t, slices.Contains(ready, t)) })
	if t == nil {
		return false
	}
	_, err := m.plain.Writer().DB.Exec(d.sql, t.id)
	m.ok(err)
	m.ok(m.Sweep(context.Background()))
	if t.job != nil && d.name == "a worker that is not enrolled" {
		m.lost(t)
	}
	return true
}

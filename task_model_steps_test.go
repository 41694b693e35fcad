package pulp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/internal/taskrule"
)

// errFailed is how handlers of the machine fail.
var errFailed = errors.New("failed")

const (
	failedRecord = `{"description":"failed","traceback":null}`
	busyRecord   = `{"reason":"Resources temporarily unavailable."}`
	lostRecord   = `{"reason":"Worker has gone missing."}`
	abortRecord  = `{"reason":"Aborted during worker shutdown."}`
)

func insertEffect(ctx context.Context, tx bun.Tx) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO effect VALUES (1)")
	return err
}

// A ruleStep is something that a machine can do. It says false if it could not be done.
type ruleStep struct {
	name string
	do   func(m *ruleMachine) bool
}

// ruleSteps are all steps; those that occur twice are done twice as often.
var ruleSteps = []ruleStep{
	{"dispatch", (*ruleMachine).dispatch}, {"dispatch another", (*ruleMachine).dispatch}, {"dispatch a third", (*ruleMachine).dispatch},
	{"claim", (*ruleMachine).claim}, {"claim in vain", (*ruleMachine).claimInVain}, {"claim next", (*ruleMachine).claimNext}, {"claim another", (*ruleMachine).claimNext},
	{"finish", (*ruleMachine).finish}, {"finish another", (*ruleMachine).finish}, {"finish a third", (*ruleMachine).finish},
	{"cancel", (*ruleMachine).cancel}, {"cancel group", (*ruleMachine).cancelGroup},
	{"write", (*ruleMachine).write}, {"haunt", (*ruleMachine).haunt},
	{"pause", (*ruleMachine).pause}, {"pass", (*ruleMachine).pass}, {"turn back", (*ruleMachine).turnBack},
	{"lose", (*ruleMachine).lose}, {"kill", (*ruleMachine).kill}, {"sweep", (*ruleMachine).sweepInVain}, {"damage", (*ruleMachine).damage},
}

// pick chooses one of the tasks that fit; nil if there is none.
func (m *ruleMachine) pick(fits func(*modelTask) bool) *modelTask {
	var some []*modelTask
	for _, t := range m.tasks {
		if fits(t) {
			some = append(some, t)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[m.choose(len(some), "task")]
}

func runs(t *modelTask) bool { return t.job != nil }

// one in n.
func (m *ruleMachine) one(n int, what string) bool { return m.choose(n, what) == n-1 }

// draft chooses a task and how it is dispatched.
func (m *ruleMachine) draft() (t *modelTask, options []pulp.DispatchOption, refused bool) {
	t = &modelTask{number: len(m.tasks), state: pulp.Waiting}
	t.task = []*pulp.Task[int, int]{m.sturdy, m.once, m.sturdy, m.inline}[m.choose(4, "type")]
	for _, name := range []string{"a", "b", "c", "d"} {
		switch m.choose(5, name) {
		case 4:
			t.wants.Exclusive, options = append(t.wants.Exclusive, name), append(options, pulp.Exclusive(pulp.Name(name)))
		case 3, 2:
			t.wants.Shared, options = append(t.wants.Shared, name), append(options, pulp.Shared(pulp.Name(name)))
		}
	}
	for _, l := range []pulp.Limit{{Key: "one", N: 1}, {Key: "three", N: 3}} {
		if m.one(4, l.Key) {
			t.wants.Limits, options = append(t.wants.Limits, taskrule.Limit(l)), append(options, l)
		}
	}
	if t.priority = m.choose(3, "priority"); t.priority > 0 {
		options = append(options, pulp.Priority(t.priority))
	}
	if m.one(3, "group") {
		t.group = m.groups[m.choose(2, "which")]
		options = append(options, pulp.Group(t.group))
	}
	if m.one(5, "unique") {
		t.key = []string{"u", "v"}[m.choose(2, "key")]
		options = append(options, pulp.Unique(t.key))
	}
	switch m.choose(6, "when") {
	case 5:
		t.due = m.now.Add(time.Duration(1+m.choose(5, "seconds")) * time.Second)
		options = append(options, pulp.At(t.due))
	case 4:
		refused = true
		options = append(options, pulp.NotDeferred())
	}
	t.fails = t.task == m.inline && m.one(2, "fails")
	return t, options, refused
}

// dispatch dispatches a task together with a row of the host's, alone or as a task's child, and
// perhaps undoes all of it.
func (m *ruleMachine) dispatch() bool {
	t, options, notDeferred := m.draft()
	args := 0
	if t.fails {
		args = 1
	}
	var undo error
	if m.one(6, "undo") {
		undo = errFailed
	}
	in, parent := m.Tx, (*modelTask)(nil)
	if m.one(4, "child") {
		if parent = m.pick(runs); parent != nil {
			in = parent.job.Tx
		}
	}
	var ticket *pulp.Ticket[int]
	err := in(context.Background(), func(ctx context.Context, tx bun.Tx) (err error) {
		if ticket, err = t.task.Dispatch(ctx, tx, args, options...); err != nil {
			return err
		}
		return errors.Join(insertHost(1)(ctx, tx), undo)
	})
	switch {
	case parent != nil && parent.state == pulp.Canceling:
		require.ErrorIs(m.chooser, err, pulp.ErrCanceled)
		return true
	case undo != nil:
		require.ErrorIs(m.chooser, err, undo)
		return true
	}
	m.ok(err)
	m.hosts++
	m.dispatched(t, ticket, notDeferred)
	return true
}

// dispatched has the model do what the App did.
func (m *ruleMachine) dispatched(t *modelTask, ticket *pulp.Ticket[int], notDeferred bool) {
	i := slices.IndexFunc(m.tasks, func(x *modelTask) bool {
		return t.key != "" && x.key == t.key && x.task == t.task && !x.state.Final()
	})
	require.Equal(m.chooser, i >= 0, ticket.Existed())
	if i >= 0 {
		require.Equal(m.chooser, m.tasks[i].id, ticket.ID)
		return
	}
	t.id = ticket.ID
	m.tasks = append(m.tasks, t)
	free := slices.Contains(m.ready(), t) && t.task == m.inline
	switch {
	case free && t.fails:
		t.state, t.attempts, t.error = pulp.Failed, 1, failedRecord
	case free:
		t.state, t.attempts = pulp.Completed, 1
		m.effects++
	case notDeferred: // there is no worker that could take it at once
		t.state, t.error = pulp.Canceled, busyRecord
	}
	require.Equal(m.chooser, t.state.Final(), ticket.Finished())
}

// claim claims some task that is ready.
func (m *ruleMachine) claim() bool {
	free := m.unblocked()
	t := m.pick(func(x *modelTask) bool { return x.state == pulp.Waiting && slices.Contains(free, x) })
	if t == nil {
		return false
	}
	j, err := m.ClaimTask(context.Background(), t.id)
	m.ok(err)
	require.Equal(m.chooser, m.paused[t.task.Name], j == nil, "a paused type does not start")
	m.started(t, j)
	return true
}

// claimInVain tries to claim a task that does not wait, or is held back.
func (m *ruleMachine) claimInVain() bool {
	t := m.pick(func(t *modelTask) bool { return t.state != pulp.Waiting || !t.due.IsZero() })
	if t == nil {
		return false
	}
	j, err := m.ClaimTask(context.Background(), t.id)
	m.ok(err)
	require.Nil(m.chooser, j)
	return true
}

func (m *ruleMachine) started(t *modelTask, j *pulp.Job) {
	if j != nil {
		t.job, t.state = j, pulp.Running
		t.attempts++
		require.True(m.chooser, t.attempts == 1 || t.task == m.sturdy && t.attempts <= attempts, "it may not start so often")
	}
}

// claimNext claims what a worker would: of the highest priority; and of those that got onto the
// list together, the oldest.
func (m *ruleMachine) claimNext() bool {
	ready := m.ready()
	if m.one(4, "undo") {
		_, err := m.ClaimNext(context.Background(), errFailed)
		require.ErrorIs(m.chooser, err, errFailed)
		return true
	}
	j, err := m.ClaimNext(context.Background(), nil)
	m.ok(err)
	require.Equal(m.chooser, len(ready) == 0, j == nil, "somebody is claimed if and only if somebody is ready")
	if j == nil {
		return true
	}
	i := slices.IndexFunc(ready, func(t *modelTask) bool { return t.id == j.ID() })
	require.GreaterOrEqual(m.chooser, i, 0, "who is claimed was ready")
	for k, t := range ready {
		require.LessOrEqual(m.chooser, t.priority, ready[i].priority)
		require.False(m.chooser, t.priority == ready[i].priority && t.since <= ready[i].since && k < i, "an older one was on the list before")
	}
	m.started(ready[i], j)
	return true
}

// finish ends a task in one of the ways in which handlers and processes end.
func (m *ruleMachine) finish() bool {
	t := m.pick(runs)
	if t == nil {
		return false
	}
	m.end(t, m.choose(6, "how"))
	return true
}

func (m *ruleMachine) end(t *modelTask, how int) {
	ctx, effect, end := context.Background(), 0, func(failure error) error { return m.EndTask(context.Background(), t.job, failure) }
	t.job.Progress("p", "Working", 1).Add(1)
	var err error
	again, record := how == 2 || how == 3, failedRecord
	switch {
	case how == 5:
		err, again, record = m.AbortTask(ctx, t.job), true, abortRecord
	case t.task == m.inline:
		if err = end(nil); t.fails {
			how = 4
		} else {
			how, effect = 0, 1
		}
	case how == 4:
		err = end(pulp.NoRetry(errFailed))
	case how == 3:
		err = end(errFailed)
	default:
		if how > 0 {
			t.job.OnFinish(insertEffect)
			effect = 1
		}
		if how == 2 {
			t.job.OnFinish(func(context.Context, bun.Tx) error { return errFailed })
		}
		err = end(nil)
	}
	m.ok(err)
	m.ghosts = append(m.ghosts, t.job)
	t.job = nil
	switch {
	case t.state == pulp.Canceling:
		t.state, t.error = pulp.Canceled, ""
	case how < 2:
		t.state, t.error = pulp.Completed, ""
		m.effects += effect
	case again && t.task == m.sturdy && t.attempts < attempts:
		if t.state = pulp.Waiting; how != 5 {
			t.due, t.error = m.now.Add(time.Second<<(t.attempts-1)), failedRecord
		}
	default:
		t.state, t.error = pulp.Failed, record
	}
}

// cancel cancels any task.
func (m *ruleMachine) cancel() bool {
	t := m.pick(func(t *modelTask) bool { return !t.state.Final() || t.number%5 == 0 })
	if t == nil {
		return false
	}
	err := m.Cancel(context.Background(), t.id)
	if t.state.Final() {
		require.ErrorIs(m.chooser, err, pulp.ErrConflict)
		return true
	}
	m.ok(err)
	m.canceled(t)
	return true
}

func (m *ruleMachine) canceled(t *modelTask) {
	if t.due = (time.Time{}); t.job == nil {
		t.state = pulp.Canceled
	} else {
		t.state = pulp.Canceling // until its handler returns
	}
}

// cancelGroup cancels the members of a group that have not ended, and counts all.
func (m *ruleMachine) cancelGroup() bool {
	g := m.groups[m.choose(2, "group")]
	counts, open := map[pulp.State]int{}, 0
	for _, t := range m.tasks {
		if t.group != g {
			continue
		}
		counts[t.state]++
		if t.state == pulp.Waiting || t.state == pulp.Running {
			open++
		}
	}
	got, err := g.Counts(context.Background())
	m.ok(err)
	require.Equal(m.chooser, counts, got)
	if !m.one(2, "really") {
		return true
	}
	if err := g.Cancel(context.Background()); open == 0 {
		require.ErrorIs(m.chooser, err, pulp.ErrConflict)
	} else {
		m.ok(err)
	}
	for _, t := range m.tasks {
		if t.group == g && !t.state.Final() {
			m.canceled(t)
		}
	}
	return true
}

// write has a task write a row, which works as long as it is neither canceled nor lost, and then
// one to clean up, which works as long as it is not lost.
func (m *ruleMachine) write() bool {
	t := m.pick(runs)
	if t == nil {
		return false
	}
	t.job.Progress(fmt.Sprint(m.choose(2, "report")), "Working", 0).Add(1)
	m.ok(m.FlushProgress(context.Background()))
	if err := t.job.Tx(context.Background(), insertEffect); t.state == pulp.Canceling {
		require.ErrorIs(m.chooser, err, pulp.ErrCanceled)
	} else {
		m.ok(err)
		m.effects++
	}
	m.ok(t.job.CleanUp(insertEffect))
	m.effects++
	return true
}

// haunt has an attempt that is over try all that it could do, in vain.
func (m *ruleMachine) haunt() bool {
	if len(m.ghosts) == 0 {
		return false
	}
	j := m.Ghost(m.ghosts[m.choose(len(m.ghosts), "ghost")])
	ctx := context.Background()
	j.OnFinish(insertEffect)
	j.Progress("ghost", "Working", 1)
	reports := m.rows("progress_report")
	m.ok(m.FlushGhost(ctx, j))
	require.Equal(m.chooser, reports, m.rows("progress_report"))
	for _, err := range []error{j.Tx(ctx, insertEffect), j.CleanUp(insertEffect), m.EndTask(ctx, j, nil), m.EndTask(ctx, j, errFailed), m.AbortTask(ctx, j)} {
		require.ErrorIs(m.chooser, err, pulp.ErrLost)
	}
	return true
}

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
	{"a message cannot be received", "UPDATE goqite SET timeout = '2999-01-01T00:00:00.000Z' WHERE id = (SELECT message FROM task WHERE pulp_id = ?)", func(_ *modelTask, ready bool) bool { return ready }},
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

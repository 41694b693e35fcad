package pulp_test

import (
	"context"
	"errors"
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
	{"finish together", (*ruleMachine).finishTogether}, {"finish others together", (*ruleMachine).finishTogether},
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
			t.wants.Exclusive = append(t.wants.Exclusive, name)
		case 3, 2:
			t.wants.Shared = append(t.wants.Shared, name)
		}
	}
	for _, l := range []taskrule.Limit{{Key: "one", N: 1}, {Key: "some", N: 2 + m.choose(2, "places")}} {
		if m.one(4, l.Key) {
			t.wants.Limits = append(t.wants.Limits, l)
		}
	}
	t.priority = m.choose(3, "priority")
	options = wanting(t.wants, t.priority)
	if m.one(3, "group") {
		t.group = m.groups[m.choose(2, "which")]
		options = append(options, pulp.Group(t.group))
	}
	switch m.choose(6, "unique") {
	case 5:
		t.key = []string{"u", "v"}[m.choose(2, "key")]
	case 4: // that of one that is there
		if other := m.pick(func(t *modelTask) bool { return t.key != "" && !t.state.Final() }); other != nil {
			t.task, t.key = other.task, other.key
		}
	}
	options = append(options, pulp.Unique(t.key))
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
	args := map[bool]int{true: 1}[t.fails]
	undo := map[bool]error{true: errFailed}[m.one(6, "undo")]
	in, parent := m.Tx, (*modelTask)(nil)
	if m.one(4, "child") {
		if parent = m.pick(runs); parent != nil {
			in = parent.job.Tx
		}
	}
	var ticket *pulp.Ticket[int]
	err := in(context.Background(), func(ctx context.Context, tx bun.Tx) (err error) {
		if ticket, err = t.task.Dispatch(ctx, tx, args, options...); err == nil {
			err = errors.Join(insertHost(1)(ctx, tx), undo)
		}
		return err
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

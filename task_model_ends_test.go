package pulp_test

import (
	"context"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
)

// finish ends a task in one of the ways in which handlers and processes end.
func (m *ruleMachine) finish() bool {
	t := m.pick(runs)
	if t == nil {
		return false
	}
	m.end(t, m.choose(isAborted+1, "how"))
	return true
}

// The ways in which an attempt ends.
const (
	succeeds = iota
	succeedsAndWrites
	failsToWrite
	fails
	failsForGood
	isAborted
)

// end ends a task in the App and in the model.
func (m *ruleMachine) end(t *modelTask, how int) {
	t.job.Progress("p", "Working", 1).Add(1)
	if t.task == m.inline && how != isAborted {
		how = map[bool]int{false: succeedsAndWrites, true: failsForGood}[t.fails]
	}
	m.ok(m.endInApp(t, how))
	m.ghosts = append(m.ghosts, t.job)
	t.job = nil
	record := map[bool]string{true: abortRecord, false: failedRecord}[how == isAborted]
	switch {
	case t.state == pulp.Canceling:
		t.state, t.error = pulp.Canceled, ""
	case how == succeedsAndWrites || how == succeeds:
		t.state, t.error = pulp.Completed, ""
		m.effects += how
	case how != failsForGood && t.task == m.sturdy && t.attempts < attempts:
		if t.state = pulp.Waiting; how != isAborted {
			t.due, t.error = m.now.Add(time.Second<<(t.attempts-1)), failedRecord
		}
	default:
		t.state, t.error = pulp.Failed, record
	}
}

func (m *ruleMachine) endInApp(t *modelTask, how int) error {
	ctx := context.Background()
	switch {
	case how == isAborted:
		return m.AbortTask(ctx, t.job)
	case t.task == m.inline:
		return m.EndTask(ctx, t.job, nil)
	case how == failsForGood:
		return m.EndTask(ctx, t.job, pulp.NoRetry(errFailed))
	case how == fails:
		return m.EndTask(ctx, t.job, errFailed)
	case how == failsToWrite:
		t.job.OnFinish(insertEffect)
		t.job.OnFinish(func(context.Context, bun.Tx) error { return errFailed })
	case how == succeedsAndWrites:
		t.job.OnFinish(insertEffect)
	}
	return m.EndTask(ctx, t.job, nil)
}

// finishTogether ends several tasks in one transaction, as workers do whose tasks end at the same
// time.
func (m *ruleMachine) finishTogether() bool {
	var some []*modelTask
	for _, t := range m.tasks {
		if runs(t) && t.task != m.inline && !m.one(3, "not this") {
			some = append(some, t)
		}
	}
	if len(some) < 2 {
		return false
	}
	jobs := make([]*pulp.Job, len(some))
	for i, t := range some {
		jobs[i] = t.job
		m.ghosts = append(m.ghosts, t.job)
		t.job, t.error = nil, ""
		t.state = map[bool]pulp.State{true: pulp.Canceled, false: pulp.Completed}[t.state == pulp.Canceling]
	}
	m.ok(m.EndTogether(context.Background(), jobs...))
	return true
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

package pulp_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/internal/taskrule"
)

// A chore is a task of a workMachine. Its handler runs until the machine lets it end.
type chore struct {
	number   int
	id       pulp.ID
	task     *pulp.Task[int, int]
	wants    taskrule.Task
	priority int
	ready    bool // before the last step
	atOnce   bool
	starts   int
	exit     chan error // while it runs
}

// A workMachine does things to an App with two workers, in a bubble: after each step it waits
// until nobody moves any more, and looks at what the workers have come to.
type workMachine struct {
	*taskHost
	chooser
	sturdy, once *pulp.Task[int, int]
	paused       bool
	steps        []func(*workMachine)

	mu     sync.Mutex
	chores []*chore
	begun  []*chore // since the last step
}

const workers = 2

func newWorkMachine(t testing.TB, wrap func(pulp.Database) pulp.Database) *workMachine {
	m := &workMachine{steps: workSteps}
	m.sturdy = &pulp.Task[int, int]{Name: "sturdy", Retry: pulp.Retry{Attempts: attempts}, Run: m.work}
	m.once = &pulp.Task[int, int]{Name: "once", Run: m.work}
	var db pulp.Database = openDatabase(t, t.TempDir())
	if wrap != nil {
		db = wrap(db)
	}
	m.taskHost = hostOn(t, db, pulp.Config{
		Parts: []pulp.Part{m.sturdy, m.once}, Workers: workers, Drain: time.Second, TaskRetention: -1, OrphanProtection: -1,
	})
	return m
}

// work is the handler of all chores.
func (m *workMachine) work(ctx context.Context, _ *pulp.Job, n int) (int, error) {
	m.mu.Lock()
	c := m.chores[n]
	c.starts++
	c.exit = make(chan error)
	m.begun = append(m.begun, c)
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		c.exit = nil
	}()
	select {
	case err := <-c.exit:
		return n, err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// with returns the chores that fit.
func (m *workMachine) with(fits func(*chore) bool) (some []*chore) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.chores {
		if fits(c) {
			some = append(some, c)
		}
	}
	return some
}

func atWork(c *chore) bool { return c.exit != nil }

// workSteps are what the machine does; each is done as often as it is named.
var workSteps = []func(*workMachine){
	(*workMachine).dispatch, (*workMachine).dispatch, (*workMachine).dispatch, (*workMachine).dispatch,
	(*workMachine).end, (*workMachine).end, (*workMachine).end, (*workMachine).cancel, (*workMachine).pause, (*workMachine).pass,
	(*workMachine).rush, (*workMachine).rush, (*workMachine).restart, (*workMachine).numb,
}

// draft chooses a chore and how it is dispatched.
func (m *workMachine) draft() (*chore, []pulp.DispatchOption) {
	c := &chore{task: []*pulp.Task[int, int]{m.sturdy, m.once}[m.choose(2, "type")], priority: m.choose(3, "priority")}
	for _, name := range []string{"a", "b", "c"} {
		switch m.choose(6, name) {
		case 5:
			c.wants.Exclusive = append(c.wants.Exclusive, name)
		case 4, 3:
			c.wants.Shared = append(c.wants.Shared, name)
		}
	}
	options := wanting(c.wants, c.priority)
	switch m.choose(6, "option") {
	case 0:
		options = append(options, pulp.After(2*time.Second))
	case 1:
		c.atOnce = true
		options = append(options, pulp.AtOnce())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c.number = len(m.chores)
	m.chores = append(m.chores, c)
	return c, options
}

// dispatch dispatches a chore, in a transaction that the App sees or in one of the caller's own,
// and perhaps undoes it.
func (m *workMachine) dispatch() {
	c, options := m.draft()
	ctx, undo := context.Background(), m.choose(5, "undo") == 0
	if m.choose(4, "own") > 0 {
		err := m.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
			return cmpError(m.put(ctx, tx, c, options), undo)
		})
		require.Equal(m.chooser, undo, errors.Is(err, errFailed), err)
		return
	}
	tx, err := m.DB().Writer().BeginTx(ctx, nil)
	require.NoError(m.chooser, err)
	defer tx.Rollback()
	require.NoError(m.chooser, m.put(m.With(ctx), tx, c, options))
	if !undo {
		require.NoError(m.chooser, tx.Commit())
	}
}

// rush has chores end and others come at the same time.
func (m *workMachine) rush() {
	var all sync.WaitGroup
	for range 1 + m.choose(4, "come") {
		c, options := m.draft()
		all.Go(func() {
			if err := m.Tx(context.Background(), func(ctx context.Context, tx bun.Tx) error { return m.put(ctx, tx, c, options) }); err != nil {
				panic(err)
			}
		})
	}
	for _, c := range m.with(atWork) {
		exit := c.exit
		all.Go(func() { exit <- nil })
	}
	all.Wait()
	m.forgetOrder()
}

func cmpError(err error, undo bool) error {
	if err == nil && undo {
		return errFailed
	}
	return err
}

func (m *workMachine) put(ctx context.Context, tx bun.Tx, c *chore, options []pulp.DispatchOption) error {
	ticket, err := c.task.Dispatch(ctx, tx, c.number, options...)
	if err == nil {
		c.id = ticket.ID
	}
	return err
}

// end lets a chore end.
func (m *workMachine) end() {
	if some := m.with(atWork); len(some) > 0 {
		some[m.choose(len(some), "chore")].exit <- []error{nil, nil, errFailed}[m.choose(3, "how")]
	}
}

func (m *workMachine) cancel() {
	if some := m.with(func(*chore) bool { return true }); len(some) > 0 {
		err := m.Cancel(context.Background(), some[m.choose(len(some), "chore")].id)
		if !errors.Is(err, pulp.ErrConflict) && !errors.Is(err, pulp.ErrNotFound) {
			require.NoError(m.chooser, err)
		}
	}
}

func (m *workMachine) pause() {
	change := m.Pause
	if m.paused = !m.paused; !m.paused {
		change = m.Resume
		m.forgetOrder() // some are on the list all the time
	}
	require.NoError(m.chooser, change(context.Background(), "sturdy"))
}

func (m *workMachine) pass() { time.Sleep(time.Duration(1+m.choose(5, "seconds")) * time.Second) }

// restart ends Run, which aborts what runs, and begins it anew.
func (m *workMachine) restart() {
	require.NoError(m.chooser, m.stop())
	m.forgetOrder()
	m.run()
}

// numb has all wake-ups come to nothing for some steps. Then it is the sweep that finds the work.
func (m *workMachine) numb() {
	feel := m.LoseWakeUps()
	for range 3 {
		m.steps[m.choose(8, "step")](m) // a dispatch, an end or a cancel
		synctest.Wait()
	}
	feel()
	m.forgetOrder()
	require.NoError(m.chooser, m.Sweep(context.Background()))
}

// forgetOrder has check not ask who came first.
func (m *workMachine) forgetOrder() {
	for _, c := range m.chores {
		c.ready = false
	}
}

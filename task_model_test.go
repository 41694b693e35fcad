package pulp_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/internal/taskrule"
)

// A modelTask is a task as the reference model knows it, and all that its row may say.
type modelTask struct {
	id       pulp.ID
	number   int // the how manieth it was
	task     *pulp.Task[int, int]
	fails    bool // if it is a RunTx
	wants    taskrule.Task
	key      string // of Unique
	priority int
	group    *pulp.TaskGroup
	due      time.Time // not zero: it is held back
	state    pulp.State
	attempts int
	error    string
	job      *pulp.Job // if it runs

	message string // the one it has on the ready list
	since   int    // the step that put it there
	end     string // what the row said at its end
}

func (t *modelTask) inLine() bool { return !t.state.Final() && t.due.IsZero() }

// attempts is how often the machine's sturdy tasks may start.
const attempts = 3

// A chooser decides what a machine does, and is told what went wrong.
type chooser interface {
	require.TestingT
	// choose returns a number below n.
	choose(n int, what string) int
}

// A ruleMachine does things to an App, whose only worker it is, and to the model.
type ruleMachine struct {
	*taskHost
	chooser
	host    testing.TB                        // whose the App is
	wrap    func(pulp.Database) pulp.Database // what the App gets for its database
	plain   pulp.Database                     // and what the machine reads
	sturdy  *pulp.Task[int, int]              // may start three times
	once    *pulp.Task[int, int]              // may start once
	inline  *pulp.Task[int, int]              // is a RunTx
	now     time.Time                         // of the App's clock
	paused  map[string]bool                   // names of types
	groups  []*pulp.TaskGroup                 //
	tasks   []*modelTask                      // in the order of their tickets
	states  map[string]pulp.State             // what rows said last
	ghosts  []*pulp.Job                       // of attempts that are over
	hosts   int                               // rows of the host's
	effects int                               // rows that tasks wrote
	step    int                               //
}

func newRuleMachine(t testing.TB, wrap func(pulp.Database) pulp.Database) *ruleMachine {
	m := &ruleMachine{host: t, wrap: wrap, now: time.Now().Truncate(time.Second)}
	m.sturdy = &pulp.Task[int, int]{Name: "sturdy", Retry: pulp.Retry{Attempts: attempts}, Run: double().Run}
	m.once = &pulp.Task[int, int]{Name: "once", Run: double().Run}
	m.inline = &pulp.Task[int, int]{Name: "inline", RunTx: func(ctx context.Context, tx bun.Tx, _ *pulp.Job, fails int) (int, error) {
		if err := insertEffect(ctx, tx); err != nil || fails == 0 {
			return 0, err
		}
		return 0, errFailed
	}}
	m.open(t.TempDir())
	m.exec("CREATE TABLE host (n INTEGER); CREATE TABLE effect (n INTEGER)")
	return m
}

func (m *ruleMachine) open(dir string) {
	m.plain = openDatabase(m.host, dir)
	db := m.plain
	if m.wrap != nil {
		db = m.wrap(db)
	}
	m.taskHost = hostOn(m.host, db, pulp.Config{Parts: []pulp.Part{m.sturdy, m.once, m.inline}, Workers: -1, TaskRetention: -1, OrphanProtection: -1})
	m.SetClock(func() time.Time { return m.now })
	require.NoError(m.host, m.Step(context.Background()))
}

// begin forgets everything.
func (m *ruleMachine) begin(c chooser) {
	m.chooser = c
	m.exec("DELETE FROM reservation; DELETE FROM progress_report; DELETE FROM task; DELETE FROM goqite; DELETE FROM paused_type; DELETE FROM host; DELETE FROM effect; DELETE FROM task_group")
	m.tasks, m.ghosts, m.groups, m.hosts, m.effects, m.step = nil, nil, nil, 0, 0, 0
	m.paused, m.states = map[string]bool{}, map[string]pulp.State{}
	m.ok(m.Tx(context.Background(), func(ctx context.Context, tx bun.Tx) error {
		for range 2 {
			g, err := m.NewGroup(ctx, tx, "")
			if err != nil {
				return err
			}
			m.groups = append(m.groups, g)
		}
		return nil
	}))
}

func (m *ruleMachine) ok(err error) { require.NoError(m.chooser, err) }

// unblocked returns the tasks that may run or do, the oldest first.
func (m *ruleMachine) unblocked() (free []*modelTask) {
	var line []*modelTask
	var wants []taskrule.Task
	for _, t := range m.tasks {
		if t.inLine() {
			line, wants = append(line, t), append(wants, t.wants)
		}
	}
	for i, may := range taskrule.Unblocked(wants) {
		if may {
			free = append(free, line[i])
		}
	}
	return free
}

// ready returns the tasks that a worker may claim.
func (m *ruleMachine) ready() []*modelTask {
	return slices.DeleteFunc(m.unblocked(), func(t *modelTask) bool { return t.state != pulp.Waiting || m.paused[t.task.Name] })
}

// admit moves those who are due behind all others.
func (m *ruleMachine) admit() {
	m.ok(m.AdmitDue(context.Background()))
	var due, rest []*modelTask
	for _, t := range m.tasks {
		if t.state != pulp.Waiting || t.due.IsZero() || t.due.After(m.now) {
			rest = append(rest, t)
		} else {
			due = append(due, t)
		}
	}
	slices.SortFunc(due, func(x, y *modelTask) int { return cmp.Or(x.due.Compare(y.due), cmp.Compare(x.number, y.number)) })
	for _, t := range due {
		t.due = time.Time{}
	}
	m.tasks = append(rest, due...)
}

// line writes a task as check compares it.
func (t *modelTask) line(unblocked bool) string {
	due := int64(0)
	if !t.due.IsZero() {
		due = t.due.UnixMicro()
	}
	return fmt.Sprintf("%s %s %s attempt %d, due %d, unblocked %t, %s", t.task.Name, t.id, t.state, t.attempts, due, unblocked, t.error)
}

// modelRows has an argument, so that the connection keeps it prepared.
const modelRows = `SELECT pulp_id, name, state, attempt, ifnull(run_at, 0), unblocked_at IS NOT NULL, worker_id IS NOT NULL,
  ifnull(error, ''), ifnull(message, ''), ifnull(finished_at, 0) || ifnull(result, '') FROM task WHERE id > ? ORDER BY ifnull(ticket, id)`

// check compares all rows with the model, and with each other.
func (m *ruleMachine) check() {
	m.compare()
	wrong, err := taskrule.Violations(context.Background(), m.plain.Reader().DB)
	m.ok(err)
	require.Empty(m.chooser, wrong)
	require.Equal(m.chooser, []int{m.hosts, m.effects}, []int{m.rows("host"), m.rows("effect")}, "what was written with a task is there if and only if it is")
}

// compare compares the rows of tasks with the model.
func (m *ruleMachine) compare() {
	m.step++
	var want, got []string
	free := m.unblocked()
	for _, t := range m.tasks {
		unblocked := slices.Contains(free, t)
		if t.state.Final() { // it may have been canceled while it was blocked
			unblocked = t.attempts > 0
		}
		want = append(want, t.line(unblocked))
	}
	rows, err := m.plain.Reader().DB.Query(modelRows, 0)
	m.ok(err)
	defer rows.Close()
	for rows.Next() {
		var t modelTask
		var due int64
		var unblocked, runs bool
		t.task = &pulp.Task[int, int]{}
		m.ok(rows.Scan(&t.id, &t.task.Name, &t.state, &t.attempts, &due, &unblocked, &runs, &t.error, &t.message, &t.end))
		if due != 0 {
			t.due = time.UnixMicro(due)
		}
		if t.state.Final() {
			unblocked = t.attempts > 0
		}
		require.True(m.chooser, t.state.Final() || runs == (t.state != pulp.Waiting), "who runs has a worker")
		got = append(got, t.line(unblocked))
		m.follow(&t)
	}
	m.ok(rows.Err())
	require.Equal(m.chooser, strings.Join(want, "\n"), strings.Join(got, "\n"))
}

// moves are the ways of a task.
var moves = map[pulp.State][]pulp.State{
	"":             {pulp.Waiting, pulp.Completed, pulp.Failed, pulp.Canceled},
	pulp.Waiting:   {pulp.Running, pulp.Canceled},
	pulp.Running:   {pulp.Waiting, pulp.Canceling, pulp.Completed, pulp.Failed},
	pulp.Canceling: {pulp.Canceled},
}

// follow compares what a row says with what it said before.
func (m *ruleMachine) follow(row *modelTask) {
	i := slices.IndexFunc(m.tasks, func(t *modelTask) bool { return t.id == row.id })
	require.GreaterOrEqual(m.chooser, i, 0, "a task that nobody dispatched")
	t, before := m.tasks[i], m.states[row.id.String()]
	require.True(m.chooser, before == row.state || slices.Contains(moves[before], row.state), "from %s to %s", before, row.state)
	m.states[row.id.String()] = row.state
	if row.state.Final() && t.end == "" {
		t.end = row.end
	}
	if row.state.Final() {
		require.Equal(m.chooser, t.end, row.end, "a task that has ended stays as it is")
	}
	if row.message != t.message {
		t.message, t.since = row.message, m.step
	}
}

func (m *ruleMachine) rows(table string) (n int) {
	m.ok(m.plain.Reader().DB.QueryRow("SELECT count(*) FROM " + table).Scan(&n))
	return n
}

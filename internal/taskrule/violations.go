package taskrule

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
)

// row is a task as its row and the rows beside it have it.
type row struct {
	id, ticket                                        int64
	name, state                                       string
	attempt                                           int
	exclusive, shared, limits                         string
	held, unblocked, owned, begun, ended, listed, off bool // off: its type is paused
	message                                           bool
}

const readRows = `SELECT t.id, ifnull(t.ticket, t.id), t.name, t.state, t.attempt, t.exclusive, t.shared, t.limits,
  t.run_at IS NOT NULL, t.unblocked_at IS NOT NULL, t.worker_id IS NOT NULL, t.started_at IS NOT NULL, t.finished_at IS NOT NULL,
  EXISTS (SELECT 1 FROM goqite g WHERE g.id = t.message), EXISTS (SELECT 1 FROM paused_type p WHERE p.name = t.name), t.message IS NOT NULL
FROM task t ORDER BY 2`

// orphans are rows that belong to nobody, each with what is wrong.
var orphans = map[string]string{
	"a message of no waiting task":           `SELECT g.id FROM goqite g WHERE NOT EXISTS (SELECT 1 FROM task t WHERE t.message = g.id AND t.state = 'waiting' AND CAST(g.body AS INTEGER) = t.id)`,
	"a reservation of no task":               `SELECT task_id FROM reservation WHERE task_id NOT IN (SELECT id FROM task)`,
	"a running report of a task that is not": `SELECT p.task_id FROM progress_report p WHERE p.state = 'running' AND NOT EXISTS (SELECT 1 FROM task t WHERE t.id = p.task_id AND t.state IN ('running', 'canceling'))`,
	"a ticket that two tasks have":           `SELECT max(id) FROM task GROUP BY ifnull(ticket, id) HAVING count(*) > 1`,
	"a key that two unfinished tasks have":   `SELECT max(id) FROM task WHERE unique_key IS NOT NULL AND state IN ('waiting', 'running', 'canceling') GROUP BY name, unique_key HAVING count(*) > 1`,
	"a result of a task that is not done":    `SELECT id FROM task WHERE result IS NOT NULL AND state <> 'completed'`,
	"an error of a task that is done":        `SELECT id FROM task WHERE error IS NOT NULL AND state = 'completed'`,
}

// Violations compares all rows of tasks with the rule, and returns what is wrong, in words. It
// looks at one state of the database, which must be one in which nothing is under way: a large
// release takes several transactions.
func Violations(ctx context.Context, db *sql.DB) (wrong []string, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	rows, err := read(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		for _, w := range r.wrong() {
			wrong = append(wrong, fmt.Sprintf("task %d (%s, %s): %s", r.id, r.name, r.state, w))
		}
	}
	lines, err := inLine(rows)
	if err != nil {
		return nil, err
	}
	wrong = append(wrong, lines.wrong()...)
	reserved, err := lines.wrongReservations(ctx, tx)
	if err != nil {
		return nil, err
	}
	wrong = append(wrong, reserved...)
	for what, text := range orphans {
		ids, err := texts(ctx, tx, text)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			wrong = append(wrong, what+": "+id)
		}
	}
	slices.Sort(wrong)
	return wrong, nil
}

func read(ctx context.Context, tx *sql.Tx) (all []row, err error) {
	rows, err := query(ctx, tx, readRows)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		err := rows.Scan(&r.id, &r.ticket, &r.name, &r.state, &r.attempt, &r.exclusive, &r.shared, &r.limits,
			&r.held, &r.unblocked, &r.owned, &r.begun, &r.ended, &r.listed, &r.off, &r.message)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

func (r row) final() bool {
	return !slices.Contains([]string{"waiting", "running", "canceling"}, r.state)
}

// wrong compares a row with itself.
func (r row) wrong() (wrong []string) {
	say := func(bad bool, what string) {
		if bad {
			wrong = append(wrong, what)
		}
	}
	running := r.state == "running" || r.state == "canceling"
	say(r.ended != r.final(), "finished_at does not go with the state")
	say(running && (!r.owned || !r.begun || !r.unblocked || r.attempt == 0), "runs without a worker, a start, an attempt or a permission")
	say(r.state == "waiting" && (r.owned || r.begun), "waits, and has a worker or a start")
	say((r.state == "completed" || r.state == "failed") && !r.begun, "has ended, but never begun")
	say(r.held && r.state != "waiting", "is held back, but does not wait")
	say(r.held && r.unblocked, "is held back and unblocked")
	say(r.message && r.state != "waiting", "does not wait, but names a message")
	ready := r.state == "waiting" && r.unblocked
	say(r.listed && !ready, "is on the ready list, but not ready")
	say(ready && !r.listed && !r.off, "is ready, but not on the ready list")
	return wrong
}

// A line is the unfinished tasks that are not held back, the oldest first.
type line struct {
	rows  []row
	tasks []Task
}

func inLine(rows []row) (l line, err error) {
	for _, r := range rows {
		if r.final() || r.held {
			continue
		}
		t, err := r.task()
		if err != nil {
			return l, fmt.Errorf("task %d: %w", r.id, err)
		}
		l.rows, l.tasks = append(l.rows, r), append(l.tasks, t)
	}
	return l, nil
}

// task reads the names of a row, which are numbers.
func (r row) task() (t Task, err error) {
	var exclusive, shared []json.Number
	var limits [][]any
	for text, to := range map[*string]any{&r.exclusive: &exclusive, &r.shared: &shared, &r.limits: &limits} {
		if err := json.Unmarshal([]byte(*text), to); err != nil {
			return t, err
		}
	}
	for _, n := range exclusive {
		t.Exclusive = append(t.Exclusive, n.String())
	}
	for _, n := range shared {
		t.Shared = append(t.Shared, n.String())
	}
	for _, l := range limits {
		t.Limits = append(t.Limits, Limit{Key: l[2].(string), N: int(l[1].(float64))})
	}
	return t, nil
}

// wrong compares who is unblocked with the rule.
func (l line) wrong() (wrong []string) {
	for i, free := range Unblocked(l.tasks) {
		if r := l.rows[i]; free != r.unblocked {
			wrong = append(wrong, fmt.Sprintf("task %d (%s, %s): the rule says unblocked = %v, the row says %v", r.id, r.name, r.state, free, r.unblocked))
		}
	}
	return wrong
}

// wrongReservations compares the rows of reservations with what the tasks in line want.
func (l line) wrongReservations(ctx context.Context, tx *sql.Tx) (wrong []string, err error) {
	want := map[string]bool{}
	for i, r := range l.rows {
		for _, n := range l.tasks[i].Exclusive {
			want[fmt.Sprintf("%s exclusive, ticket %d of task %d", n, r.ticket, r.id)] = true
		}
		for _, n := range l.tasks[i].Shared {
			want[fmt.Sprintf("%s shared, ticket %d of task %d", n, r.ticket, r.id)] = true
		}
		if n := len(l.tasks[i].Limits); n > 0 {
			want[fmt.Sprintf("%d limits, ticket %d of task %d", n, r.ticket, r.id)] = true
		}
	}
	have, err := texts(ctx, tx, `SELECT resource || iif(mode = 1, ' exclusive', ' shared') || ', ticket ' || ticket || ' of task ' || task_id FROM reservation WHERE mode < 2
UNION ALL SELECT count(*) || ' limits, ticket ' || ticket || ' of task ' || task_id FROM reservation WHERE mode = 2 GROUP BY ticket, task_id`)
	if err != nil {
		return nil, err
	}
	for _, r := range have {
		if !want[r] {
			wrong = append(wrong, "a reservation that nobody wants: "+r)
		}
		delete(want, r)
	}
	for r := range want {
		wrong = append(wrong, "a reservation that is not there: "+r)
	}
	return wrong, nil
}

// texts returns the one column of a query.
func texts(ctx context.Context, tx *sql.Tx, text string) (all []string, err error) {
	rows, err := query(ctx, tx, text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// query runs a statement that the connection keeps prepared, since machines look after each step.
func query(ctx context.Context, tx *sql.Tx, text string) (*sql.Rows, error) {
	s, err := tx.PrepareContext(ctx, text) // is closed with tx
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx)
}

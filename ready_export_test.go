package pulp

import (
	"context"
	"strconv"

	"github.com/uptrace/bun"
)

// UseLeanList replaces the ready list on goqite, before the App runs, by one whose rows hold only what
// a ready list needs. It is for benchmarks: the sweep does not know it.
func (a *App) UseLeanList(ctx context.Context) error {
	list := a.ready.(*queue)
	a.ready = leanList{list}
	return a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.ExecContext(ctx, `CREATE TABLE lean_ready (priority, task, PRIMARY KEY (priority DESC, task)) WITHOUT ROWID`)
		return err
	})
}

// A leanList knows of its emptiness what queue knows.
type leanList struct{ *queue }

func (l leanList) push(ctx context.Context, tx bun.Tx, task int64, priority int) (string, error) {
	l.empty.Store(false)
	_, err := tx.Tx.ExecContext(ctx, `INSERT INTO lean_ready VALUES (?, ?)`, priority, task)
	return strconv.FormatInt(task, 10), err
}

func (l leanList) pop(ctx context.Context, tx bun.Tx, n int) (tasks []int64, err error) {
	if l.isEmpty() {
		return nil, nil
	}
	rows, err := tx.Tx.QueryContext(ctx, `DELETE FROM lean_ready WHERE (priority, task) IN
  (SELECT priority, task FROM lean_ready ORDER BY priority DESC, task LIMIT ? + 0) RETURNING task`, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var task int64
		if err := rows.Scan(&task); err != nil {
			return nil, err
		}
		tasks = append(tasks, task)
	}
	if len(tasks) < n {
		l.empty.Store(true)
	}
	return tasks, rows.Err()
}

func (l leanList) drop(ctx context.Context, tx bun.Tx, message string) error {
	_, err := tx.Tx.ExecContext(ctx, `DELETE FROM lean_ready WHERE task = ? + 0`, message)
	return err
}

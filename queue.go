package pulp

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
	"maragu.dev/goqite"
)

// A readyList holds the tasks that are waiting, may run and are not claimed, each exactly
// once, those of higher priority first, else the oldest. It is part of the transactions that
// move tasks, so it cannot disagree with their rows.
type readyList interface {
	// push adds a task and returns the id of its message.
	push(ctx context.Context, tx bun.Tx, task int64, priority int) (message string, err error)
	// pop takes the first n tasks out, or as many as there are.
	pop(ctx context.Context, tx bun.Tx, n int) (tasks []int64, err error)
	// drop takes a message out that is not wanted any more.
	drop(ctx context.Context, tx bun.Tx, message string) error
	// isEmpty says that the list holds no task, for certain.
	isEmpty() bool
	// seemsEmpty says that the list holds no task that this process knows of.
	seemsEmpty() bool
	// doubt says that the list may hold tasks.
	doubt()
}

// queueName tells the engine's messages from others in goqite's table.
const queueName = "pulp"

// A queue is the ready list on goqite. A message is received and deleted in one transaction,
// so goqite's own leases, delays and redeliveries are never used: its Receive would slow down
// with each message that is there but not to be received. Both are one statement here, for any
// number of messages.
//
// It knows when the list is certainly empty, which saves looking. That is sound because
// push and pop are called in transactions that run one after another: what empty says in a
// transaction is true of the state that the transaction sees. It must be told by doubt of
// every rollback, for that may put messages back. If other processes share the list, it only
// seems to be empty: they tell later, see [App.attend].
type queue struct {
	q      *goqite.Queue
	shared bool
	empty  atomic.Bool
}

var _ readyList = (*queue)(nil)

func newQueue(db *bun.DB, shared bool) *queue {
	return &queue{q: goqite.New(goqite.NewOpts{DB: db.DB, Name: queueName, Timeout: time.Hour}), shared: shared}
}

func (q *queue) push(ctx context.Context, tx bun.Tx, task int64, priority int) (string, error) {
	q.empty.Store(false)
	body := strconv.AppendInt(nil, task, 10)
	id, err := q.q.SendAndGetIDTx(ctx, tx.Tx, goqite.Message{Body: body, Priority: priority})
	if err != nil {
		return "", fmt.Errorf("make task %d ready: %w", task, err)
	}
	return string(id), nil
}

// takeMessages is goqite's Receive and Delete in one.
const takeMessages = `DELETE FROM goqite WHERE rowid IN (
  SELECT rowid FROM goqite WHERE queue = '` + queueName + `' ORDER BY priority DESC, created LIMIT ? + 0)
RETURNING rowid, id, body, priority, created`

// A message is what the list says of a task.
type message struct {
	row      int64
	id       string
	body     string
	priority int
	created  string
}

func (q *queue) pop(ctx context.Context, tx bun.Tx, n int) (tasks []int64, err error) {
	if q.isEmpty() {
		return nil, nil
	}
	messages, err := takeFrom(ctx, tx, n)
	if err != nil {
		return nil, fmt.Errorf("take ready tasks: %w", err)
	}
	if len(messages) < n {
		q.empty.Store(true)
	}
	for _, m := range messages {
		task, err := strconv.ParseInt(m.body, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("message %s is not one of ours: %w", m.id, err)
		}
		tasks = append(tasks, task)
	}
	return tasks, nil
}

// takeFrom takes the first n messages out, and returns them in the order of the list.
func takeFrom(ctx context.Context, tx bun.Tx, n int) (out []message, err error) {
	rows, err := tx.Tx.QueryContext(ctx, takeMessages, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var m message
		if err := rows.Scan(&m.row, &m.id, &m.body, &m.priority, &m.created); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(x, y message) int {
		return cmp.Or(cmp.Compare(y.priority, x.priority), cmp.Compare(x.created, y.created), cmp.Compare(x.row, y.row))
	})
	return out, rows.Err()
}

func (q *queue) drop(ctx context.Context, tx bun.Tx, message string) error {
	if err := q.q.DeleteTx(ctx, tx.Tx, goqite.ID(message)); err != nil {
		return fmt.Errorf("drop message %s: %w", message, err)
	}
	return nil
}

func (q *queue) doubt() { q.empty.Store(false) }

func (q *queue) isEmpty() bool { return !q.shared && q.empty.Load() }

func (q *queue) seemsEmpty() bool { return q.empty.Load() }

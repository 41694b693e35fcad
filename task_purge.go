package pulp

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// purgeRequest is the body that asks to forget tasks.
type purgeRequest struct {
	Before *Time    `json:"finished_before" pulp:"notnull" doc:"Purge tasks completed earlier than this timestamp. Without it, those that ended more than 30 days ago."`
	States []string `json:"states" default:"[\"completed\"]" doc:"List of task-states to be purged. Only 'final' states are allowed."`
}

// purgeArgs is what the task is told.
type purgeArgs struct {
	Before Time
	States []string
	Of     *int64 // whose tasks, and those on which roles let this account; nil: all
}

var purgeTask = &Task[purgeArgs, struct{}]{Name: "pulpcore.app.tasks.purge.purge", Run: runPurge}

const (
	purgeAge   = 30 * 24 * time.Hour
	purgeBatch = 1000 // tasks in one transaction, which keeps all writers waiting
)

// finalStates are those whose tasks may be forgotten.
var finalStates = []string{string(Skipped), string(Completed), string(Failed), string(Canceled)}

// purgeOperation is POST tasks/purge/.
func purgeOperation(v *view[TaskRecord], owner Plugin) Operation {
	body := objectOf[purgeRequest]("Purge")
	body.Fields[1].Value.Items.Enum = finalStates
	o := v.operation(owner, "purge", "purge/", false, Operation{
		Method: "POST", Summary: "Purge Completed Tasks", Body: body, Codes: []AnswerKind{Accepted},
	})
	o.Do = func(ctx context.Context, r *Request) (*Answer, error) { return purge(ctx, v.app, r) }
	return o
}

func purge(ctx context.Context, a *App, r *Request) (*Answer, error) {
	in, err := readBody[purgeRequest](ctx, a, r.Body.Fields)
	if err != nil {
		return nil, err
	}
	for _, s := range in.States {
		if !slices.Contains(finalStates, s) {
			return nil, FieldErrors{"states": {fmt.Sprintf("\"%s\" is not a valid choice.", s)}}
		}
	}
	args := purgeArgs{Before: TimeOf(a.clock().Add(-purgeAge)), States: in.States}
	if in.Before != nil {
		args.Before = *in.Before
	}
	if args.Of, err = a.purger(ctx); err != nil {
		return nil, err
	}
	var id ID
	err = a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		t, err := purgeTask.Dispatch(ctx, tx, args)
		if err == nil {
			id = t.TaskID()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.accepted(ctx, id), nil
}

const purgeSQL = `DELETE FROM task WHERE id IN (SELECT id FROM task WHERE finished_at < ? AND state IN (SELECT value FROM json_each(?)) ORDER BY finished_at LIMIT ?)`

// purger is the account whose rights narrow what a purge of ctx's caller forgets; nil if it may
// forget all tasks.
func (a *App) purger(ctx context.Context) (*int64, error) {
	acc := accessOf(ctx)
	if acc == nil {
		return nil, nil
	}
	all, err := acc.everywhere(ctx, "core.delete_task")
	switch {
	case all || err != nil:
		return nil, err
	case acc.caller.AccountID == nil:
		return nil, ErrDenied
	}
	return acc.caller.AccountID, nil
}

// purgeOwnSQL is purgeSQL for the tasks that an account may delete.
const purgeOwnSQL = `DELETE FROM task WHERE id IN (SELECT id FROM task WHERE finished_at < ? AND state IN (SELECT value FROM json_each(?))
AND (created_by = ? OR id IN (` + rowsWithSQL + `)) ORDER BY finished_at LIMIT ?)`

func runPurge(ctx context.Context, j *Job, args purgeArgs) (struct{}, error) {
	if args.Of == nil {
		return struct{}{}, j.forgetTasks(ctx, purgeSQL, args.Before, jsonTexts(args.States))
	}
	const right = "core.delete_task"
	return struct{}{}, j.forgetTasks(ctx, purgeOwnSQL, args.Before, jsonTexts(args.States), *args.Of, right, *args.Of, taskKind, taskKind, right, *args.Of)
}

// forgetTasks deletes the records of tasks that a statement finds, batch by batch. What it has
// deleted stays deleted if it is canceled.
func (j *Job) forgetTasks(ctx context.Context, query string, args ...any) error {
	total := j.Progress("purge.tasks.total", "Purged task-objects total", 0)
	for n := int64(purgeBatch); n == purgeBatch; total.Add(n) {
		var err error
		if n, err = j.exec(ctx, query, append(args, purgeBatch)...); err != nil {
			return fmt.Errorf("purge tasks: %w", err)
		}
	}
	return nil
}

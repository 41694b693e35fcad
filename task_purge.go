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

// What a purge forgets: the oldest tasks, so many at a time (the last ?), that ended before a time
// in one of some states; of one account only those that it may delete.
const (
	purgeable    = ` IN (SELECT id FROM task WHERE finished_at < ? AND state IN (SELECT value FROM json_each(?)) ORDER BY finished_at, id LIMIT ? + 0)`
	purgeableOwn = ` IN (SELECT id FROM task WHERE finished_at < ? AND state IN (SELECT value FROM json_each(?))
AND (created_by = ? OR id IN (` + rowsWithSQL + `)) ORDER BY finished_at, id LIMIT ? + 0)`

	purgeReportsSQL = `DELETE FROM progress_report WHERE task_id`
	purgeCreatedSQL = `DELETE FROM created_resource WHERE task_id`
	purgeSQL        = `DELETE FROM task WHERE id`
)

// purged is what goes with a task, under the names that clients know, and the task last.
var purged = [...]struct{ model, query string }{
	{"core.ProgressReport", purgeReportsSQL}, {"core.CreatedResource", purgeCreatedSQL}, {"core.Task", purgeSQL},
}

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

func runPurge(ctx context.Context, j *Job, args purgeArgs) (struct{}, error) {
	if args.Of == nil {
		return struct{}{}, j.forgetTasks(ctx, purgeable, args.Before, jsonTexts(args.States))
	}
	const right = "core.delete_task"
	return struct{}{}, j.forgetTasks(ctx, purgeableOwn, args.Before, jsonTexts(args.States), *args.Of, right, *args.Of, taskKind, taskKind, right, *args.Of)
}

// forgetTasks deletes the records of the tasks that which finds, batch by batch. What it has
// deleted stays deleted if it is canceled.
func (j *Job) forgetTasks(ctx context.Context, which string, args ...any) error {
	total := j.Progress("purge.tasks.total", "Purged task-objects total", 0)
	for {
		counts, err := j.purgeBatch(ctx, which, append(args, purgeBatch))
		if err != nil {
			return fmt.Errorf("purge tasks: %w", err)
		}
		for i, n := range counts {
			total.Add(n)
			if n > 0 {
				j.Progress("purge.tasks.key."+purged[i].model, "Purged task-objects of type "+purged[i].model, 0).Add(n)
			}
		}
		if counts[len(counts)-1] < purgeBatch {
			return nil
		}
	}
}

// purgeBatch deletes some tasks with what belongs to them, and counts both.
func (j *Job) purgeBatch(ctx context.Context, which string, args []any) (counts [len(purged)]int64, err error) {
	err = j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		for i, p := range purged {
			res, err := tx.Tx.ExecContext(ctx, p.query+which, args...)
			if err != nil {
				return err
			}
			if counts[i], err = res.RowsAffected(); err != nil {
				return err
			}
		}
		return nil
	})
	return counts, err
}

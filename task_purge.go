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

// purgeable are the oldest ?3 tasks that ended before ?1 in one of the states ?2.
const purgeable = ` IN (SELECT id FROM task WHERE finished_at < ?1 AND state IN (SELECT value FROM json_each(?2)) ORDER BY finished_at, id LIMIT ?3)`

const (
	purgeReportsSQL = `DELETE FROM progress_report WHERE task_id` + purgeable
	purgeCreatedSQL = `DELETE FROM created_resource WHERE task_id` + purgeable
	purgeSQL        = `DELETE FROM task WHERE id` + purgeable
)

// purged is what goes with a task, under the names that clients know, and the task last.
var purged = [...]struct{ model, query string }{
	{"core.ProgressReport", purgeReportsSQL}, {"core.CreatedResource", purgeCreatedSQL}, {"core.Task", purgeSQL},
}

func runPurge(ctx context.Context, j *Job, args purgeArgs) (struct{}, error) {
	return struct{}{}, j.forgetTasks(ctx, args.Before, args.States)
}

// forgetTasks deletes the records of tasks that ended before a time in one of some final states,
// batch by batch. What it has deleted stays deleted if it is canceled.
func (j *Job) forgetTasks(ctx context.Context, before Time, states []string) error {
	total := j.Progress("purge.tasks.total", "Purged task-objects total", 0)
	for {
		counts, err := j.purgeBatch(ctx, before, states)
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
func (j *Job) purgeBatch(ctx context.Context, before Time, states []string) (counts [len(purged)]int64, err error) {
	err = j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		for i, p := range purged {
			res, err := tx.Tx.ExecContext(ctx, p.query, before, jsonTexts(states), purgeBatch)
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

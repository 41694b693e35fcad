package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
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
	p, _ := planOf(reflect.TypeFor[purgeRequest]())
	body := p.object("Purge")
	body.Fields[1].Value.Items.Enum = finalStates
	o := v.operation(owner, "purge", "purge/", false, Operation{
		Method: "POST", Summary: "Purge Completed Tasks", Body: body, Codes: []AnswerKind{Accepted},
	})
	o.Do = func(ctx context.Context, r *Request) (*Answer, error) { return purge(ctx, v.app, p, r) }
	return o
}

func purge(ctx context.Context, a *App, p *plan, r *Request) (*Answer, error) {
	var in purgeRequest
	if err := a.decoder(ctx, a.db.Reader()).decode(p, r.Body.Fields, reflect.ValueOf(&in).Elem(), creating); err != nil {
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
	err := a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
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

// runPurge forgets tasks batch by batch. What it has deleted stays deleted if it is canceled.
func runPurge(ctx context.Context, j *Job, args purgeArgs) (struct{}, error) {
	states, err := json.Marshal(args.States)
	if err != nil {
		return struct{}{}, err
	}
	total := j.Progress("purge.tasks.total", "Purged task-objects total", 0)
	for {
		var n int64
		err := j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
			res, err := tx.Tx.ExecContext(ctx, purgeSQL, int64(args.Before), string(states), purgeBatch)
			if err != nil {
				return fmt.Errorf("purge tasks: %w", err)
			}
			n, err = res.RowsAffected()
			return err
		})
		if err != nil {
			return struct{}{}, err
		}
		total.Add(n)
		if n < purgeBatch {
			return struct{}{}, nil
		}
	}
}

package pulp

import (
	"context"
	"fmt"
	"strings"

	"github.com/uptrace/bun"
)

// An upkeep is an operation on all that an App keeps, which a task does. Its body is an In.
type upkeep[In any] struct {
	id, method, path, tag, summary string
	body                           string // its name in the API's description; empty for none
	// start dispatches the task in tx.
	start func(ctx context.Context, tx bun.Tx, in *In) (ticketed, error)
}

func (u upkeep[In]) declare(r *registry, _ Plugin) error {
	o := Operation{ID: u.id, Method: u.method, Path: u.path, Tag: u.tag, Summary: u.summary, Codes: []AnswerKind{Accepted}}
	if u.body != "" {
		o.Body = objectOf[In](u.body)
	}
	a := r.app
	o.Do = func(ctx context.Context, req *Request) (*Answer, error) {
		in, err := readBody[In](ctx, a, req.Body.Fields)
		if err != nil {
			return nil, err
		}
		var ticket ticketed
		err = a.Tx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
			ticket, err = u.start(ctx, tx, in)
			return err
		})
		if err != nil {
			return nil, err
		}
		return a.accepted(ctx, ticket.TaskID()), nil
	}
	o.guard, o.action = &guard{name: strings.TrimSuffix(u.path, "/"), access: AdminOnly, make: func() []rule { return nil }}, "create"
	r.guards[o.guard.name] = o.guard
	r.operations = append(r.operations, o)
	return nil
}

// named finds the objects of a kind that hrefs or PRNs name, and says which do not exist for the
// caller.
func (a *App) named(ctx context.Context, db bun.IDB, field, kindName, plural string, names []string) ([]int64, error) {
	ts := make([]target, 0, len(names))
	for _, name := range names {
		t, ok := a.parseTarget(ctx, name)
		if !ok || t.end.kind.name != kindName {
			return nil, FieldErrors{field: {fmt.Sprintf("URI not valid for %s: %s", kindName, name)}}
		}
		ts = append(ts, t)
	}
	ids, err := a.findTargets(ctx, db, ts)
	if err != nil {
		return nil, err
	}
	hidden, err := a.unseen(ctx, db, a.kinds[kindName], ids)
	if err != nil {
		return nil, err
	}
	var missing []string
	for i, id := range ids {
		if id == 0 || hidden[id] {
			missing = append(missing, names[i])
		}
	}
	if missing != nil {
		return nil, FieldErrors{field: {"Could not find the following " + plural + ": " + strings.Join(missing, ", ")}}
	}
	return ids, nil
}

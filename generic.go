package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/uptrace/bun"
)

// What the tasks of Async operations are told: the view, the row, and the body of the request.
type genericArgs struct {
	Path string
	Key  int64
	Body map[string]json.RawMessage
	How  writing
}

// The tasks of all Async operations. Their names are those that clients know.
var (
	generalCreate = &Task[genericArgs, json.RawMessage]{Name: "pulpcore.app.tasks.base.general_create", RunTx: runCreate}
	generalUpdate = &Task[genericArgs, json.RawMessage]{Name: "pulpcore.app.tasks.base.ageneral_update", RunTx: runUpdate}
	quickDelete   = &Task[genericArgs, struct{}]{Name: "pulpcore.app.tasks.base.ageneral_delete", RunTx: runDelete}
	generalDelete = &Task[genericArgs, struct{}]{Name: "pulpcore.app.tasks.base.general_delete", Run: runSlowDelete}
)

// writer is a view of any model, as the generic tasks see it.
type writer interface {
	createIn(ctx context.Context, tx bun.Tx, j *Job, in map[string]json.RawMessage) (json.RawMessage, error)
	updateIn(ctx context.Context, tx bun.Tx, key int64, in map[string]json.RawMessage, how writing) (json.RawMessage, error)
	deleteIn(ctx context.Context, tx bun.Tx, key int64) error
	buryIn(ctx context.Context, tx bun.Tx, key, task int64) (t *tomb, buried bool, err error)
}

func runCreate(ctx context.Context, tx bun.Tx, j *Job, args genericArgs) (json.RawMessage, error) {
	return FromContext(ctx).views[args.Path].createIn(ctx, tx, j, args.Body)
}

func runUpdate(ctx context.Context, tx bun.Tx, _ *Job, args genericArgs) (json.RawMessage, error) {
	return FromContext(ctx).views[args.Path].updateIn(ctx, tx, args.Key, args.Body, args.How)
}

func runDelete(ctx context.Context, tx bun.Tx, _ *Job, args genericArgs) (struct{}, error) {
	return struct{}{}, FromContext(ctx).views[args.Path].deleteIn(ctx, tx, args.Key)
}

func runSlowDelete(ctx context.Context, j *Job, args genericArgs) (struct{}, error) {
	v, t := FromContext(ctx).views[args.Path], (*tomb)(nil)
	buried := false
	err := j.Tx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		t, buried, err = v.buryIn(ctx, tx, args.Key, j.id)
		return err
	})
	if err != nil {
		return struct{}{}, err
	}
	if buried {
		return struct{}{}, j.erase(ctx, t, args.Key, j.erasing())
	}
	j.OnFinish(func(ctx context.Context, tx bun.Tx) error { return v.deleteIn(ctx, tx, args.Key) })
	return struct{}{}, nil
}

// dispatch hands an operation to a task.
func (v *view[M]) dispatch(ctx context.Context, op Op, old, new *M, args genericArgs) (*Answer, error) {
	var id ID
	err := v.app.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		opts := v.reservations(op, old, new)
		t, err := v.dispatchIn(ctx, tx, op, args, opts)
		if err == nil {
			id = t.TaskID()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return v.app.accepted(ctx, id), nil
}

func (v *view[M]) dispatchIn(ctx context.Context, tx bun.Tx, op Op, args genericArgs, opts []DispatchOption) (ticketed, error) {
	switch {
	case op == Create:
		return generalCreate.Dispatch(ctx, tx, args, opts...)
	case op == Update:
		return generalUpdate.Dispatch(ctx, tx, args, opts...)
	case !v.slowDelete:
		return quickDelete.Dispatch(ctx, tx, args, opts...)
	}
	return generalDelete.Dispatch(ctx, tx, args, opts...)
}

func (v *view[M]) reservations(op Op, old, new *M) (opts []DispatchOption) {
	if v.Reserve != nil {
		for _, r := range v.Reserve(op, old, new) {
			opts = append(opts, r)
		}
		return opts
	}
	if old == nil {
		return nil
	}
	if r, ok := any(old).(Resource); ok {
		return []DispatchOption{Exclusive(r)}
	}
	return []DispatchOption{Exclusive(Name(v.Path + "/" + v.codec.keyOf(old)))}
}

func (v *view[M]) createIn(ctx context.Context, tx bun.Tx, j *Job, in map[string]json.RawMessage) (json.RawMessage, error) {
	m := v.fresh()
	if err := v.decode(ctx, tx, in, nil, m, creating); err != nil {
		return nil, err
	}
	if err := v.insert(ctx, tx, m); err != nil {
		return nil, err
	}
	j.Created(v.end.kind.name, v.number(m))
	return v.text(ctx, tx, m)
}

func (v *view[M]) updateIn(ctx context.Context, tx bun.Tx, key int64, in map[string]json.RawMessage, how writing) (json.RawMessage, error) {
	m, err := v.change(ctx, tx, key, in, how)
	if err != nil {
		return nil, err
	}
	return v.text(ctx, tx, m)
}

func (v *view[M]) text(ctx context.Context, db bun.IDB, m *M) (json.RawMessage, error) {
	return v.codec.encodeOne(ctx, db, m, nil, nil)
}

func (v *view[M]) deleteIn(ctx context.Context, tx bun.Tx, key int64) error {
	m, err := v.row(ctx, tx, key)
	if err != nil {
		return err
	}
	return v.remove(ctx, tx, m)
}

// buryIn makes a large object vanish that a task then erases; any other stays as it is.
func (v *view[M]) buryIn(ctx context.Context, tx bun.Tx, key, task int64) (t *tomb, buried bool, err error) {
	if _, err := v.row(ctx, tx, key); err != nil {
		return nil, false, err
	}
	t = tombOf(v.end.kind.name)
	buried, err = t.lower(ctx, tx, key, &task)
	return t, buried, err
}

// remove deletes a row; what is large vanishes now and is erased later.
func (v *view[M]) remove(ctx context.Context, tx bun.Tx, m *M) error {
	if v.Remove != nil {
		if err := v.Remove(ctx, tx, m); err != nil {
			return err
		}
	}
	if t := tombOf(v.end.kind.name); t != nil {
		buried, err := t.lower(ctx, tx, v.number(m), nil)
		if err != nil {
			return err
		}
		if buried {
			return eraseLater(ctx, tx)
		}
	}
	err := v.model.Delete(ctx, tx, m)
	if isForeignKeyViolation(err) {
		return fmt.Errorf("the %s is in use: %w", v.Name, ErrConflict)
	}
	return err
}

// taken says which unique fields of m another row has already.
func (v *view[M]) taken(ctx context.Context, db bun.IDB, old, m *M) error {
	errs := FieldErrors{}
	for _, f := range v.codec.plan.fields {
		if !f.unique {
			continue
		}
		value := reflect.ValueOf(m).Elem().FieldByIndex(f.index).Interface()
		if old != nil && reflect.DeepEqual(reflect.ValueOf(old).Elem().FieldByIndex(f.index).Interface(), value) {
			continue
		}
		there, err := v.exists(ctx, db, f.column, value)
		if err != nil {
			return err
		}
		if there {
			errs.Add(f.Name, "This field must be unique.")
		}
	}
	return errs.OrNil()
}

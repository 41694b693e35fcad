package pulp

import (
	"context"
	"encoding/json"
	"reflect"

	"github.com/uptrace/bun"
)

func (v *view[M]) allow(ctx context.Context, op Op, m *M) error {
	if v.Allow == nil {
		return nil
	}
	return v.Allow(ctx, op, m)
}

func (v *view[M]) read(ctx context.Context, r *Request) (*Answer, error) {
	var m *M
	var out json.RawMessage
	only, without := v.pruned(r.Query)
	err := v.codec.snapshot(ctx, func(ctx context.Context, db bun.IDB) (err error) {
		if m, err = v.one(ctx, db, r.Vars); err != nil {
			return err
		}
		out, err = v.codec.encodeOne(ctx, db, m, only, without)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := v.allow(ctx, Read, m); err != nil {
		return nil, err
	}
	return &Answer{Kind: OK, Body: out}, nil
}

// answer writes one object that was written or changed. r may be nil.
func (v *view[M]) answer(ctx context.Context, db bun.IDB, kind AnswerKind, m *M, r *Request) (*Answer, error) {
	var only, without []string
	if r != nil {
		only, without = v.pruned(r.Query)
	}
	without = append(without, v.codec.details()...)
	out, err := v.codec.encodeOne(ctx, db, m, only, without)
	if err != nil {
		return nil, err
	}
	return &Answer{Kind: kind, Body: out}, nil
}

// decode reads a body into m and validates the result.
func (v *view[M]) decode(ctx context.Context, db bun.IDB, in map[string]json.RawMessage, old, m *M, how writing) error {
	d := v.app.decoder(ctx, db)
	if err := d.decode(v.codec.plan, in, reflect.ValueOf(m).Elem(), how); err != nil {
		return err
	}
	if err := v.checkKey(old, m); err != nil {
		return err
	}
	if v.Serializer.Validate != nil {
		if err := v.Serializer.Validate(ctx, db, old, m); err != nil {
			return err
		}
	}
	return v.taken(ctx, db, old, m)
}

// checkKey refuses a key that the client chose and that no path could end in.
func (v *view[M]) checkKey(old, m *M) error {
	f := v.plan.byColumn(v.key.column)
	if old != nil || v.key.named || f == nil || f.ReadOnly || addressable(v.codec.keyOf(m)) {
		return nil
	}
	return FieldErrors{f.Name: {"This cannot be part of a path."}}
}

func (v *view[M]) create(ctx context.Context, r *Request) (*Answer, error) {
	if err := v.allow(ctx, Create, nil); err != nil {
		return nil, err
	}
	if err := v.prepared(ctx, nil, r); err != nil {
		return nil, err
	}
	m := v.fresh()
	if err := v.decode(ctx, v.app.db.Reader(), r.Body.Fields, nil, m, creating); err != nil {
		return nil, err
	}
	if v.Async&Create != 0 {
		return v.dispatch(ctx, Create, nil, m, genericArgs{Path: v.Path, Body: r.Body.Fields})
	}
	err := v.app.Tx(ctx, func(ctx context.Context, tx bun.Tx) error { return v.insert(ctx, tx, m) })
	if err != nil {
		return nil, err
	}
	return v.answer(ctx, v.app.db.Reader(), Created, m, r)
}

func (v *view[M]) prepared(ctx context.Context, old *M, r *Request) error {
	if v.prepare == nil {
		return nil
	}
	return v.prepare(ctx, old, r.Body.Fields)
}

// fresh makes an empty record of the view's type.
func (v *view[M]) fresh() *M {
	m := new(M)
	if t, ok := any(m).(typed); ok {
		t.setType(v.end.typ)
	}
	return m
}

// insert writes a new row and what belongs to it.
func (v *view[M]) insert(ctx context.Context, tx bun.Tx, m *M) error {
	if err := v.model.Insert(ctx, tx, m); err != nil {
		return v.violation(err)
	}
	if v.guard.owned {
		if err := v.app.owned(ctx, tx, v.end, v.number(m)); err != nil {
			return err
		}
	}
	if v.Save == nil {
		return nil
	}
	return v.Save(ctx, tx, nil, m)
}

// update answers PUT and PATCH.
func (v *view[M]) update(how writing) func(context.Context, *Request) (*Answer, error) {
	return func(ctx context.Context, r *Request) (*Answer, error) {
		db := v.app.db.Reader()
		old, err := v.one(ctx, db, r.Vars)
		if err != nil {
			return nil, err
		}
		if err := v.allow(ctx, Update, old); err != nil {
			return nil, err
		}
		if err := v.prepared(ctx, old, r); err != nil {
			return nil, err
		}
		m := clone(old)
		if err := v.decode(ctx, db, r.Body.Fields, old, m, how); err != nil {
			return nil, err
		}
		if reflect.DeepEqual(old, m) {
			return v.answer(ctx, db, OK, old, r)
		}
		if v.Async&Update != 0 {
			args := genericArgs{Path: v.Path, Key: v.number(old), Body: r.Body.Fields, How: how}
			return v.dispatch(ctx, Update, old, m, args)
		}
		var changed *M
		err = v.app.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
			changed, err = v.change(ctx, tx, v.primary(old), r.Body.Fields, how)
			return err
		})
		if err != nil {
			return nil, err
		}
		return v.answer(ctx, v.app.db.Reader(), OK, changed, r)
	}
}

// clone copies an object, but not what its pointers lead to: decoding replaces those.
func clone[M any](m *M) *M {
	c := *m
	return &c
}

// change reads the row again inside the transaction, so that nothing that happened since the
// request was validated is lost, and writes it.
func (v *view[M]) change(ctx context.Context, tx bun.Tx, key any, in map[string]json.RawMessage, how writing) (*M, error) {
	old, err := v.row(ctx, tx, key)
	if err != nil {
		return nil, err
	}
	m := clone(old)
	if err := v.decode(ctx, tx, in, old, m, how); err != nil {
		return nil, err
	}
	if err := v.model.Update(ctx, tx, m, v.app.changed(old, m)...); err != nil {
		return nil, v.violation(err)
	}
	if v.Save != nil {
		err = v.Save(ctx, tx, old, m)
	}
	return m, err
}

func (v *view[M]) destroy(ctx context.Context, r *Request) (*Answer, error) {
	m, err := v.one(ctx, v.app.db.Reader(), r.Vars)
	if err != nil {
		return nil, err
	}
	if err := v.allow(ctx, Delete, m); err != nil {
		return nil, err
	}
	if v.removal != nil {
		id, err := v.removal(ctx, m)
		if err != nil {
			return nil, err
		}
		return v.app.accepted(ctx, id), nil
	}
	if v.Async&Delete != 0 {
		return v.dispatch(ctx, Delete, m, nil, genericArgs{Path: v.Path, Key: v.number(m)})
	}
	err = v.app.Tx(ctx, func(ctx context.Context, tx bun.Tx) error { return v.remove(ctx, tx, m) })
	if err != nil {
		return nil, err
	}
	return &Answer{Kind: NoContent}, nil
}

package pulp

import (
	"context"
	"fmt"
)

// Admit says whether ctx's caller, see [App.Restrict], may call an operation on what vars, the
// variables of its path, name. The HTTP layer asks before it reads the body; what depends on the
// body is asked again by the operation itself. A nil error lets the caller in; the others are
// ErrUnauthenticated, ErrDenied, and ErrNotFound for an object that the caller cannot see.
func (a *App) Admit(ctx context.Context, op *Operation, vars map[string]string) error {
	acc := accessOf(ctx)
	if acc == nil {
		return nil
	}
	waits, err := acc.check(ctx, op, vars, nil)
	if err == nil && !waits {
		acc.mu.Lock()
		acc.admitted = op
		acc.mu.Unlock()
	}
	return err
}

// restrain puts the check before an operation.
func (a *App) restrain(op *Operation) {
	do := op.Do
	op.Do = func(ctx context.Context, r *Request) (*Answer, error) {
		if acc := accessOf(ctx); acc != nil && !acc.pass(op) {
			if _, err := acc.check(ctx, op, r.Vars, &r.Body); err != nil {
				return nil, err
			}
		}
		return do(ctx, r)
	}
}

// pass says whether the next call of an operation has been allowed already. It is good for once.
func (acc *access) pass(op *Operation) bool {
	acc.mu.Lock()
	defer acc.mu.Unlock()
	ok := acc.admitted == op
	acc.admitted = nil
	return ok
}

// check decides about a call. It waits for the body if a condition depends on it, and body is nil.
func (acc *access) check(ctx context.Context, op *Operation, vars map[string]string, body *Input) (waits bool, err error) {
	known := acc.caller.AccountID != nil || acc.caller.Username != ""
	switch {
	case op.Anonymous, op.loggedIn && known:
		return false, nil
	case op.guard == nil:
		return false, acc.refusal(nil)
	}
	p := acc.policy(ctx, op.guard.name)
	if p == nil || !p.concerns(op.action, acc.caller) {
		return false, acc.refusal(nil)
	}
	if err := acc.load(ctx); err != nil {
		return false, err
	}
	q := &question{access: acc, op: op, vars: vars, body: body}
	if err := q.look(ctx); err != nil {
		return false, err
	}
	ok, err := q.allowed(ctx, p)
	if !ok || err != nil {
		return false, acc.refusal(err)
	}
	return q.waits, nil
}

// refusal is the error for a caller who may not: nobody is asked who they are.
func (acc *access) refusal(err error) error {
	switch {
	case err != nil:
		return err
	case acc.caller.AccountID == nil && acc.caller.Username == "":
		return ErrUnauthenticated
	}
	return ErrDenied
}

// look finds the object that the path names and the one below which it lies, if the caller may
// see them.
func (q *question) look(ctx context.Context) error {
	if q.op.parent != nil {
		above, found, err := parentObject(ctx, q)
		if err == nil && !found {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		q.above = above
		hidden, err := q.app.unseen(ctx, q.app.db.Reader(), q.op.parent.kind, []int64{above.id})
		switch {
		case err != nil:
			return fmt.Errorf("look for %s: %w", q.op.parent.kind.name, err)
		case hidden[above.id]:
			return ErrNotFound
		}
	}
	if q.op.find == nil {
		return nil
	}
	var err error
	q.subject, err = q.op.find(ctx, q.vars)
	return err
}

// find finds the object that a path names, as one that roles may be on.
func (v *view[M]) find(ctx context.Context, vars map[string]string) (subject, error) {
	m, err := v.one(ctx, v.app.db.Reader(), vars)
	if err != nil || !v.key.integer {
		return subject{}, err
	}
	return subject{v.end.kind.name, v.number(m)}, nil
}

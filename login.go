package pulp

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/password"
	"github.com/gopulp/pulp/internal/schema"
)

// A SessionChange is what an operation wants done with the caller's session in the HTTP layer.
type SessionChange int

// What may be done with a session. Zero leaves it alone.
const (
	OpensSession SessionChange = iota + 1
	ClosesSession
)

// loginOperations declares login/: opening and closing a session, and what callers may change of
// themselves.
type loginOperations struct{}

// A loginUpdate is the body that changes one's own account.
type loginUpdate struct {
	Username    *string `json:"username" pulp:"notnull" validate:"omitempty,max=150" doc:"Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only."`
	FirstName   *string `json:"first_name" pulp:"notnull,blank" validate:"omitempty,max=150" doc:"First name"`
	LastName    *string `json:"last_name" pulp:"notnull,blank" validate:"omitempty,max=150" doc:"Last name"`
	Email       *string `json:"email" pulp:"notnull,blank,format=email" validate:"omitempty,email" doc:"Email address"`
	OldPassword *string `json:"old_password" pulp:"writeonly,notnull,raw"`
	NewPassword *string `json:"new_password" pulp:"writeonly,notnull,raw"`
}

func (loginOperations) declare(r *registry, _ Plugin) error {
	a := r.app
	text := schema.Value{Type: schema.String}
	who := &schema.Object{Name: "Login", Fields: []schema.Field{
		{Name: "pulp_href", Value: schema.Value{Type: schema.String, Format: "uri"}, ReadOnly: true},
		{Name: "prn", Value: text, ReadOnly: true}, {Name: "username", Value: text, ReadOnly: true}}}
	update := objectOf[loginUpdate]("LoginUpdate")
	update.Fields = append(who.Fields[:2:2], update.Fields...)
	for _, op := range []Operation{
		{ID: "login_read", Method: "GET", Summary: "Inspect the user who is logged in", Query: pruning(), Answer: who, Codes: []AnswerKind{OK},
			Do: func(ctx context.Context, r *Request) (*Answer, error) { return a.whoAmI(ctx, r, OK, 0) }},
		{ID: "login", Method: "POST", Summary: "Log in", Answer: who, Codes: []AnswerKind{Created},
			Do: func(ctx context.Context, r *Request) (*Answer, error) { return a.whoAmI(ctx, r, Created, OpensSession) }},
		{ID: "login_update", Method: "PATCH", Summary: "Change one's own user", Body: update, Answer: update, Codes: []AnswerKind{OK}, Do: a.updateLogin},
		{ID: "logout", Method: "DELETE", Summary: "Log out", Codes: []AnswerKind{NoContent},
			Do: func(context.Context, *Request) (*Answer, error) {
				return &Answer{Kind: NoContent, Session: ClosesSession}, nil
			}},
	} {
		op.Path, op.Tag, op.loggedIn = "login/", "Login", true
		r.operations = append(r.operations, op)
	}
	return nil
}

// self is the account of ctx's caller. Somebody whom only the host knows has none.
func (a *App) self(ctx context.Context, db bun.IDB) (*userRecord, error) {
	id := CallerOf(ctx).AccountID
	if id == nil {
		return nil, fmt.Errorf("the caller has no account: %w", ErrDenied)
	}
	return NewModel[userRecord]().First(ctx, db, byKey(*id))
}

func (a *App) whoAmI(ctx context.Context, r *Request, kind AnswerKind, session SessionChange) (*Answer, error) {
	m, err := a.self(ctx, a.db.Reader())
	if err != nil {
		return nil, err
	}
	w := objectWriter{wanted: chosen(list(r.Query, "fields"), list(r.Query, "exclude_fields"))}
	a.writeSelf(ctx, &w, m, [][2]string{{"username", m.Username}})
	return &Answer{Kind: kind, Body: w.end(), Session: session}, nil
}

func (a *App) writeSelf(ctx context.Context, w *objectWriter, m *userRecord, rest [][2]string) {
	href, prn := a.nameOf(ctx, accountKind, m.Key)
	for _, f := range append([][2]string{{"pulp_href", href}, {"prn", prn}}, rest...) {
		if w.name(f[0]) {
			w.b = appendString(w.b, f[1])
		}
	}
}

// updateLogin changes the caller's own account: names, address, and the password for who knows it.
func (a *App) updateLogin(ctx context.Context, r *Request) (*Answer, error) {
	in, err := readFields[loginUpdate](ctx, a, r.Body.Fields, patching)
	if err != nil {
		return nil, err
	}
	m, err := a.self(ctx, a.db.Reader())
	if err != nil {
		return nil, err
	}
	hash, err := a.newPassword(ctx, m, in)
	if err != nil {
		return nil, err
	}
	var done *userRecord
	err = a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if done, err = a.self(ctx, tx); err != nil {
			return err
		}
		return a.saveSelf(ctx, tx, done, in, hash)
	})
	if err != nil {
		return nil, err
	}
	w := objectWriter{wanted: func(string) bool { return true }}
	a.writeSelf(ctx, &w, done, [][2]string{{"username", done.Username}, {"first_name", done.FirstName}, {"last_name", done.LastName}, {"email", done.Email}})
	return &Answer{Kind: OK, Body: w.end()}, nil
}

func (a *App) saveSelf(ctx context.Context, tx bun.Tx, m *userRecord, in *loginUpdate, hash string) error {
	old := clone(m)
	for to, from := range map[*string]*string{&m.Username: in.Username, &m.FirstName: in.FirstName, &m.LastName: in.LastName, &m.Email: in.Email} {
		if from != nil {
			*to = *from
		}
	}
	if hash != "" {
		m.Password = &hash
	}
	v := a.views["users"].(*view[userRecord])
	if err := validUser(ctx, tx, old, m); err != nil {
		return err
	}
	if err := v.taken(ctx, tx, old, m); err != nil {
		return err
	}
	return v.violation(v.model.Update(ctx, tx, m))
}

// newPassword is the hash of the password that the caller wants, who must know the old one; empty
// if none is wanted.
func (a *App) newPassword(ctx context.Context, m *userRecord, in *loginUpdate) (string, error) {
	switch {
	case in.NewPassword == nil && in.OldPassword == nil:
		return "", nil
	case in.OldPassword == nil:
		return "", FieldErrors{"old_password": {"This field is required."}}
	case in.NewPassword == nil:
		return "", FieldErrors{"new_password": {"This field is required."}}
	}
	acc, err := a.account(ctx, m.Username)
	if err != nil {
		return "", err
	}
	if ok, err := a.accounts.fits(ctx, a.clock(), acc, *in.OldPassword); err != nil {
		return "", err
	} else if !ok {
		return "", FieldErrors{"old_password": {"This is not the present password."}}
	}
	if faults := passwordFaults(*in.NewPassword, m); faults != nil {
		return "", FieldErrors{"new_password": faults}
	}
	return password.Hash(*in.NewPassword), nil
}

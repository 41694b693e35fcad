package pulp

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"

	"github.com/uptrace/bun"
)

// A Guard decides who gets what a distribution serves: every file, listing and redirect of it.
type Guard[D any] struct {
	bun.BaseModel `bun:"table:guard,alias:g"`
	Master
	Name        string  `bun:"name" json:"name" validate:"required" pulp:"filter,unique" doc:"The unique name."`
	Description *string `bun:"description" json:"description" doc:"An optional description."`
	Detail      D       `bun:"detail,type:json" json:"-"`
}

// A GuardType declares a type of guard whose own fields are D.
type GuardType[D any] struct {
	// Name is the type's short name. It is stored.
	Name string
	// Class is the name in the API's description. Empty makes "<Plugin><Name>ContentGuard".
	Class string
	// Validate looks at a guard before it is written; old is nil on create. Nil means nothing more.
	Validate func(old, new *Guard[D]) error
	// Permit decides about one request: nil lets it pass, [Deny] makes the error that refuses it.
	// Any other error refuses it, too, and tells the operator that something is broken. It is
	// called for each request, by any number of goroutines, before anything is looked up that
	// the answer could tell of.
	Permit func(ctx context.Context, g *Guard[D], r *ContentRequest) error

	valid    func(ctx context.Context, db bun.IDB, old, new *Guard[D]) error
	computed []Computed[Guard[D]]
	members  func(g *Guard[D]) []int64 // of which any may permit, instead of Permit
	// Upgrade are the steps that rows which older releases wrote have to take. Nil means that there are none.
	Upgrade []Upgrade
}

// A ContentRequest is what a guard decides about. On whose behalf it is made says [CallerOf].
type ContentRequest struct {
	// Path is what is asked for below the content root, decoded and without leading slash:
	// "acme/stable/a.txt". The directory of the distribution itself may lack the slash at its end.
	Path string
	// BasePath is that of the distribution, with which Path begins: "acme/stable".
	BasePath string
	// Query is the URL's query as it was sent, without question mark.
	Query string
	// Header returns the first value of a header; empty if there is none.
	Header func(name string) string
	// Certificates returns the client's certificate, and then those that lead from it to its
	// authority as far as the client sent them. Whoever sent the request has proven to own the
	// first one, but nobody has looked at who signed it. None means that there is no certificate.
	Certificates func() ([]*x509.Certificate, error)
}

// WithContentRequest returns a context in which [App.Serve] and [App.Look] serve what guards
// let r have. Serve fills in Path and BasePath. Without it, guards see a request that shows nothing.
func WithContentRequest(ctx context.Context, r ContentRequest) context.Context {
	return context.WithValue(ctx, contentRequestKey, r)
}

// Deny makes the error with which a guard refuses a request, which is ErrDenied. The client
// reads the reason.
func Deny(format string, args ...any) error { return denial(fmt.Sprintf(format, args...)) }

type denial string

func (e denial) Error() string  { return string(e) }
func (e denial) Detail() string { return string(e) }
func (e denial) Unwrap() error  { return ErrDenied }

// A guardFace is a type of guard as the core sees it, without its Go type.
type guardFace struct {
	open func(ctx context.Context, a *App, id int64) (*openGuard, error)
}

// An openGuard is a guard as it was read, ready to be asked.
type openGuard struct {
	permit  func(ctx context.Context, r *ContentRequest) error
	members []int64 // of which any may permit; nil where permit decides
}

func (t *GuardType[D]) declaration() declaration {
	return declaration{kind: guardKind, word: "ContentGuard", plural: "contentguards", name: t.Name, class: t.Class}
}

func (t *GuardType[D]) declare(r *registry, owner Plugin) error {
	if t.Permit == nil && t.members == nil {
		return fmt.Errorf("guard type %q: field Permit is missing", t.Name)
	}
	d := t.declaration()
	vs := &ViewSet[Guard[D]]{
		Path: d.path(owner), Name: strings.ReplaceAll(t.Name, "_", " ") + " content guard", class: d.className(owner),
		kind: guardKind, typ: d.label(owner), decl: t, upgrade: t.Upgrade,
		Serializer: Serializer[Guard[D]]{Computed: t.computed, Validate: func(ctx context.Context, db bun.IDB, old, m *Guard[D]) error {
			if t.valid != nil {
				return t.valid(ctx, db, old, m)
			}
			if t.Validate != nil {
				return t.Validate(old, m)
			}
			return nil
		}},
		Remove: func(ctx context.Context, tx bun.Tx, m *Guard[D]) error { return unused(ctx, tx, m.ID) },
	}
	if err := vs.declare(r, owner); err != nil {
		return err
	}
	r.contentGuards[r.types[typeKey{guardKind, d.label(owner)}]] = &guardFace{open: t.open}
	return nil
}

// open reads a guard.
func (t *GuardType[D]) open(ctx context.Context, a *App, id int64) (*openGuard, error) {
	g, err := NewModel[Guard[D]]().First(ctx, a.db.Reader(), byKey(id))
	switch {
	case err != nil:
		return nil, err
	case t.members != nil:
		return &openGuard{members: t.members(g)}, nil
	}
	return &openGuard{permit: func(ctx context.Context, r *ContentRequest) error { return t.Permit(ctx, g, r) }}, nil
}

// usersSQL counts the distributions that a guard protects, and the guards of which it is a part.
const usersSQL = `SELECT (SELECT count(*) FROM distribution WHERE guard_id = ?1),
(SELECT count(*) FROM guard g WHERE g.pulp_type = ?2 AND EXISTS (SELECT 1 FROM json_each(g.detail, '$.guards') m WHERE m.value = ?1))`

// unused refuses to delete a guard that protects something: what it protects would become public.
func unused(ctx context.Context, tx bun.Tx, guard int64) error {
	var distributions, guards int
	composite := FromContext(ctx).types[typeKey{guardKind, "core.composite"}]
	if err := tx.Tx.QueryRowContext(ctx, usersSQL, guard, composite).Scan(&distributions, &guards); err != nil {
		return fmt.Errorf("find what a guard protects: %w", err)
	}
	if distributions+guards > 0 {
		return guardInUse{distributions, guards}
	}
	return nil
}

// guardInUse is an ErrConflict that tells clients what to do.
type guardInUse struct{ distributions, guards int }

func (e guardInUse) Error() string { return e.Detail() }
func (e guardInUse) Unwrap() error { return ErrConflict }

// Detail is what the client reads.
func (e guardInUse) Detail() string {
	return fmt.Sprintf("The content guard is in use by %d distribution(s) and %d composite content guard(s). Remove it from these first.", e.distributions, e.guards)
}

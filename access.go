package pulp

import (
	"context"
	"fmt"
	"sync"
)

// Restrict returns a context in which operations do what ctx's [Caller] may do, and no more:
// lists hold what the caller may see, other objects are not found (ErrNotFound), what its roles
// do not allow is ErrDenied, or ErrUnauthenticated for nobody. The HTTP handler does this with
// each request. A superuser may do everything, and so may whoever calls from Go without Restrict,
// such as a task.
func (a *App) Restrict(ctx context.Context) context.Context {
	return context.WithValue(ctx, accessKey, newAccess(a, CallerOf(ctx)))
}

// Can says whether c may do what a permission is for: "acme.change_acmerepository" on an object
// of this App, or on all objects if object is nil. A superuser may do everything. What c may do
// follows from the roles of its account and of the account's groups, on the object, on its
// domain or on everything; and a task belongs to who dispatched it. The object must have an int64
// as its primary key and be that of a view set; others are ErrNotFound.
func (a *App) Can(ctx context.Context, c Caller, permission string, object any) (bool, error) {
	if c.Superuser {
		return true, nil
	}
	acc := newAccess(a, c)
	if ok, err := acc.everywhere(ctx, permission); ok || err != nil || object == nil {
		return ok, err
	}
	s, ok := a.subjectOf(object)
	if !ok {
		return false, fmt.Errorf("%T is no object with roles: %w", object, ErrNotFound)
	}
	return acc.on(ctx, s, permission)
}

// An access is what one caller may do, as far as it has been asked for: rights are read once.
type access struct {
	app    *App
	caller Caller

	mu      sync.Mutex
	read    bool
	model   map[string]bool // permissions on everything
	domain  map[string]bool // permissions on everything in the domain
	objects map[subject]map[string]bool

	policies map[string]*policy // as they were when they were first needed
	admitted *Operation         // whose next call has been allowed already
}

// A subject is an object that roles may be on.
type subject struct {
	kind string
	id   int64
}

func newAccess(a *App, c Caller) *access {
	return &access{app: a, caller: c, objects: map[subject]map[string]bool{}}
}

// accessOf is what restricts ctx; nil if nothing does.
func accessOf(ctx context.Context) *access {
	acc, _ := ctx.Value(accessKey).(*access)
	if acc == nil || acc.caller.Superuser {
		return nil
	}
	return acc
}

const (
	// principalSQL are the assignments of an account and of its groups that fit a rule, with
	// their permissions.
	principalSQL = `SELECT p.permission, ra.scope_domain IS NOT NULL FROM role_assignment ra CROSS JOIN role_permission p ON p.role_id = ra.role_id
WHERE ra.account_id = ?1 AND ra.kind = ?2 AND ra.object_id = ?3
UNION SELECT p.permission, ra.scope_domain IS NOT NULL FROM account_group_member m CROSS JOIN role_assignment ra ON ra.group_id = m.group_id
CROSS JOIN role_permission p ON p.role_id = ra.role_id
WHERE m.account_id = ?1 AND ra.kind = ?2 AND ra.object_id = ?3`
	// What a task's owner may do is what the role says that an owner would have.
	ownerSQL = ` UNION SELECT p.permission, 0 FROM role r CROSS JOIN role_permission p ON p.role_id = r.id
WHERE r.name = 'core.task_owner' AND EXISTS (SELECT 1 FROM `
	taskOwnerSQL  = ownerSQL + `task WHERE id = ?3 AND created_by = ?1)`
	groupOwnerSQL = ownerSQL + `task_group WHERE id = ?3 AND created_by = ?1)`
)

// grants reads the permissions of the caller on an object, or on everything if it has no kind.
func (acc *access) grants(ctx context.Context, s subject) (model, domain map[string]bool, err error) {
	model, domain = map[string]bool{}, map[string]bool{}
	if acc.caller.AccountID == nil {
		return model, domain, nil
	}
	query := principalSQL
	switch s.kind {
	case taskKind:
		query += taskOwnerSQL
	case taskGroupKind:
		query += groupOwnerSQL
	}
	err = acc.app.eachRow(ctx, query, []any{*acc.caller.AccountID, s.kind, s.id}, func(scan func(...any) error) error {
		var permission string
		var ofDomain bool
		if err := scan(&permission, &ofDomain); err != nil {
			return err
		}
		if ofDomain {
			domain[permission] = true
		} else {
			model[permission] = true
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read the rights of %q: %w", acc.caller.Username, err)
	}
	return model, domain, nil
}

// load reads what the caller may do on everything.
func (acc *access) load(ctx context.Context) (err error) {
	acc.mu.Lock()
	defer acc.mu.Unlock()
	if acc.read {
		return nil
	}
	if acc.model, acc.domain, err = acc.grants(ctx, subject{}); err == nil {
		acc.read = true
	}
	return err
}

// policy is the access policy of a name; nil if there is none.
func (acc *access) policy(ctx context.Context, name string) *policy {
	acc.mu.Lock()
	defer acc.mu.Unlock()
	if acc.policies == nil {
		acc.policies = acc.app.policies.all(ctx, acc.app)
	}
	return acc.policies[name]
}

// everywhere says whether the caller has a permission on all objects.
func (acc *access) everywhere(ctx context.Context, permission string) (bool, error) {
	if err := acc.load(ctx); err != nil {
		return false, err
	}
	return acc.model[permission] || acc.domain[permission], nil
}

// on says whether the caller has a permission by a role on the object itself.
func (acc *access) on(ctx context.Context, s subject, permission string) (bool, error) {
	granted, err := acc.granted(ctx, s)
	return granted[permission], err
}

func (acc *access) granted(ctx context.Context, s subject) (map[string]bool, error) {
	acc.mu.Lock()
	defer acc.mu.Unlock()
	if granted, ok := acc.objects[s]; ok {
		return granted, nil
	}
	granted, _, err := acc.grants(ctx, s)
	if err == nil {
		acc.objects[s] = granted
	}
	return granted, err
}

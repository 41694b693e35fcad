package pulp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/uptrace/bun"
)

// A policy is an access policy that is ready to be asked.
type policy struct {
	texts      policyTexts
	statements []policyStatement
	hooks      []policyHook
	scoped     bool // lists hold what the caller may view
}

// concerns says whether any statement is about an action of a caller.
func (p *policy) concerns(action string, c Caller) bool {
	return slices.ContainsFunc(p.statements, func(s policyStatement) bool { return s.concerns(action, c) })
}

// policies are all access policies by name, read when they are first needed and again after a
// change. Where other processes may change them, too, their rows are read each time.
type policies struct {
	mu      sync.Mutex
	byName  map[string]*policy // nil: never read
	stale   bool
	changes int // of this process
}

const readPoliciesSQL = `SELECT viewset_name, statements, creation_hooks, queryset_scoping FROM access_policy`

// all are the policies at this moment. If they cannot be read, there are none, and nobody is let in
// but superusers.
func (p *policies) all(ctx context.Context, a *App) map[string]*policy {
	p.mu.Lock()
	known, stale, changes := p.byName, p.stale, p.changes
	p.mu.Unlock()
	if known != nil && !stale && !a.db.Shared() {
		return known
	}
	read, err := a.readPolicies(ctx, known)
	if err != nil {
		a.log.ErrorContext(ctx, "cannot read the access policies; only superusers are let in", "error", err)
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changes == changes { // nothing has changed here since they were read
		p.byName, p.stale = read, false
	}
	return read
}

// changed has the policies read again.
func (p *policies) changed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stale = true
	p.changes++
}

// readPolicies reads the rows; what is known of a row that is as it was is used again.
func (a *App) readPolicies(ctx context.Context, known map[string]*policy) (map[string]*policy, error) {
	out := make(map[string]*policy, len(known))
	err := a.eachRow(ctx, readPoliciesSQL, nil, func(scan func(...any) error) error {
		var name string
		var t policyTexts
		if err := scan(&name, &t.statements, &t.hooks, &t.scoping); err != nil {
			return err
		}
		if out[name] = known[name]; out[name] != nil && out[name].texts == t {
			return nil
		}
		p, err := readPolicy(t)
		if err != nil { // of another version of this program
			a.log.ErrorContext(ctx, "cannot understand an access policy; only superusers are let in there until it is changed or reset", "viewset_name", name, "error", err)
			p = &policy{texts: t, scoped: true}
		}
		out[name] = p
		return nil
	})
	return out, err
}

func readPolicy(t policyTexts) (*policy, error) {
	p := &policy{texts: t, scoped: t.scoping != "{}"}
	var in []map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal([]byte(t.statements), &in), json.Unmarshal([]byte(t.hooks), &p.hooks)); err != nil {
		return nil, err
	}
	for _, fields := range in {
		s, err := readStatement(fields)
		if err != nil {
			return nil, err
		}
		p.statements = append(p.statements, s)
	}
	return p, nil
}

const (
	storedPoliciesSQL = `SELECT viewset_name, statements, creation_hooks, queryset_scoping, customized FROM access_policy`
	// keepPolicySQL makes the row of a policy, or has one that nobody changed follow its declaration.
	keepPolicySQL = `INSERT INTO access_policy (pulp_id, domain_id, pulp_created, pulp_last_updated, viewset_name, statements, creation_hooks, queryset_scoping)
VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (viewset_name) DO UPDATE SET pulp_last_updated = excluded.pulp_last_updated, statements = excluded.statements,
  creation_hooks = excluded.creation_hooks, queryset_scoping = excluded.queryset_scoping WHERE NOT customized`
)

// policyTexts are the columns of a policy.
type policyTexts struct{ statements, hooks, scoping string }

// texts are the columns of the policy that a guard's declaration makes.
func (g *guard) texts() policyTexts {
	t := policyTexts{scoping: "{}"}
	if g.scoped {
		t.scoping = `{"function":"` + scopeFunction + `"}`
	}
	statements, _ := json.Marshal(g.statements()) // texts always marshal
	hooks, _ := json.Marshal(g.hooks())
	t.statements, t.hooks = string(statements), string(hooks)
	return t
}

// scopeFunction is what queryset_scoping may name.
const scopeFunction = "scope_queryset"

// keepPolicies makes the rows of access policies agree with the declarations. One that somebody
// changed stays, and so does one whose plugin is not there.
func (a *App) keepPolicies(ctx context.Context) error {
	there := map[string]policyTexts{}
	err := a.eachRow(ctx, storedPoliciesSQL, nil, func(scan func(...any) error) error {
		var name string
		var t policyTexts
		var customized bool
		err := scan(&name, &t.statements, &t.hooks, &t.scoping, &customized)
		if g := a.guards[name]; customized && g != nil {
			t = g.texts()
		}
		there[name] = t
		return err
	})
	if err != nil {
		return fmt.Errorf("read access policies: %w", err)
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(a.guards)), func(name string) bool { return there[name] == a.guards[name].texts() })
	if len(names) == 0 {
		return nil
	}
	return a.inTx(ctx, func(ctx context.Context, s *scope) error {
		for _, name := range names {
			t := a.guards[name].texts()
			if _, err := s.tx.Tx.ExecContext(ctx, keepPolicySQL, NewID(), a.domain.ID, a.now(), name, t.statements, t.hooks, t.scoping); err != nil {
				return fmt.Errorf("keep access policy of %s: %w", name, err)
			}
		}
		return nil
	})
}

// An accessPolicy is what the API tells of a policy.
type accessPolicy struct {
	bun.BaseModel `bun:"table:access_policy,alias:pol"`
	Base
	Statements []map[string]json.RawMessage `bun:"statements,type:json" json:"statements" validate:"required" doc:"List of policy statements defining the policy."`
	Hooks      []map[string]json.RawMessage `bun:"creation_hooks,type:json" json:"creation_hooks" doc:"List of callables that may associate user roles for new objects."`
	Scoping    map[string]json.RawMessage   `bun:"queryset_scoping,type:json" json:"queryset_scoping" doc:"A callable for performing queryset scoping. See plugin documentation for valid callables. Set to blank to turn off queryset scoping."`
	Name       string                       `bun:"viewset_name" json:"viewset_name" pulp:"readonly,filter" doc:"The name of ViewSet this AccessPolicy authorizes."`
	Customized bool                         `bun:"customized" json:"customized" pulp:"readonly,filter" doc:"True if the AccessPolicy has been user-modified. False otherwise."`
}

func policyViews() *ViewSet[accessPolicy] {
	change := []string{onModel + "core.change_accesspolicy"}
	vs := &ViewSet[accessPolicy]{
		Path: "access_policies", Name: "access policy", class: "AccessPolicy", kind: policyKind, Ops: List | Read | Update, roleless: true,
		sorts: map[string]string{"statements": "pol.statements", "creation_hooks": "pol.creation_hooks", "queryset_scoping": "pol.queryset_scoping"},
		rules: func(*guard) []rule {
			return []rule{{[]string{"list", "retrieve"}, nil}, {[]string{"update", "partial_update", "reset"}, change}}
		},
		Serializer: Serializer[accessPolicy]{
			Validate: validPolicy,
			Computed: []Computed[accessPolicy]{{Name: "permissions_assignment", Doc: "Deprecated: the same as creation_hooks.", Value: valueOfHooks(), input: true,
				Values: func(_ context.Context, _ bun.IDB, ps []*accessPolicy) ([]any, error) {
					out := make([]any, len(ps))
					for i, p := range ps {
						out[i] = p.Hooks
					}
					return out, nil
				}}},
		},
		Save: func(ctx context.Context, tx bun.Tx, _, _ *accessPolicy) error { return policiesChanged(ctx) },
	}
	vs.prepare = func(_ context.Context, _ *accessPolicy, in map[string]json.RawMessage) error {
		if old, ok := in["permissions_assignment"]; ok {
			if in["creation_hooks"] == nil {
				in["creation_hooks"] = old
			} else if !isObjects(old) {
				return FieldErrors{"permissions_assignment": {"Expected a list of objects."}}
			}
			delete(in, "permissions_assignment")
		}
		return nil
	}
	vs.Actions = []Action[accessPolicy]{{Name: "reset", Summary: "Reset an access policy to its default", bind: bind(resetPolicy)}}
	return vs
}

// isObjects says whether text is a list of objects.
func isObjects(text json.RawMessage) bool {
	var list []map[string]json.RawMessage
	err := json.Unmarshal(text, &list)
	return err == nil && list != nil && !slices.ContainsFunc(list, func(o map[string]json.RawMessage) bool { return o == nil })
}

// policiesChanged has the policies read again once the transaction that ctx is in has committed.
func policiesChanged(ctx context.Context) error {
	a := FromContext(ctx)
	s := a.scopeOf(ctx)
	s.onCommit(a.policies.changed)
	return nil
}

const resetPolicySQL = `UPDATE access_policy SET statements = ?, creation_hooks = ?, queryset_scoping = ?, customized = 0, pulp_last_updated = ? WHERE id = ?`

// resetPolicy answers POST reset/.
func resetPolicy(ctx context.Context, m *accessPolicy, _ struct{}) (*accessPolicy, error) {
	a := FromContext(ctx)
	g := a.guards[m.Name]
	if g == nil {
		return nil, fmt.Errorf("the plugin of %s is not there, and so is no default: %w", m.Name, ErrConflict)
	}
	t := g.texts()
	err := a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := policiesChanged(ctx); err != nil {
			return err
		}
		_, err := tx.Tx.ExecContext(ctx, resetPolicySQL, t.statements, t.hooks, t.scoping, a.now(), m.ID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reset access policy: %w", err)
	}
	return NewModel[accessPolicy]().First(ctx, a.db.Reader(), byKey(m.ID))
}

// validPolicy finds what could not be asked.
func validPolicy(ctx context.Context, db bun.IDB, old, m *accessPolicy) error {
	errs, a := FieldErrors{}, FromContext(ctx)
	g := a.guards[m.Name]
	for i, fields := range m.Statements {
		s, err := readStatement(fields)
		if err != nil {
			errs.Add("statements", "Statement %d: %s", i+1, err)
		}
		for _, action := range s.Action {
			if g != nil && action != "*" && !slices.Contains(a.actionsOf(g), action) {
				errs.Add("statements", "Statement %d: '%s' is no action of %s.", i+1, action, m.Name)
			}
		}
		for _, c := range s.Condition {
			if c, err := parseCondition(c); err == nil && !a.permissions[c.permission] {
				errs.Add("statements", "Statement %d: '%s' is no permission of this server.", i+1, c.permission)
			}
		}
	}
	for i, fields := range m.Hooks {
		if err := a.checkHook(ctx, db, fields); err != nil {
			errs.Add("creation_hooks", "Hook %d: %s", i+1, err)
		}
	}
	for name, raw := range m.Scoping {
		if name != "function" || unquoted(raw) != scopeFunction {
			errs.Add("queryset_scoping", "Only {\"function\": \"%s\"} and {} are known.", scopeFunction)
			break
		}
	}
	m.Customized = m.Customized || old != nil
	return errs.OrNil()
}

// actionsOf are the actions of the operations of a guard.
func (a *App) actionsOf(g *guard) (out []string) {
	for i := range a.operations {
		if op := &a.operations[i]; op.guard == g && !slices.Contains(out, op.action) {
			out = append(out, op.action)
		}
	}
	return out
}

package pulp

import (
	"slices"
	"strings"
)

// Access says who may call the operations of a [ViewSet], as its access policy has it unless
// somebody edits that.
type Access int

const (
	// ByRole asks the roles of the caller for a permission "<app>.<verb>_<model>", where
	// "<app>.<model>" is the label in PRNs, and the verb is view, add, change, delete, or the name
	// of an action. Lists hold what the caller may view. Who creates an object gets the role
	// "<app>.<model>_owner" on it.
	ByRole Access = iota
	// Authenticated lets everybody in who is logged in; Scope and Allow say the rest.
	Authenticated
	// AdminOnly lets superusers in.
	AdminOnly
)

// A rule lets whoever is logged in and meets all conditions do some actions.
type rule struct {
	actions, conditions []string
}

// A guard is how access control sees a view set, or operations that are none.
type guard struct {
	name   string // of its access policy: "repositories/acme/acme"
	stem   string // of its permissions: "acme.acmerepository"; empty if it has none of its own
	access Access
	owned  bool // roles may be on its objects
	made   bool // clients make objects, and own what they made
	scoped bool // lists hold what the caller may view
	rules  []rule
	make   func() []rule // once all parts are declared
	extra  []string      // permissions of owners that have other names than the rest
}

// right is the permission for a verb on the objects of a stem.
func right(stem, verb string) string {
	app, model, _ := strings.Cut(stem, ".")
	return app + "." + verb + "_" + model
}

func (e *endpoint) right(verb string) string { return right(e.stem, verb) }

// What a condition asks the roles for.
const (
	onModel  = "has_model_or_domain_perms:"
	onObject = "has_model_or_domain_or_obj_perms:"
)

// has is the condition that the caller has permissions for verbs: on the object, if the guard's
// objects may have roles.
func (g *guard) has(verbs ...string) (out []string) {
	level := onModel
	if g.owned {
		level = onObject
	}
	for _, v := range verbs {
		out = append(out, level+right(g.stem, v))
	}
	return out
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// guarded makes the guard of a view set from its declaration.
func (v *view[M]) guarded(owner Plugin) *guard {
	g := &guard{name: policyName(v.Path), stem: v.prn(owner), access: v.Access, scoped: v.Access == ByRole}
	g.owned = v.Access == ByRole && v.key.integer && !v.master && !v.roleless && v.nest == nil && v.parent == ""
	g.made = v.Ops&Create != 0 || v.creates
	if v.parent != "" {
		g.stem = v.app.byPath[v.parent].stem
	}
	g.make = func() []rule {
		switch {
		case v.Access != ByRole:
			return nil
		case v.master:
			return []rule{{actions: []string{"list"}}}
		case v.rules != nil:
			return v.rules(g)
		case v.parent != "":
			return versionRules(g)
		}
		return v.usualRules(g)
	}
	return g
}

// usualRules are those of CRUD and of actions.
func (v *view[M]) usualRules(g *guard) []rule {
	rules := []rule{{[]string{"list"}, nil}, {[]string{"retrieve"}, g.has("view")}}
	change := []string{"update", "partial_update"}
	if v.labels {
		change = append(change, "set_label", "unset_label")
	}
	for _, r := range []struct {
		op   Op
		rule rule
	}{
		{Create, rule{[]string{"create"}, []string{onModel + right(g.stem, "add")}}},
		{Update, rule{change, g.has("change", "view")}},
		{Delete, rule{[]string{"destroy"}, g.has("delete", "view")}},
	} {
		if v.Ops&r.op != 0 || r.op == Create && v.creates {
			rules = append(rules, r.rule)
		}
	}
	for _, act := range v.Actions {
		if act.Name != "set_label" && act.Name != "unset_label" {
			rules = append(rules, rule{[]string{act.Name}, g.has(act.Name, "view")})
		}
	}
	if v.needs == nil {
		return rules
	}
	needs := v.needs()
	for i, r := range rules {
		rules[i].conditions = slices.Concat(r.conditions, needs[r.actions[0]])
	}
	return rules
}

// versionRules ask for permissions on the repository.
func versionRules(g *guard) []rule {
	has := func(verb string) string { return "has_repository_model_or_domain_or_obj_perms:" + right(g.stem, verb) }
	return []rule{
		{[]string{"list", "retrieve"}, []string{has("view")}},
		{[]string{"destroy"}, []string{has("delete"), has("view")}},
		{[]string{"repair"}, []string{has("repair"), has("view")}},
	}
}

// policyName is the name of a view set in access policies.
func policyName(path string) string { return strings.ReplaceAll(path, "{}/", "") }

// completeAccess makes the rules of all guards, the permissions that they ask for, and the locked
// roles that have them. It needs all declarations.
func (r *registry) completeAccess() {
	verbs := map[string][]string{} // by stem
	for _, g := range r.guards {
		g.rules = g.make()
		if g.owned {
			g.rules = append(g.rules, rule{[]string{"list_roles", "add_role", "remove_role"}, g.has("manage_roles")}, rule{actions: []string{"my_permissions"}})
		}
		for _, c := range g.conditions() {
			_, permission, _ := strings.Cut(c, ":")
			r.permissions[permission] = true
			app, rest, _ := strings.Cut(permission, ".")
			verb, model, _ := cutLast(rest, "_")
			if stem := app + "." + model; !slices.Contains(verbs[stem], verb) {
				verbs[stem] = append(verbs[stem], verb)
			}
		}
	}
	for _, g := range r.guards {
		if !g.owned {
			continue
		}
		all := []string{}
		for _, verb := range slices.Sorted(slices.Values(verbs[g.stem])) {
			if verb != "add" {
				all = append(all, right(g.stem, verb))
			}
		}
		all = append(all, g.extra...)
		r.roles[g.stem+"_owner"], r.roles[g.stem+"_viewer"] = all, []string{right(g.stem, "view")}
		if g.made {
			r.roles[g.stem+"_creator"] = []string{right(g.stem, "add")}
		}
	}
}

func (g *guard) conditions() (out []string) {
	for _, r := range g.rules {
		out = append(out, r.conditions...)
	}
	return out
}

// statements are the rules as the API shows them.
func (g *guard) statements() []policyStatement {
	switch g.access {
	case Authenticated:
		return []policyStatement{{Action: []string{"*"}, Principal: []string{principalKnown}, Effect: effectAllow}}
	case AdminOnly:
		return []policyStatement{{Action: []string{"*"}, Principal: []string{principalAdmin}, Effect: effectAllow}}
	}
	out := []policyStatement{}
	for _, r := range g.rules {
		out = append(out, policyStatement{Action: r.actions, Principal: []string{principalKnown}, Effect: effectAllow, Condition: r.conditions})
	}
	return out
}

// hooks are what is done when an object of the guard is made.
func (g *guard) hooks() []policyHook {
	if !g.owned || !g.made {
		return []policyHook{}
	}
	return []policyHook{{Function: hookCreator, Parameters: map[string]listOrOne{"roles": {g.stem + "_owner"}}}}
}

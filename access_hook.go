package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// A policyHook gives roles on an object that was just made.
type policyHook struct {
	Function   string               `json:"function"`
	Parameters map[string]listOrOne `json:"parameters"`
}

// The functions that hooks may name.
const (
	hookCreator = "add_roles_for_object_creator"
	hookUsers   = "add_roles_for_users"
	hookGroups  = "add_roles_for_groups"
)

// hookParameters are the parameters of each function.
func hookParameters(function string) []string {
	switch function {
	case hookCreator:
		return []string{"roles"}
	case hookUsers:
		return []string{"roles", "users"}
	case hookGroups:
		return []string{"groups", "roles"}
	}
	return nil
}

func valueOfHooks() schema.Value {
	return schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.Map, Items: &schema.Value{Type: schema.Any}}}
}

// checkHook finds what could not be done, or would give a role that does not exist.
func (a *App) checkHook(ctx context.Context, db bun.IDB, fields map[string]json.RawMessage) error {
	var h policyHook
	text, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	if json.Unmarshal(text, &h) != nil || len(fields) != 2 || fields["parameters"] == nil {
		return sentence("'function' and 'parameters' are required, and nothing else is known.")
	}
	want := hookParameters(h.Function)
	if want == nil {
		return sentencef("Unknown function '%s': %s, %s and %s are known.", h.Function, hookCreator, hookUsers, hookGroups)
	}
	if !slices.Equal(slices.Sorted(maps.Keys(h.Parameters)), want) {
		return sentencef("The parameters of %s are %s.", h.Function, strings.Join(want, " and "))
	}
	for _, p := range []struct{ name, table, column string }{{"roles", "role", "name"}, {"users", "account", "username"}, {"groups", "account_group", "name"}} {
		for _, name := range h.Parameters[p.name] {
			var there int
			query := fmt.Sprintf("SELECT 1 FROM %s WHERE %s = ?", p.table, p.column)
			if err := scanOne(ctx, db, query, []any{name}, &there); err != nil {
				return err
			}
			if there == 0 {
				return sentencef("There is no '%s' among the %s.", name, p.name)
			}
		}
	}
	return nil
}

const (
	// grantSQL gives a role on an object to an account or a group: the one that one of ?8 (an
	// account's id), ?9 (a username) and ?10 (a group's name) names. What is not there any more
	// gets nothing.
	grantSQL = `INSERT INTO role_assignment (pulp_id, domain_id, created_by, pulp_created, pulp_last_updated, account_id, group_id, role_id, kind, object_id)
SELECT ?1, ?2, (SELECT id FROM account WHERE id = ?3), ?4, ?4, who.account_id, who.group_id, r.id, ?5, ?6
FROM role r, (SELECT id AS account_id, NULL AS group_id FROM account WHERE id = ?8
  UNION ALL SELECT id, NULL FROM account WHERE username = ?9 UNION ALL SELECT NULL, id FROM account_group WHERE name = ?10) AS who
WHERE r.name = ?7 ON CONFLICT DO NOTHING`
)

// owned gives the roles on a new object that its view set's policy says.
func (a *App) owned(ctx context.Context, tx bun.Tx, e *endpoint, id int64) error {
	p := a.policies.all(ctx, a)[e.policy]
	if p == nil {
		return nil
	}
	for _, h := range p.hooks {
		for _, role := range h.Parameters["roles"] {
			if err := a.runHook(ctx, tx, h, role, subject{e.kind.name, id}); err != nil {
				return fmt.Errorf("give the role %q on a new object: %w", role, err)
			}
		}
	}
	return nil
}

func (a *App) runHook(ctx context.Context, tx bun.Tx, h policyHook, role string, on subject) error {
	switch h.Function {
	case hookCreator:
		if id := CallerOf(ctx).AccountID; id != nil {
			return a.grant(ctx, tx, role, on, id, nil, nil)
		}
	case hookUsers:
		for _, name := range h.Parameters["users"] {
			if err := a.grant(ctx, tx, role, on, nil, &name, nil); err != nil {
				return err
			}
		}
	case hookGroups:
		for _, name := range h.Parameters["groups"] {
			if err := a.grant(ctx, tx, role, on, nil, nil, &name); err != nil {
				return err
			}
		}
	}
	return nil
}

// grant gives a role to one account or group, unless it has it.
func (a *App) grant(ctx context.Context, tx bun.Tx, role string, on subject, account *int64, username, group *string) error {
	_, err := tx.Tx.ExecContext(ctx, grantSQL, NewID(), a.domain.ID, CallerOf(ctx).AccountID, a.now(), on.kind, on.id, role, account, username, group)
	return err
}

// forgetRolesSQL has the roles on a row of a host's table go with the row, however it goes: SQLite
// may give its number to another one.
const forgetRolesSQL = `CREATE TRIGGER IF NOT EXISTS "pulp_roles_%[1]s" AFTER DELETE ON "%[2]s" BEGIN
  DELETE FROM role_assignment WHERE kind = '%[3]s' AND object_id = old."%[4]s";
END`

// watchHosts makes the triggers of the hosts' tables on whose rows there may be roles; the core's
// own have theirs from the schema.
func (a *App) watchHosts(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(a.guards)) {
		k := a.kinds[hostPrefix+name]
		if k == nil || !a.guards[name].owned {
			continue
		}
		table := 0 // and not a view, which has no such triggers
		if err := scanOne(ctx, a.db.Reader(), "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", []any{k.key.table}, &table); err != nil {
			return fmt.Errorf("look for the table %s: %w", k.key.table, err)
		}
		if table == 0 {
			continue
		}
		query := fmt.Sprintf(forgetRolesSQL, name, k.key.table, k.name, k.key.primary)
		if _, err := a.db.Writer().DB.ExecContext(ctx, query); err != nil {
			return fmt.Errorf("watch the rows of %s: %w", k.key.table, err)
		}
	}
	return nil
}

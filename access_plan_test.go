package pulp_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
)

// fillAccess writes many accounts, groups, roles and assignments.
const fillAccess = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO account (username, date_joined) SELECT 'u' || i, 1 FROM n;
INSERT INTO account_group (name) SELECT username FROM account;
INSERT INTO account_group_member (account_id, group_id) SELECT id, id FROM account_group;
INSERT INTO role (pulp_id, domain_id, pulp_created, pulp_last_updated, name, permissions) SELECT randomblob(16), 1, 1, 1, username, '["core.view_task"]' FROM account;
INSERT INTO role_assignment (pulp_id, domain_id, pulp_created, pulp_last_updated, account_id, role_id, kind, object_id) SELECT randomblob(16), 1, 1, 1, id, id, 'task', id FROM account;
INSERT INTO role_assignment (pulp_id, domain_id, pulp_created, pulp_last_updated, group_id, role_id) SELECT randomblob(16), 1, 1, 1, id, id FROM account_group;
INSERT INTO session (token, account_id, expires) SELECT randomblob(32), id, id FROM account;
INSERT INTO task (pulp_id, domain_id, created_by, pulp_created, pulp_last_updated, name, state, exclusive, shared, record, args, finished_at)
  SELECT randomblob(16), 1, id, 1, 1, 'x', 'completed', '[]', '[]', '[]', x'', id FROM account;
INSERT INTO remote (pulp_id, domain_id, pulp_created, pulp_last_updated, pulp_type, name, url, policy, tls_validation)
  SELECT randomblob(16), 1, 1, 1, (SELECT id FROM type WHERE kind = 'remote'), username, 'x', 'immediate', 1 FROM account;`

func TestStatementsOfAccessReadNoTableWhole(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	// The two branches of a UNION, what was asked for by key, and a sort of one object's roles.
	fine := regexp.MustCompile(`(?m)^(SCAN (who|\(subquery-\d+\)|\d+ CONSTANT ROWS?|r VIRTUAL|json_each VIRTUAL)\b.*|USE TEMP B-TREE .*)\n`)
	look := func(when string) {
		t.Helper()
		for _, name := range slices.Sorted(maps.Keys(pulp.AccessStatements)) {
			plan := s.plan(t, pulp.AccessStatements[name])
			require.NotRegexp(t, scans, fine.ReplaceAllString(hidden.ReplaceAllString(plan, ""), ""), "%s, %s:\n%s", name, when, plan)
		}
	}
	exec := func(query string) {
		t.Helper()
		_, err := s.DB().Writer().DB.ExecContext(t.Context(), query)
		require.NoError(t, err)
	}
	look("empty")
	exec(fillAccess)
	look("filled")
	exec("ANALYZE")
	look("filled, analyzed")
}

func TestListsByRoleLookUpWhatTheCallerMaySee(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	_, err := s.DB().Writer().DB.ExecContext(t.Context(), fillAccess)
	require.NoError(t, err)
	caller, err := s.Caller(t.Context(), "u7")
	require.NoError(t, err)
	h := &tap{}
	s.DB().Reader().AddQueryHook(h) //lint:ignore SA1019 the App has this very DB, not a copy
	ctx := s.Restrict(pulp.WithCaller(t.Context(), caller))
	for _, path := range []string{"tasks/", "remotes/", "remotes/file/file/", "repositories/file/file/", "distributions/", "uploads/"} {
		require.NoError(t, s.Call(ctx, "GET", path, nil, nil))
	}
	require.NotEmpty(t, h.queries)
	for _, q := range h.queries {
		if strings.HasPrefix(q, "SELECT") {
			plan := s.plan(t, q)
			require.NotRegexp(t, scans, hidden.ReplaceAllString(plan, ""), "%s\n%s", q, plan)
		}
	}
}

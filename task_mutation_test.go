package pulp_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// heavy is set to 1 to run what takes minutes, and mutating to run what takes a quarter of an hour.
const (
	heavy    = "PULP_TEST_HEAVY"
	mutating = "PULP_TEST_MUTATIONS"
)

// A mutation drops a clause of a statement, or a step of the code around it. The model test
// must fail with each of them.
type mutation struct{ name, file, old, new string }

// mutations are the clauses of insert, claim, release and admission, one after the other.
var mutations = []mutation{
	{"insert ignores exclusive", "release.go", "const wanted = `EXISTS (SELECT 1 FROM json_each(?1) w", "const wanted = `EXISTS (SELECT 1 FROM json_each('[]') w"},
	{"insert ignores shared", "release.go", "  OR EXISTS (SELECT 1 FROM json_each(?2) w CROSS JOIN reservation r ON r.resource = w.value AND r.mode = 1)\n  OR EXISTS", "  OR EXISTS"},
	{"insert ignores limits", "release.go", "EXISTS (SELECT 1 FROM json_each(?3) w WHERE", "EXISTS (SELECT 1 FROM json_each('[]') w WHERE"},
	{"insert lets shared wait for shared", "release.go", "json_each(?2) w CROSS JOIN reservation r ON r.resource = w.value AND r.mode = 1)\n  OR EXISTS (SELECT 1 FROM json_each(?3)", "json_each(?2) w CROSS JOIN reservation r ON r.resource = w.value)\n  OR EXISTS (SELECT 1 FROM json_each(?3)"},
	{"insert forgets to hold back", "dispatch.go", "(SELECT ?4 OR ` + wanted", "(SELECT ` + wanted"},
	{"insert ignores a pause", "dispatch.go", "WHEN paused THEN 'waiting' ELSE ?5", "ELSE ?5"},
	{"reserve forgets exclusive", "dispatch.go", "SELECT value, 1, ?1, ?2 FROM json_each(?3)", "SELECT value, 1, ?1, ?2 FROM json_each('[]')"},
	{"reserve forgets shared", "dispatch.go", " UNION ALL SELECT value, 0, ?1, ?2 FROM json_each(?4)", ""},
	{"reserve forgets limits", "dispatch.go", "UNION ALL SELECT value ->> 0, 2, ?1, ?2 FROM json_each(?5)", ""},
	{"unique sees other keys", "dispatch.go", "WHERE name = ? AND unique_key = ? AND", "WHERE name = ? AND ? IS NOT NULL AND"},
	{"rule sees the unblocked", "release.go", " AND t.unblocked_at IS NULL", ""},
	{"rule sees who is held back", "release.go", " AND t.run_at IS NULL", ""},
	{"rule ignores shared before exclusive", "release.go", "r.mode IN (0, 1)", "r.mode IN (1)"},
	{"rule ignores exclusive before exclusive", "release.go", "r.mode IN (0, 1)", "r.mode IN (0)"},
	{"rule lets younger ones block exclusive", "release.go", "r.mode IN (0, 1) AND r.ticket < ` + ticketOf + `)", "r.mode IN (0, 1) AND r.ticket <> ` + ticketOf + `)"},
	{"rule lets younger ones block shared", "release.go", "r.mode = 1 AND r.ticket < ` + ticketOf", "r.mode = 1 AND r.ticket <> ` + ticketOf"},
	{"rule ignores exclusive before shared", "release.go", "json_each(t.shared)", "json_each('[]')"},
	{"rule ignores limits", "release.go", "json_each(t.limits)", "json_each('[]')"},
	{"rule counts younger ones", "release.go", "r.mode = 2 AND r.ticket < ` + ticketOf + ` LIMIT", "r.mode = 2 LIMIT"},
	{"rule orders by id", "release.go", "`ifnull(t.ticket, t.id)`", "`t.id`"},
	{"release forgets the next exclusive", "release.go", "JOIN reservation r ON r.resource = head.resource AND r.mode = 1 AND r.ticket = head.ticket", "JOIN reservation r ON 0"},
	{"release forgets after a share", "release.go", "UNION ALL SELECT value, 0 FROM json_each(?2)", ""},
	{"release forgets after an exclusive", "release.go", "SELECT value, 1 FROM json_each(?1) UNION ALL", ""},
	{"release forgets sharers", "release.go", "WHERE head.held = 1", "WHERE 0"},
	{"release stops before the last sharers", "release.go", "ifnull(head.ticket, 9223372036854775807)", "head.ticket"},
	{"release forgets limits", "release.go", "SELECT value FROM json_each(?5)", "SELECT value FROM json_each('[]')"},
	{"the wrong one moves up in a limit", "release.go", "l.number, n-1)", "l.number, n)"},
	{"the end keeps reservations", "release.go", "`DELETE FROM reservation WHERE task_id = ?`", "`DELETE FROM reservation WHERE task_id = -?`"},
	{"nobody waits for a share", "release.go", "json_each(?2) w CROSS JOIN reservation r ON r.resource = w.value AND r.mode = 1)`", "json_each('[]') w CROSS JOIN reservation r ON r.resource = w.value AND r.mode = ?2)`"},
	{"claim ignores a pause", "claim.go", " AND NOT EXISTS (SELECT 1 FROM paused_type p WHERE p.name = task.name)", ""},
	{"claim does not count attempts", "claim.go", "attempt = attempt + 1, ", ""},
	{"admission keeps the old place", "due.go", "run_at = NULL, ticket = ?1", "run_at = NULL, ticket = max(id, ?1 * 0)"},
	{"admission reserves nothing", "due.go", "a.reserve(ctx, s.tx, t.id, t.reserved)", "a.reserve(ctx, s.tx, t.id, reserved{exclusive: noResources, shared: noResources, limits: noResources})"},
	{"admission unblocks nobody", "due.go", "return a.unblockStray(ctx, s, t.id)", "return nil"},
	{"admission in the order of ids", "due.go", "ORDER BY run_at, id", "ORDER BY id"},
	{"a retry keeps its reservations", "retry.go", "freed, rest, err = a.free(ctx, s.tx, j.id, j.reserved); err != nil", "err != nil"},
	{"a retry stays unblocked", "retry.go", "unblocked_at = NULL, started_at", "started_at"},
	{"a retry starts at once", "retry.go", "run_at = ?1, error", "run_at = ?1 * 0, error"},
	{"a crash loses the place", "recover.go", "ready, err := a.requeue(ctx, s, t.id, t.attempt)", "ready, err := []released(nil), error(nil)"},
	{"a canceled task is retried", "retry.go", "AND attempt = ?6 AND state = 'running' RETURNING id", "AND attempt = ?6 RETURNING id"},
	{"a canceled task stays on the list", "cancel.go", "if message != nil {", "if false {"},
	{"a canceled task stays held back in line", "cancel.go", "freed, rest, err := a.free(ctx, s.tx, task, r)", "freed, rest, err := []released(nil), false, error(nil)"},
}

func TestEachClauseIsWhereTheListSays(t *testing.T) {
	t.Parallel()
	for _, m := range mutations {
		text, err := os.ReadFile(m.file)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(text), m.old), m.name)
	}
}

func TestModelTestCatchesEachDroppedClause(t *testing.T) {
	if os.Getenv(mutating) != "1" {
		t.Skip("takes a quarter of an hour; set " + mutating + "=1")
	}
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			out, err := mutate(t, m, "^TestTasksFollowTheModel$")
			require.Error(t, err, "the model test did not notice")
			require.Contains(t, out, "--- FAIL", out)
		})
	}
}

// mutate runs a test of this package with one piece of its code replaced.
func mutate(t *testing.T, m mutation, test string) (string, error) {
	text, err := os.ReadFile(m.file)
	require.NoError(t, err)
	dir := t.TempDir()
	changed := filepath.Join(dir, m.file)
	require.NoError(t, os.WriteFile(changed, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600))
	original, err := filepath.Abs(m.file)
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	require.NoError(t, err)
	list := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(list, overlay, 0o600))
	cmd := exec.Command("go", "test", "-overlay", list, "-count=1", "-vet=off", "-timeout=120s", "-run", test, ".", "-rapid.checks=400", "-rapid.nofailfile", "-rapid.shrinktime=1s")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

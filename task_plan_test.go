package pulp_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
)

// backlog fills the tables with finished tasks, and with tasks that wait for one resource.
const backlog = `
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < %[1]d)
INSERT INTO task (id, pulp_id, domain_id, pulp_created, pulp_last_updated, name, state, finished_at, exclusive, shared, record, args)
SELECT n, randomblob(16), 1, n, n, 'double', iif(n <= %[1]d / 2, 'completed', 'waiting'), iif(n <= %[1]d / 2, n, NULL), '[1]', '[2]', '[]', x'' FROM n;
INSERT INTO reservation SELECT 1, 1, id, id FROM task WHERE state = 'waiting' UNION ALL SELECT 2, 0, id, id FROM task WHERE state = 'waiting';`

func TestHotStatementsScanNoTable(t *testing.T) {
	if testing.Short() {
		t.Skip("plans are the same under the race detector")
	}
	t.Parallel()
	h := openTasks(t, t.TempDir(), pulp.Config{Workers: -1})
	check := func() {
		for name, text := range pulp.HotStatements() {
			for _, step := range h.plan(text) {
				// What is scanned is one row, the caller's own JSON, or what was found by a key.
				ok := regexp.MustCompile(`^SCAN (CONSTANT ROW|json_each|w VIRTUAL|sqlite_sequence|\(subquery-\d+|freed|head|c)\b`).MatchString(step)
				require.False(t, strings.HasPrefix(step, "SCAN") && !ok, "%s: %s", name, step)
			}
		}
		for name, text := range pulp.SweepStatements() {
			for _, step := range h.plan(text) {
				ok := regexp.MustCompile(`^SCAN (w VIRTUAL|\(subquery-\d+|r$|t USING INDEX task_(waiting|running)\b|p USING INDEX publication_incomplete\b)`).MatchString(step)
				require.False(t, strings.HasPrefix(step, "SCAN") && !ok, "%s: %s", name, step)
			}
		}
	}
	check()
	h.exec(fmt.Sprintf(backlog, 20_000))
	check()
	h.exec("ANALYZE")
	check()
}

// SQLite looks at the value of a bound LIMIT when it plans, and so plans anew for each; of a sum
// it does not.
func TestHotStatementsArePlannedOnce(t *testing.T) {
	t.Parallel()
	for name, text := range pulp.HotStatements() {
		for _, limit := range regexp.MustCompile(`LIMIT \?\d*(.{0,4})`).FindAllStringSubmatch(text, -1) {
			require.Equal(t, " + 0", limit[1], "%s: %s", name, limit[0])
		}
	}
}

// plan returns the steps of a statement's query plan.
func (h *taskHost) plan(text string) (steps []string) {
	count := strings.Count(text, "?")
	if numbers := regexp.MustCompile(`\?(\d+)`).FindAllStringSubmatch(text, -1); numbers != nil {
		count = 0
		for _, m := range numbers {
			n, err := strconv.Atoi(m[1])
			require.NoError(h.t, err)
			count = max(count, n)
		}
	}
	args := make([]any, count)
	rows, err := h.DB().Reader().DB.Query("EXPLAIN QUERY PLAN "+text, args...)
	require.NoError(h.t, err, text)
	defer rows.Close()
	for rows.Next() {
		var step string
		require.NoError(h.t, rows.Scan(new(int), new(int), new(int), &step))
		steps = append(steps, step)
	}
	return steps
}

package pulp_test

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

// Sorting is right for these: what they sort is small, or is read whole by a person.
var sorts = map[string]bool{
	"add":                true, // a batch
	"chunks":             true, // of the uploads of one page
	"published files":    true, // the files of one unit
	"sources":            true, // of one file
	"count added":        true, // groups by type
	"count removed":      true,
	"count present":      true,
	"fold: from version": true,
	"fold: from next":    true,
	"mend sources":       true,
	"file of unit":       true, // the files of one unit
	"still served":       true, // 16 at most
	"size of metadata":   true, // the publications of a repository, for a report
}

// plan explains a statement.
func (s *site) plan(t *testing.T, query string) string {
	t.Helper()
	var args []any
	for {
		rows, err := s.DB().Reader().DB.Query("EXPLAIN QUERY PLAN "+query, args...)
		if err != nil && strings.Contains(err.Error(), "missing") && len(args) < 20 {
			args = append(args, nil)
			continue
		}
		require.NoError(t, err, query)
		defer rows.Close()
		var plan strings.Builder
		for rows.Next() {
			var id, parent, unused int
			var detail string
			require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
			fmt.Fprintln(&plan, detail)
		}
		require.NoError(t, rows.Err())
		return plan.String()
	}
}

// scans finds the tables that a plan reads whole: json_each and what a query made itself are none.
var scans = regexp.MustCompile(`(?m)^SCAN (?:\w+)(?:$| USING)`)

// hidden are the names of json_each in our statements, a table of one row, and an index of what
// deleted versions left.
var hidden = regexp.MustCompile(`(?m)^SCAN (f|u|unit|path|dir|one|json_each|domain|CONSTANT ROW|\d+ CONSTANT ROWS?|v USING INDEX repository_version_incomplete|[op] USING (COVERING )?INDEX (repository_gone|remote_gone|publication_incomplete))\b.*\n`)

func (s *site) soundPlan(t *testing.T, name, when, query string) {
	t.Helper()
	plan := s.plan(t, query)
	seen := hidden.ReplaceAllString(plan, "")
	if scans.MatchString(seen) || !sorts[name] && strings.Contains(seen, "USE TEMP B-TREE") {
		t.Errorf("%s, %s:\n%s\n%s", name, when, query, plan)
	}
}

// A tap notes the queries that bun makes.
type tap struct {
	mu      sync.Mutex
	queries []string
}

func (h *tap) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

func (h *tap) AfterQuery(_ context.Context, e *bun.QueryEvent) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.queries = append(h.queries, e.Query)
}

func TestHotStatementsOfContentReadNoTableWhole(t *testing.T) {
	if testing.Short() {
		t.Skip("plans are the same under the race detector")
	}
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	look := func(when string) {
		t.Helper()
		for _, name := range slices.Sorted(maps.Keys(pulp.ContentStatements)) {
			s.soundPlan(t, name, when, pulp.ContentStatements[name])
		}
	}
	analyze := func() {
		t.Helper()
		_, err := s.DB().Writer().DB.ExecContext(t.Context(), "ANALYZE")
		require.NoError(t, err)
	}
	look("empty")
	analyze()
	look("empty, analyzed")
	for i := range 2000 {
		up.Put(fmt.Sprintf("d%d/f%d", i%20, i), "")
	}
	for range 3 {
		repo := s.repository(t, object{"autopublish": true})
		s.sync(t, repo, s.remote(t, up, object{"policy": "on_demand"}))
		s.distribute(t, s.name(), object{"repository": repo.Href()})
	}
	_, err := s.DB().Writer().DB.ExecContext(t.Context(), "DELETE FROM sqlite_stat1")
	require.NoError(t, err)
	look("filled")
	analyze()
	look("filled, analyzed")
}

func TestListsOfAVersionReadNoTableWhole(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	for i := range 500 {
		up.Put(fmt.Sprintf("f%d", i), fmt.Sprint(i))
	}
	repo := s.repository(t)
	s.sync(t, repo, s.remote(t, up))
	version := s.latest(t, repo)
	h := &tap{}
	s.DB().Reader().AddQueryHook(h) //lint:ignore SA1019 the App has this very DB, not a copy
	unit := s.List(t, fileContent, pulptest.Param("repository_version", version), "relative_path=f7")
	require.Len(t, unit, 1)
	for _, filter := range []string{"repository_version", "repository_version_added", "repository_version_removed"} {
		s.List(t, fileContent, pulptest.Param(filter, version))
		s.List(t, fileContent, pulptest.Param(filter, version), "relative_path=f7")
	}
	s.List(t, fileContent, pulptest.Param("sha256", digest("7")))
	s.List(t, repo.Href()+"versions/", pulptest.Param("content", unit[0].Href()))
	s.List(t, "artifacts/", pulptest.Param("sha256", digest("7")))
	s.List(t, "artifacts/", pulptest.Param("repository_version", version))
	require.NotEmpty(t, h.queries)
	for _, q := range h.queries {
		if strings.HasPrefix(q, "SELECT") {
			plan := s.plan(t, q)
			require.NotRegexp(t, scans, hidden.ReplaceAllString(plan, ""), "%s\n%s", q, plan)
		}
	}
}

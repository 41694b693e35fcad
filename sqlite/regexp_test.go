package sqlite_test

import (
	"strings"
	"testing"

	"github.com/gopulp/pulp/sqlite"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
)

func TestRegexpMatchesOnEveryConnection(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(t.TempDir(), sqlite.Synchronous(sqlite.Off))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	for _, side := range []*bun.DB{db.Reader(), db.Writer()} {
		for query, want := range map[string]any{
			`SELECT 'abc' REGEXP '^a.c$'`:        int64(1),
			`SELECT 'abc' REGEXP 'B'`:            int64(0),
			`SELECT 'abc' REGEXP '(?i)B'`:        int64(1),
			`SELECT 'naïve' REGEXP '^\p{L}{5}$'`: int64(1),
			`SELECT 123 REGEXP '^12'`:            int64(1),
			`SELECT NULL REGEXP 'a' IS NULL`:     int64(1),
			`SELECT count(*) FROM (SELECT column1 FROM (VALUES ('a1'), ('b'), ('a2')) WHERE column1 REGEXP '^a')`: int64(2),
		} {
			var got any
			require.NoError(t, side.DB.QueryRowContext(t.Context(), query).Scan(&got), query)
			require.Equal(t, want, got, query)
		}
	}
}

func TestRegexpRefusesWhatCostsTooMuch(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(t.TempDir(), sqlite.Synchronous(sqlite.Off))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	var got any
	match := func(text, pattern string) error {
		return db.Reader().DB.QueryRowContext(t.Context(), "SELECT ? REGEXP ?", text, pattern).Scan(&got)
	}
	require.ErrorContains(t, match("a", strings.Repeat("a", 1001)), "longer than 1000 bytes")
	require.ErrorContains(t, match("a", "("), "missing closing")
	require.ErrorContains(t, match("a", "(a{1000}){1000}"), "repeat")
	// What makes other engines backtrack for ages takes a moment.
	require.NoError(t, match(strings.Repeat("a", 100_000)+"!", "^(a+)+$"))
	require.Equal(t, int64(0), got)
}

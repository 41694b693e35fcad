package pulp_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

func TestValuesAreTakenOutOfWhatBunWrites(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`INSERT INTO "a" ("b''c", "d") VALUES ('it''s', NULL) RETURNING "id"`:  `INSERT INTO "a" ("b''c", "d") VALUES (?, ?) RETURNING "id" [it's <nil>]`,
		`UPDATE "a" AS "x" SET "n1" = -5, "f" = 1.5e-7 WHERE ("x"."id2" = 12)`: `UPDATE "a" AS "x" SET "n1" = ?, "f" = ? WHERE ("x"."id2" = ?) [-5 1.5e-07 12]`,
		`VALUES (X'00ff', x'', TRUE, FALSE, DEFAULT, 1 - 2)`:                   `VALUES (?, ?, ?, ?, DEFAULT, ? - ?) [[0 255] [] 1 0 1 2]`,
		`VALUES ('"', '''', '')`:           `VALUES (?, ?, ?) [" ' ]`,
		`VALUES (18446744073709551615, 'x`: `VALUES (?, 'x [1.8446744073709552e+19]`,
	} {
		query, args := pulp.Bound([]byte(text))
		require.Equal(t, want, fmt.Sprint(query, " ", args))
	}
}

// FuzzBoundStatementsAreWhatTheyWere has the engine read values as bun writes them, and as they are bound.
func FuzzBoundStatementsAreWhatTheyWere(f *testing.F) {
	db, err := sqlite.Open(f.TempDir())
	require.NoError(f, err)
	f.Cleanup(func() { _ = db.Close() })
	f.Add("it's \"x\" X'00' -1", []byte{0, '\''}, int64(-1), 1e300, true)
	f.Add("", []byte{}, int64(0), -0.5, false)
	gen := bun.NewDB(new(sql.DB), sqlitedialect.New()).QueryGen()
	f.Fuzz(func(t *testing.T, s string, blob []byte, n int64, x float64, is bool) {
		if strings.ContainsRune(s, 0) {
			t.Skip("bun writes no such strings")
		}
		const columns = `SELECT hex(CAST(? AS BLOB)), hex(?), ?, ?, ?, NULL`
		text := gen.AppendQuery(nil, columns, s, blob, n, x, is)
		query, args := pulp.Bound(text)
		read := func(query string, args ...any) (out [6]any) {
			require.NoError(t, db.Reader().DB.QueryRowContext(context.Background(), query, args...).
				Scan(&out[0], &out[1], &out[2], &out[3], &out[4], &out[5]), query)
			return out
		}
		require.Equal(t, read(string(text)), read(query, args...))
		require.Equal(t, "SELECT hex(CAST(? AS BLOB)), hex(?), ?, ?, ?, ?", query)
	})
}

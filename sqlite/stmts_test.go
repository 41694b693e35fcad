package sqlite_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/sqlite"
)

func TestTextMayRunAgainWhileItsRowsAreRead(t *testing.T) {
	t.Parallel()
	const text = `SELECT name FROM item WHERE id >= ? ORDER BY id`
	db := open(t, "")
	for i := range 5 {
		require.NoError(t, add(t.Context(), db, fmt.Sprint(i)))
	}
	for what, pool := range map[string]*bun.DB{"reader": db.Reader(), "writer": db.Writer()} {
		tx, err := pool.DB.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		prepared, err := tx.Prepare(text)
		require.NoError(t, err)
		outer, err := prepared.Query(1)
		require.NoError(t, err)
		var seen []string
		for outer.Next() {
			var name, inner string
			require.NoError(t, outer.Scan(&name))
			require.NoError(t, prepared.QueryRow(5).Scan(&inner))
			seen = append(seen, name+inner)
		}
		require.NoError(t, outer.Err())
		require.Equal(t, []string{"04", "14", "24", "34", "44"}, seen, what)
		require.NoError(t, tx.Commit())
	}
}

func TestKeptStatementFollowsTheSchema(t *testing.T) {
	t.Parallel()
	db := open(t, "", sqlite.Readers(1))
	require.NoError(t, add(t.Context(), db, "a"))
	columns := func(pool *bun.DB) []string {
		rows, err := pool.DB.Query(`SELECT * FROM item WHERE id = ?`, 1)
		require.NoError(t, err)
		defer rows.Close()
		require.True(t, rows.Next())
		names, err := rows.Columns()
		require.NoError(t, err)
		return names
	}
	require.Equal(t, []string{"id", "name"}, columns(db.Reader()))
	require.Equal(t, []string{"id", "name"}, columns(db.Writer()))
	_, err := db.Writer().Exec(`ALTER TABLE item ADD COLUMN size INTEGER`)
	require.NoError(t, err)
	require.Equal(t, []string{"id", "name", "size"}, columns(db.Reader()))
	require.Equal(t, []string{"id", "name", "size"}, columns(db.Writer()))
	_, err = db.Writer().Exec(`DROP TABLE item`)
	require.NoError(t, err)
	_, err = db.Writer().DB.Query(`SELECT * FROM item WHERE id = ?`, 1)
	require.ErrorContains(t, err, "no such table")
}

func TestCacheForgetsTheOldestButNothingThatIsInUse(t *testing.T) {
	t.Parallel()
	db := open(t, "", sqlite.Readers(1))
	for i := range 3 {
		require.NoError(t, add(t.Context(), db, fmt.Sprint(i)))
	}
	tx, err := db.Reader().DB.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	rows, err := tx.Query(`SELECT name FROM item WHERE id > ? ORDER BY id`, 0)
	require.NoError(t, err)
	defer rows.Close()
	for i := range 1000 {
		var n int
		require.NoError(t, tx.QueryRow(fmt.Sprintf(`SELECT ? + %d`, i), 1).Scan(&n))
		require.Equal(t, i+1, n)
	}
	var seen int
	for rows.Next() {
		seen++
	}
	require.NoError(t, rows.Err())
	require.Equal(t, 3, seen)
}

func TestPreparedStatementsRunInTheirTransaction(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	prepared, err := db.Writer().DB.Prepare(insert)
	require.NoError(t, err)
	defer prepared.Close()
	_, err = prepared.Exec("alone")
	require.NoError(t, err)
	tx, err := db.Writer().DB.Begin()
	require.NoError(t, err)
	_, err = tx.Stmt(prepared).Exec("undone")
	require.NoError(t, err)
	require.NoError(t, tx.Rollback())
	require.Equal(t, []string{"alone"}, names(t, db))
}

func TestWriterReturnsRowsAsTheDriverDoes(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	var rows []map[string]any
	err := db.Writer().NewRaw(`SELECT 1 AS i, 2.5 AS f, 'x' AS s, x'00ff' AS b, NULL AS n UNION ALL SELECT 2, 0, '', x'', 3`).
		Scan(t.Context(), &rows)
	require.NoError(t, err)
	require.Len(t, rows, 2)
	var same []map[string]any
	err = db.Reader().NewRaw(`SELECT 1 AS i, 2.5 AS f, 'x' AS s, x'00ff' AS b, NULL AS n UNION ALL SELECT 2, 0, '', x'', 3`).
		Scan(t.Context(), &same)
	require.NoError(t, err)
	require.Equal(t, same, rows)
}

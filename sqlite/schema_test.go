package sqlite_test

import (
	"flag"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/sqlite"
)

var update = flag.Bool("update", false, "write schema/schema.sql anew from the migrations")

// What a database consists of, but for the tables of SQLite and of the migrations.
const (
	ourOwn       = ` AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE 'pulp\_migration\_%' ESCAPE '\' ORDER BY rowid`
	selectSchema = `SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND type IN (?, ?)` + ourOwn
	selectTables = `SELECT name FROM sqlite_master WHERE type = 'table'` + ourOwn
)

func TestNewDatabaseIsWhatItsMigrationsWouldHaveMade(t *testing.T) {
	t.Parallel()
	byMigrations := "-- What the migrations beside it amount to, for new databases. Not written by hand:\n" +
		"--\n--\tgo test ./sqlite -run TestNewDatabase -update\n\n" + strings.Join(statementsAfter(t, migrationsOnly(t)), ";\n\n") + ";\n"
	if *update {
		require.NoError(t, os.WriteFile("schema/schema.sql", []byte(byMigrations), 0o644))
	}
	text, err := os.ReadFile("schema/schema.sql")
	require.NoError(t, err)
	require.Equal(t, byMigrations, string(text), "go test ./sqlite -run TestNewDatabase -update writes it")
	require.Equal(t, statementsAfter(t, migrationsOnly(t)), statementsAfter(t, os.DirFS("schema")))

	names := texts(t, open(t, ""), "SELECT name FROM pulp_migration_core ORDER BY id")
	found, err := fs.Glob(migrationsOnly(t), "*.up.sql")
	require.NoError(t, err)
	require.Len(t, names, len(found), "all are recorded, so that none runs later")
}

// migrationsOnly is the engine's schema without the short cut.
func migrationsOnly(t *testing.T) fs.FS {
	m := fstest.MapFS{}
	found, err := fs.Glob(os.DirFS("schema"), "*.up.sql")
	require.NoError(t, err)
	for _, name := range found {
		text, err := os.ReadFile("schema/" + name)
		require.NoError(t, err)
		m[name] = &fstest.MapFile{Data: text}
	}
	return m
}

// statementsAfter are the statements that make an empty database what it is after it was
// migrated: tables and indexes, the rows that migrations wrote, and triggers, which must not see
// these.
func statementsAfter(t *testing.T, files fs.FS) (statements []string) {
	t.Helper()
	db, err := sqlite.Open(t.TempDir(), sqlite.CoreFiles(files)) // open would make a table of the tests
	require.NoError(t, err)
	defer db.Close()
	statements = texts(t, db, selectSchema, "table", "index")
	for _, table := range texts(t, db, selectTables) {
		columns := texts(t, db, "SELECT name FROM pragma_table_info(?)", table)
		values := "quote(" + strings.Join(columns, ") || ', ' || quote(") + ")"
		for _, row := range texts(t, db, "SELECT "+values+" FROM "+table+" ORDER BY "+values) {
			statements = append(statements, "INSERT INTO "+table+" ("+strings.Join(columns, ", ")+") VALUES ("+row+")")
		}
	}
	return append(statements, texts(t, db, selectSchema, "trigger", "trigger")...)
}

// texts are what a query finds.
func texts(t *testing.T, db *sqlite.DB, query string, args ...any) (found []string) {
	t.Helper()
	rows, err := db.Reader().DB.Query(query, args...)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		found = append(found, text)
	}
	require.NoError(t, rows.Err())
	return found
}

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

// selectSchema is what a database consists of, but for the migrations' own tables.
const selectSchema = `SELECT sql FROM sqlite_master
WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE 'pulp\_migration\_%' ESCAPE '\' ORDER BY rowid`

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

	db := open(t, "")
	var names []string
	rows, err := db.Reader().Query(`SELECT name FROM pulp_migration_core ORDER BY id`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names = append(names, name)
	}
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

// statementsAfter are the statements that make the schema of an empty database after it was
// migrated.
func statementsAfter(t *testing.T, files fs.FS) (statements []string) {
	t.Helper()
	db := open(t, "", sqlite.CoreFiles(files))
	rows, err := db.Reader().Query(selectSchema)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		statements = append(statements, text)
	}
	require.NoError(t, rows.Err())
	return statements
}

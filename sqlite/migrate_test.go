package sqlite_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/gopulp/pulp/sqlite"
)

// files makes a file system of migrations: name, text, name, text.
func files(pairs ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return m
}

// The migrations of the tests. The second one needs two statements and a trigger.
const (
	one   = `CREATE TABLE step (n INTEGER); INSERT INTO step VALUES (1)`
	two   = `INSERT INTO step VALUES (2); CREATE TRIGGER tick AFTER INSERT ON step BEGIN SELECT 1; END;`
	three = `INSERT INTO step VALUES (3)`
)

// steps returns how many of the migrations above are in the file.
func steps(t *testing.T, file string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.QueryRow(`SELECT count(*) FROM step`).Scan(&n))
	return n
}

func TestMigrateAppliesWhatIsMissingAndOnlyThat(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	file := filepath.Join(db.Dir(), "pulp.db")
	ctx := t.Context()
	require.NoError(t, db.Migrate(ctx, "a", files("0002_two.up.sql", two, "0001_one.tx.up.sql", one, "0001_one.tx.down.sql", "nonsense", "README", "")))
	require.Equal(t, 2, steps(t, file))
	require.NoError(t, db.Migrate(ctx, "a", files("0001_one.tx.up.sql", one, "0002_two.up.sql", two, "0003_three.up.sql", three)))
	require.Equal(t, 3, steps(t, file))
	require.NoError(t, db.Migrate(ctx, "b", files("0001_one.up.sql", three)), "another owner counts for itself")
	require.Equal(t, 4, steps(t, file))
}

func TestMigrationThatFailsLeavesTheOneBefore(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	file := filepath.Join(db.Dir(), "pulp.db")
	err := db.Migrate(t.Context(), "a", files("0001_one.up.sql", one, "0002_bad.tx.up.sql", two+";INSERT INTO nowhere VALUES (1)", "0003_three.up.sql", three))
	require.ErrorContains(t, err, "migrate a: 0002_bad.tx.up.sql: ")
	require.ErrorContains(t, err, "nowhere")
	require.Equal(t, 1, steps(t, file))
	require.NoError(t, db.Migrate(t.Context(), "a", files("0001_one.up.sql", one, "0002_two.up.sql", two, "0003_three.up.sql", three)))
	require.Equal(t, 3, steps(t, file), "the next one goes on from there")
}

func TestMigrationMayNotEndItsTransaction(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	err := db.Migrate(t.Context(), "a", files("0001_one.up.sql", one+"; COMMIT"))
	require.ErrorIs(t, err, sqlite.ErrTxControl)
	require.NoError(t, db.Migrate(t.Context(), "a", files("0001_one.up.sql", one)), "nothing of it was kept")
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	require.NoError(t, db.Migrate(t.Context(), "a", files("0001_one.up.sql", one, "0002_two.up.sql", two)))
	err := db.Migrate(t.Context(), "a", files("0001_one.up.sql", one))
	require.ErrorIs(t, err, sqlite.ErrNewerSchema)
	require.ErrorContains(t, err, "0002")
	require.ErrorContains(t, err, "newer program")

	_, err = db.Writer().Exec(`INSERT INTO pulp_migration_core (name) VALUES ('9999')`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = sqlite.Open(db.Dir())
	require.ErrorIs(t, err, sqlite.ErrNewerSchema)
}

func TestDatabaseIsCopiedBeforeItIsMigrated(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	copied := filepath.Join(db.Dir(), "pulp.db.before-a-0002")
	require.NoError(t, os.WriteFile(copied, []byte("an older copy"), 0o600))
	require.NoError(t, db.Migrate(t.Context(), "a", files("0001_one.up.sql", one)))
	require.Equal(t, []string{copied}, copies(t, db), "a new owner has nothing to lose")
	require.NoError(t, db.Migrate(t.Context(), "a", files("0001_one.up.sql", one, "0002_two.up.sql", two, "0003_three.up.sql", three)))
	require.Equal(t, []string{copied}, copies(t, db))
	require.Equal(t, 1, steps(t, copied), "the copy is from before")
	require.NoError(t, db.Migrate(t.Context(), "a", files("0001_one.up.sql", one, "0002_two.up.sql", two, "0003_three.up.sql", three)))
	require.Equal(t, 1, steps(t, copied), "without anything to do, nothing is copied")
}

func copies(t *testing.T, db *sqlite.DB) []string {
	found, err := filepath.Glob(filepath.Join(db.Dir(), "*before*"))
	require.NoError(t, err)
	return found
}

func TestProcessesMigrateTogetherWithoutDoingItTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all sync.WaitGroup
	for range 3 {
		db := open(t, dir, sqlite.Shared())
		all.Go(func() {
			if err := db.Migrate(t.Context(), "a", files("0001_one.up.sql", one, "0002_two.up.sql", two)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Equal(t, 2, steps(t, filepath.Join(dir, "pulp.db")))
}

func TestMigrateRefusesBadNames(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	require.ErrorContains(t, db.Migrate(t.Context(), `x"; DROP`, files()), "name")
	require.ErrorContains(t, db.Migrate(t.Context(), "a", files("one.up.sql", one)), "one.up.sql")
}

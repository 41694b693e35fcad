package sqlite_test

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	modernc "modernc.org/sqlite"

	"github.com/gopulp/pulp/sqlite"
)

// TestMain makes this binary a child process of its own tests if it is told to be one.
func TestMain(m *testing.M) {
	if role := os.Getenv("PULP_TEST_CHILD"); role != "" {
		os.Exit(child(role))
	}
	os.Exit(m.Run())
}

// callbacks are what the SQL function during(key) calls: tests act in the middle of a
// statement with it.
var callbacks sync.Map

func during(_ *modernc.FunctionContext, args []driver.Value) (driver.Value, error) {
	if f, ok := callbacks.Load(args[0]); ok {
		f.(func())()
	}
	return int64(1), nil
}

// inStatement has f called by the SQL expression that it returns.
func inStatement(t *testing.T, f func()) (expression string) {
	callbacks.Store(t.Name(), f)
	t.Cleanup(func() { callbacks.Delete(t.Name()) })
	return fmt.Sprintf("during('%s')", t.Name())
}

// open opens a database in dir, or in a directory of its own if that is empty, with a table
// item(id, name UNIQUE).
func open(t testing.TB, dir string, options ...sqlite.Option) *sqlite.DB {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	db, err := sqlite.Open(dir, append(options, sqlite.Function("during", 1, during))...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	_, err = db.Writer().Exec(`CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, name TEXT UNIQUE)`)
	require.NoError(t, err)
	return db
}

// insert adds an item.
const insert = `INSERT INTO item (name) VALUES (?)`

// names returns the items that a reader sees, by name.
func names(t testing.TB, db *sqlite.DB) []string {
	t.Helper()
	found := []string{}
	rows, err := db.Reader().QueryContext(context.Background(), `SELECT name FROM item ORDER BY name`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		found = append(found, name)
	}
	require.NoError(t, rows.Err())
	return found
}

// add inserts an item in a transaction of its own.
func add(ctx context.Context, db *sqlite.DB, name string) error {
	tx, err := db.Writer().BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, insert, name); err != nil {
		return err
	}
	return tx.Commit()
}

// background runs f on a goroutine and returns where its error will be.
func background(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// scale returns how many times a loop runs: few with -short, many with PULP_TEST_HEAVY=1.
func scale(short, normal, heavy int) int {
	switch {
	case os.Getenv("PULP_TEST_HEAVY") == "1":
		return heavy
	case testing.Short():
		return short
	}
	return normal
}

// A journal is a log that a test can read while others write.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// logged returns an option that logs into the journal it returns.
func logged() (*journal, sqlite.Option) {
	j := &journal{}
	return j, sqlite.Logger(slog.New(slog.NewTextHandler(j, nil)))
}

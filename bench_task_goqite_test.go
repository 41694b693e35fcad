package pulp_test

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maragu.dev/goqite"
	_ "modernc.org/sqlite"

	"github.com/gopulp/pulp/sqlite"
)

// What the benchmarks of tasks are measured against: goqite through its own API, in which each
// call is a transaction, on a file with the pragmas that the engine sets.

//go:embed sqlite/schema/0002_tasks.tx.up.sql
var taskSchema string

// goqiteOn opens an empty queue.
func goqiteOn(b *testing.B, synchronous sqlite.Sync) *goqite.Queue {
	b.Helper()
	dsn := "file:" + filepath.Join(b.TempDir(), "goqite.db") + "?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)" +
		"&_pragma=temp_store(MEMORY)&_pragma=busy_timeout(5000)&_pragma=synchronous(" + string(synchronous) + ")"
	db, err := sql.Open("sqlite", dsn)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	db.SetMaxOpenConns(1)
	_, err = db.Exec(taskSchema[strings.Index(taskSchema, "CREATE TABLE goqite"):])
	require.NoError(b, err)
	return goqite.New(goqite.NewOpts{DB: db, Name: "q"})
}

// goqiteCycle is the rate of goroutines that send, receive and delete.
func goqiteCycle(b *testing.B, synchronous sqlite.Sync, n int) float64 {
	q := goqiteOn(b, synchronous)
	return rate(n, func() {
		each(b, benchmarkers, n, func(int) error { return errors.Join(send(q), receiveDelete(q)) })
	})
}

// goqitePhases is the rate of as many that first send all, and then receive and delete.
func goqitePhases(b *testing.B, synchronous sqlite.Sync, n int) float64 {
	q := goqiteOn(b, synchronous)
	return rate(n, func() {
		each(b, benchmarkers, n, func(int) error { return send(q) })
		each(b, benchmarkers, n, func(int) error { return receiveDelete(q) })
	})
}

// goqiteDrain is the rate of one goroutine that receives and deletes what is there.
func goqiteDrain(b *testing.B, synchronous sqlite.Sync, n int) float64 {
	q := goqiteOn(b, synchronous)
	each(b, benchmarkers, n, func(int) error { return send(q) })
	return rate(n, func() { each(b, 1, n, func(int) error { return receiveDelete(q) }) })
}

func send(q *goqite.Queue) error {
	return q.Send(context.Background(), goqite.Message{Body: []byte("1")})
}

func receiveDelete(q *goqite.Queue) error {
	m, err := q.Receive(context.Background())
	if err != nil {
		return err
	}
	if m == nil {
		return errors.New("nothing to receive")
	}
	return q.Delete(context.Background(), m.ID)
}

// rate is how many a second there are if f does n.
func rate(n int, f func()) float64 {
	begun := time.Now()
	f()
	return float64(n) / time.Since(begun).Seconds()
}

package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/gopulp/pulp/sqlite"
)

// The row that the benchmarks write is that of the design's measurements: eight columns and
// a unique text index.
const (
	createRow = `CREATE TABLE row (
		id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, a INTEGER, b INTEGER, c TEXT, d TEXT, e INTEGER, f INTEGER)`
	insertRow = `INSERT INTO row (name, a, b, c, d, e, f) VALUES (?, ?, ?, ?, ?, ?, ?)`
)

// BenchmarkGroupCommit is BeginTx, one insert, Commit, through the engine.
func BenchmarkGroupCommit(b *testing.B) {
	for _, s := range []sqlite.Sync{sqlite.Full, sqlite.Normal} {
		for _, callers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", s, callers), func(b *testing.B) {
				db := open(b, "", sqlite.Synchronous(s), sqlite.Logger(slog.New(slog.DiscardHandler)))
				before := db.Stats()
				write(b, db.Writer().DB, callers)
				after := db.Stats()
				b.ReportMetric(float64(after.Transactions-before.Transactions)/float64(after.Batches-before.Batches), "tx/batch")
			})
		}
	}
}

// BenchmarkPlainDriver is the same on the driver alone with one connection.
func BenchmarkPlainDriver(b *testing.B) {
	for _, s := range []sqlite.Sync{sqlite.Full, sqlite.Normal} {
		for _, callers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", s, callers), func(b *testing.B) {
				db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "plain.db")+
					"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)&_pragma=temp_store(MEMORY)&_pragma=synchronous("+string(s)+")")
				require.NoError(b, err)
				defer db.Close()
				db.SetMaxOpenConns(1)
				write(b, db, callers)
			})
		}
	}
}

// BenchmarkRead is one row by its key, through the readers.
func BenchmarkRead(b *testing.B) {
	db := open(b, "")
	_, err := db.Writer().Exec(`INSERT INTO item (id, name) VALUES (1, 'one')`)
	require.NoError(b, err)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			var name string
			if err := db.Reader().DB.QueryRow(`SELECT name FROM item WHERE id = ?`, 1).Scan(&name); err != nil {
				b.Error(err)
			}
		}
	})
}

// write divides b.N transactions among callers.
func write(b *testing.B, db *sql.DB, callers int) {
	_, err := db.Exec(createRow)
	require.NoError(b, err)
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range callers {
		all.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := writeOne(db, i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
}

func writeOne(db *sql.DB, i int64) error {
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = tx.Exec(insertRow, fmt.Sprintf("name-%09d", i), i, i, "some text", "some more text", i, i)
	if err != nil {
		return err
	}
	return tx.Commit()
}

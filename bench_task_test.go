package pulp_test

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"maragu.dev/goqite"
	_ "modernc.org/sqlite"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

// benchmarkers is how many goroutines dispatch, and how many workers run.
const benchmarkers = 16

// BenchmarkTaskCycle measures the life of a task that does nothing, with one exclusive and
// one shared reservation, from its dispatch to its end on the disk, against goqite's own Send,
// Receive and Delete of a message by as many goroutines on a connection with the same pragmas.
// The metric "x-goqite" is the ratio of the two rates.
func BenchmarkTaskCycle(b *testing.B) {
	for _, synchronous := range []sqlite.Sync{sqlite.Full, sqlite.Normal} {
		b.Run(string(synchronous), func(b *testing.B) {
			base := goqiteRate(b, synchronous, max(200, b.N/10))
			b.ResetTimer()
			ours := taskRate(b, synchronous, b.N)
			b.StopTimer()
			b.ReportMetric(ours, "tasks/s")
			b.ReportMetric(base, "goqite/s")
			b.ReportMetric(ours/base, "x-goqite")
		})
	}
}

// BenchmarkTaskRoundTrip measures one task after the other, from its dispatch to the return of
// Wait, with nothing else going on: two commits.
func BenchmarkTaskRoundTrip(b *testing.B) {
	for _, synchronous := range []sqlite.Sync{sqlite.Full, sqlite.Normal} {
		b.Run(string(synchronous), func(b *testing.B) {
			task := double()
			db, err := sqlite.Open(b.TempDir(), sqlite.Synchronous(synchronous))
			require.NoError(b, err)
			h := hostOn(b, db, pulp.Config{Parts: []pulp.Part{task}})
			h.run()
			for b.Loop() {
				_, err := wait(b, dispatch(h, task, 1, pulp.Exclusive(pulp.Name("r"))))
				require.NoError(b, err)
			}
		})
	}
}

// BenchmarkTaskChain measures tasks that all reserve the same resource, so that each starts
// with the commit that ends the one before.
func BenchmarkTaskChain(b *testing.B) {
	for _, synchronous := range []sqlite.Sync{sqlite.Full, sqlite.Normal} {
		b.Run(string(synchronous), func(b *testing.B) {
			task := double()
			db, err := sqlite.Open(b.TempDir(), sqlite.Synchronous(synchronous))
			require.NoError(b, err)
			h := hostOn(b, db, pulp.Config{Parts: []pulp.Part{task}})
			var last *pulp.Ticket[int]
			for i := range b.N {
				last = dispatch(h, task, i, pulp.Exclusive(pulp.Name("r")), pulp.Shared(pulp.Name("s")))
			}
			b.ResetTimer()
			h.run()
			_, err = last.Wait(b.Context())
			require.NoError(b, err)
		})
	}
}

func taskRate(b *testing.B, synchronous sqlite.Sync, n int) float64 {
	var done atomic.Int64
	all := make(chan struct{})
	task := &pulp.Task[int, struct{}]{Name: "nothing", Run: func(context.Context, *pulp.Job, int) (struct{}, error) {
		if done.Add(1) == int64(n) {
			close(all)
		}
		return struct{}{}, nil
	}}
	db, err := sqlite.Open(b.TempDir(), sqlite.Synchronous(synchronous))
	require.NoError(b, err)
	app, err := pulp.Open(b.Context(), db, pulp.Config{Parts: []pulp.Part{task}, Workers: benchmarkers, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	defer func() { require.NoError(b, app.Close()) }()
	ctx, stop := context.WithCancel(b.Context())
	ran := make(chan error)
	go func() { ran <- app.Run(ctx) }()
	begun := time.Now()
	each(n, func(i int) {
		err := app.Tx(b.Context(), func(ctx context.Context, tx bun.Tx) error {
			_, err := task.Dispatch(ctx, tx, i, pulp.Exclusive(pulp.Name(fmt.Sprint("repository", i))), pulp.Shared(pulp.Name("remote")))
			return err
		})
		if err != nil {
			b.Error(err)
		}
	})
	<-all
	stop()
	require.NoError(b, <-ran) // now all of them are recorded as completed
	return float64(n) / time.Since(begun).Seconds()
}

//go:embed sqlite/schema/0002_tasks.tx.up.sql
var taskSchema string

func goqiteRate(b *testing.B, synchronous sqlite.Sync, n int) float64 {
	dsn := "file:" + filepath.Join(b.TempDir(), "goqite.db") +
		"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)&_pragma=synchronous(" + string(synchronous) + ")"
	db, err := sql.Open("sqlite", dsn)
	require.NoError(b, err)
	defer func() { require.NoError(b, db.Close()) }()
	db.SetMaxOpenConns(1)
	_, err = db.Exec(taskSchema[strings.Index(taskSchema, "CREATE TABLE goqite"):])
	require.NoError(b, err)
	q := goqite.New(goqite.NewOpts{DB: db, Name: "q"})
	begun := time.Now()
	each(n, func(int) {
		if err := cycle(b.Context(), q); err != nil {
			b.Error(err)
		}
	})
	return float64(n) / time.Since(begun).Seconds()
}

func cycle(ctx context.Context, q *goqite.Queue) error {
	if err := q.Send(ctx, goqite.Message{Body: []byte("1")}); err != nil {
		return err
	}
	m, err := q.Receive(ctx)
	if err != nil {
		return err
	}
	return q.Delete(ctx, m.ID)
}

// each calls f for 0 to n-1 on as many goroutines as there are benchmarkers.
func each(n int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range benchmarkers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	wg.Wait()
}

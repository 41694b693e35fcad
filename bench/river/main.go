// Command river compares the rate of tasks that do nothing with that of jobs of River's SQLite
// driver that do nothing: the same driver under both (modernc.org/sqlite), the same pragmas, a
// file on the same disk, 16 goroutines that dispatch or insert one by one. It is a module of its
// own, so that nobody who uses the library gets River with it.
//
//	cd bench/river && go run . -n 5000
//
// River runs with its defaults changed to what is fastest here: a cooldown of 1 ms with as many
// workers as the tasks have, and, as in River's own benchmark, 2000 workers and 2 ms; the better
// of the two counts. The tasks reserve two resources each; River has no reservations.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/uptrace/bun"
	_ "modernc.org/sqlite"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

// callers is how many goroutines dispatch, and how many workers the tasks have.
const callers = 16

var quiet = slog.New(slog.DiscardHandler)

func main() {
	n := flag.Int("n", 5000, "tasks in each run")
	rounds := flag.Int("rounds", 3, "runs of each; the medians count")
	flag.Parse()
	if err := compare(*n, *rounds); err != nil {
		log.Fatal(err)
	}
}

// compare runs all by turns and prints the medians of their rates.
func compare(n, rounds int) error {
	for _, synchronous := range []sqlite.Sync{sqlite.Full, sqlite.Normal} {
		runs := []func(dir string) (float64, error){
			func(dir string) (float64, error) { return tasks(dir, synchronous, n) },
			func(dir string) (float64, error) { return jobs(dir, synchronous, n, callers, time.Millisecond) },
			func(dir string) (float64, error) { return jobs(dir, synchronous, n, 2000, 2*time.Millisecond) },
		}
		rates := make([][]float64, len(runs))
		for range rounds {
			for i, run := range runs {
				rate, err := inDir(run)
				if err != nil {
					return err
				}
				rates[i] = append(rates[i], rate)
			}
		}
		ours, few, many := median(rates[0]), median(rates[1]), median(rates[2])
		fmt.Printf("%-6s  tasks/s %7.0f   river/s (16 workers) %6.0f   river/s (2000 workers) %6.0f   ratio %.1f\n",
			synchronous, ours, few, many, ours/max(few, many))
	}
	return nil
}

func inDir(run func(dir string) (float64, error)) (float64, error) {
	dir, err := os.MkdirTemp("", "river")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	return run(dir)
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// tasks is the rate of tasks from before the first dispatch to the recorded end of the last.
func tasks(dir string, synchronous sqlite.Sync, n int) (rate float64, err error) {
	all := newCountdown(n)
	task := &pulp.Task[int, struct{}]{Name: "nothing", Run: func(context.Context, *pulp.Job, int) (none struct{}, err error) {
		all.count()
		return none, nil
	}}
	db, err := sqlite.Open(dir, sqlite.Synchronous(synchronous), sqlite.Logger(quiet))
	if err != nil {
		return 0, err
	}
	app, err := pulp.Open(context.Background(), db, pulp.Config{Parts: []pulp.Part{task}, Workers: callers, Logger: quiet})
	if err != nil {
		return 0, err
	}
	defer app.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ran := make(chan error)
	go func() { ran <- app.Run(ctx) }()
	<-app.Started()
	begun := time.Now()
	err = each(n, func(i int) error {
		return app.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
			_, err := task.Dispatch(ctx, tx, i, pulp.Exclusive(pulp.Name(fmt.Sprint("repository", i))), pulp.Shared(pulp.Name("remote")))
			return err
		})
	})
	if err != nil {
		return 0, err
	}
	<-all.done
	stop()
	if err := <-ran; err != nil {
		return 0, err
	}
	return float64(n) / time.Since(begun).Seconds(), nil
}

// A jobArgs is a job of River's that does nothing.
type jobArgs struct {
	N int `json:"n"`
}

// Kind names the type of the job.
func (jobArgs) Kind() string { return "nothing" }

type worker struct {
	river.WorkerDefaults[jobArgs]
	all *countdown
}

// Work does nothing.
func (w *worker) Work(context.Context, *river.Job[jobArgs]) error {
	w.all.count()
	return nil
}

// jobs is the rate of River's jobs, measured in the same way.
func jobs(dir string, synchronous sqlite.Sync, n, workers int, cooldown time.Duration) (rate float64, err error) {
	ctx := context.Background()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "river.db")+"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)"+
		"&_pragma=temp_store(MEMORY)&_pragma=busy_timeout(5000)&_pragma=synchronous("+string(synchronous)+")")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // as River's documentation says for SQLite
	driver := riversqlite.New(db)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet})
	if err != nil {
		return 0, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return 0, err
	}
	all := newCountdown(n)
	kinds := river.NewWorkers()
	river.AddWorker(kinds, &worker{all: all})
	client, err := river.NewClient(driver, &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		Workers: kinds, FetchCooldown: cooldown, FetchPollInterval: 20 * time.Millisecond, Logger: quiet,
	})
	if err != nil {
		return 0, err
	}
	if err := client.Start(ctx); err != nil {
		return 0, err
	}
	begun := time.Now()
	err = each(n, func(i int) error {
		_, err := client.Insert(ctx, jobArgs{i}, nil)
		return err
	})
	if err != nil {
		return 0, err
	}
	<-all.done
	if err := client.Stop(ctx); err != nil { // now all of them are recorded
		return 0, err
	}
	return float64(n) / time.Since(begun).Seconds(), nil
}

// A countdown is done when it was counted so often.
type countdown struct {
	left atomic.Int64
	done chan struct{}
}

func newCountdown(n int) *countdown {
	c := &countdown{done: make(chan struct{})}
	c.left.Store(int64(n))
	return c
}

func (c *countdown) count() {
	if c.left.Add(-1) == 0 {
		close(c.done)
	}
}

// each calls f for 0 to n-1 on as many goroutines as there are callers.
func each(n int, f func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, callers)
	for range callers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := f(int(i)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

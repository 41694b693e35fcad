package pulp_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

// The benchmarks of tasks are ratios: what is compared runs by turns in one process, and the
// medians count, because absolute figures say more of the machine and its load than of the code.
// All tasks do nothing, reserve one resource exclusively and one shared. Call them with a fixed
// number, as in
//
//	go test -run '^$' -bench 'Task(Phases|Cycle|Chain)' -benchtime 20000x .

const (
	benchmarkers = 16 // how many goroutines dispatch, and how many workers run
	rounds       = 3  // of each of those that are compared
)

// BenchmarkTaskPhases dispatches all tasks and then runs them.
func BenchmarkTaskPhases(b *testing.B) {
	compare(b, sqlite.Full, goqitePhases, taskPhases)
}

// BenchmarkTaskPhasesNormal is the same without a flush for each commit.
func BenchmarkTaskPhasesNormal(b *testing.B) {
	compare(b, sqlite.Normal, goqitePhases, taskPhases)
}

// BenchmarkTaskCycle dispatches and runs tasks at the same time.
func BenchmarkTaskCycle(b *testing.B) { compare(b, sqlite.Full, goqiteCycle, taskCycle) }

// BenchmarkTaskCycleNormal is the same without a flush for each commit.
func BenchmarkTaskCycleNormal(b *testing.B) { compare(b, sqlite.Normal, goqiteCycle, taskCycle) }

// BenchmarkTaskChain runs tasks that all reserve the same resource, so that each starts with
// the commit that ends the one before, against one goroutine that receives and deletes.
func BenchmarkTaskChain(b *testing.B) { compare(b, sqlite.Full, goqiteDrain, taskChain) }

// BenchmarkTaskFull is what is left of the rates of Phases and Cycle if each commit is flushed.
func BenchmarkTaskFull(b *testing.B) {
	for name, of := range map[string]rateOf{"phases": taskPhases, "cycle": taskCycle} {
		b.Run(name, func(b *testing.B) {
			full, normal := byTurns(
				func() float64 { return of(b, sqlite.Full, b.N) },
				func() float64 { return of(b, sqlite.Normal, b.N) })
			b.ReportMetric(full/normal, "x-normal")
		})
	}
}

// BenchmarkTaskReadyList is what the ready list on goqite leaves of the rates that a lean one, in its place, would allow.
func BenchmarkTaskReadyList(b *testing.B) {
	for name, of := range map[string]rateOf{"phases": taskPhases, "cycle": taskCycle, "chain": taskChain} {
		b.Run(name, func(b *testing.B) {
			lean := func(h *bench) { require.NoError(b, h.UseLeanList(b.Context())) }
			goqite, native := byTurns(
				func() float64 { return of(b, sqlite.Full, b.N) },
				func() float64 { return of(b, sqlite.Full, b.N, lean) })
			b.ReportMetric(goqite, "tasks/s")
			b.ReportMetric(native, "lean/s")
			b.ReportMetric(goqite/native, "x-lean")
		})
	}
}

// A rateOf runs so many tasks on an App on which with is called, and returns how many a second.
type rateOf func(b *testing.B, synchronous sqlite.Sync, n int, with ...func(*bench)) float64

// compare reports the ratio of two rates.
func compare(b *testing.B, synchronous sqlite.Sync, base func(*testing.B, sqlite.Sync, int) float64, ours rateOf) {
	b.Helper()
	other, mine := byTurns(
		func() float64 { return base(b, synchronous, max(b.N/4, 100)) },
		func() float64 { return ours(b, synchronous, b.N) })
	b.ReportMetric(mine, "tasks/s")
	b.ReportMetric(other, "goqite/s")
	b.ReportMetric(mine/other, "x-goqite")
}

// byTurns calls x and y by turns and returns their medians.
func byTurns(x, y func() float64) (float64, float64) {
	var xs, ys []float64
	for range rounds {
		xs, ys = append(xs, x()), append(ys, y())
	}
	return median(xs), median(ys)
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// A bench is an App whose tasks do nothing.
type bench struct {
	*pulp.App
	task *pulp.Task[int, struct{}]
	done atomic.Int64
	all  chan struct{} // closed when the last of them has run
}

func newBench(b *testing.B, synchronous sqlite.Sync, n int, with ...func(*bench)) *bench {
	b.Helper()
	h := &bench{all: make(chan struct{})}
	h.task = &pulp.Task[int, struct{}]{Name: "nothing", Run: func(context.Context, *pulp.Job, int) (struct{}, error) {
		if h.done.Add(1) == int64(n) {
			close(h.all)
		}
		return struct{}{}, nil
	}}
	quiet := slog.New(slog.DiscardHandler)
	db, err := sqlite.Open(b.TempDir(), sqlite.Synchronous(synchronous), sqlite.Logger(quiet))
	require.NoError(b, err)
	h.App, err = pulp.Open(b.Context(), db, pulp.Config{Parts: []pulp.Part{h.task}, Workers: benchmarkers, Logger: quiet})
	require.NoError(b, err)
	for _, f := range with {
		f(h)
	}
	return h
}

// run runs the workers while f runs and until all tasks are recorded as completed.
func (h *bench) run(b *testing.B, f func()) {
	ctx, stop := context.WithCancel(b.Context())
	ran := make(chan error)
	go func() { ran <- h.Run(ctx) }()
	f()
	<-h.all
	stop()
	require.NoError(b, <-ran)
}

func (h *bench) dispatch(i int, exclusive string) error {
	return h.Tx(context.Background(), func(ctx context.Context, tx bun.Tx) error {
		_, err := h.task.Dispatch(ctx, tx, i, pulp.Exclusive(pulp.Name(exclusive)), pulp.Shared(pulp.Name("remote")))
		return err
	})
}

func (h *bench) close(b *testing.B) { require.NoError(b, h.Close()) }

func taskPhases(b *testing.B, synchronous sqlite.Sync, n int, with ...func(*bench)) float64 {
	h := newBench(b, synchronous, n, with...)
	defer h.close(b)
	return rate(n, func() {
		each(b, benchmarkers, n, func(i int) error { return h.dispatch(i, fmt.Sprint("repository", i)) })
		h.run(b, func() {})
	})
}

func taskCycle(b *testing.B, synchronous sqlite.Sync, n int, with ...func(*bench)) float64 {
	h := newBench(b, synchronous, n, with...)
	defer h.close(b)
	return rate(n, func() {
		h.run(b, func() {
			each(b, benchmarkers, n, func(i int) error { return h.dispatch(i, fmt.Sprint("repository", i)) })
		})
	})
}

func taskChain(b *testing.B, synchronous sqlite.Sync, n int, with ...func(*bench)) float64 {
	h := newBench(b, synchronous, n, with...)
	defer h.close(b)
	each(b, benchmarkers, n, func(i int) error { return h.dispatch(i, "repository") })
	return rate(n, func() { h.run(b, func() {}) })
}

// each calls f for 0 to n-1 on so many goroutines.
func each(b testing.TB, goroutines, n int, f func(i int) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := f(int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

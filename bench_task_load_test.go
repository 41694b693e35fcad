package pulp_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

// BenchmarkTaskBacklog is what is left of the rate of tasks if not 100 others wait for a
// resource but 100,000: "same" are these themselves, one after the other, with a new one for
// each that ends; "other" are tasks that nobody blocks, while the backlog waits for one that
// does not end.
func BenchmarkTaskBacklog(b *testing.B) {
	for name, of := range map[string]func(*backlogged, int) float64{"same": (*backlogged).same, "other": (*backlogged).other} {
		b.Run(name, func(b *testing.B) {
			few, many := openBacklog(b, 100), openBacklog(b, 100_000)
			b.ResetTimer()
			small, large := byTurns(func() float64 { return of(few, b.N) }, func() float64 { return of(many, b.N) })
			b.ReportMetric(small, "tasks/s")
			b.ReportMetric(large/small, "x-100")
		})
	}
}

// A backlogged is an App in which tasks wait for one resource.
type backlogged struct {
	*taskHost
	blocked, free *pulp.Task[int, struct{}]
	let           chan struct{} // lets a blocked one end
	ended         chan struct{} // a free one has ended
}

func openBacklog(b *testing.B, n int) *backlogged {
	b.Helper()
	h := &backlogged{let: make(chan struct{}), ended: make(chan struct{}, benchmarkers)}
	h.blocked = &pulp.Task[int, struct{}]{Name: "blocked", Run: func(ctx context.Context, _ *pulp.Job, _ int) (none struct{}, err error) {
		select {
		case <-h.let:
		case <-ctx.Done():
		}
		return none, nil
	}}
	h.free = &pulp.Task[int, struct{}]{Name: "free", Run: func(context.Context, *pulp.Job, int) (none struct{}, err error) {
		h.ended <- struct{}{}
		return none, nil
	}}
	db, err := sqlite.Open(b.TempDir(), sqlite.Logger(slog.New(slog.DiscardHandler)))
	require.NoError(b, err)
	h.taskHost = hostOn(b, db, pulp.Config{Parts: []pulp.Part{h.blocked, h.free}, Workers: benchmarkers, Drain: time.Second})
	const batch = 500
	each(b, 1, (n+batch-1)/batch, func(int) error {
		return h.Tx(context.Background(), func(ctx context.Context, tx bun.Tx) (err error) {
			for i := 0; i < min(n, batch) && err == nil; i++ {
				err = h.add(ctx, tx, h.blocked, "repository")
			}
			return err
		})
	})
	h.run()
	return h
}

func (h *backlogged) add(ctx context.Context, tx bun.Tx, task *pulp.Task[int, struct{}], exclusive string) error {
	_, err := task.Dispatch(ctx, tx, 0, pulp.Exclusive(pulp.Name(exclusive)), pulp.Shared(pulp.Name("remote")))
	return err
}

func (h *backlogged) same(n int) float64 {
	return rate(n, func() {
		for range n {
			h.let <- struct{}{}
			dispatch(h.taskHost, h.blocked, 0, pulp.Exclusive(pulp.Name("repository")), pulp.Shared(pulp.Name("remote")))
		}
	})
}

func (h *backlogged) other(n int) float64 {
	return rate(n, func() {
		go each(h.t, benchmarkers, n, func(i int) error {
			return h.Tx(context.Background(), func(ctx context.Context, tx bun.Tx) error {
				return h.add(ctx, tx, h.free, fmt.Sprint("other", i))
			})
		})
		for range n {
			<-h.ended
		}
	})
}

// BenchmarkTaskStart is how long it takes, with nothing else going on, from before the dispatch
// to the first line of the handler.
func BenchmarkTaskStart(b *testing.B) {
	for _, synchronous := range []sqlite.Sync{sqlite.Full, sqlite.Normal} {
		b.Run(string(synchronous), func(b *testing.B) {
			started := make(chan time.Time)
			task := &pulp.Task[int, struct{}]{Name: "stamp", Run: func(context.Context, *pulp.Job, int) (none struct{}, err error) {
				started <- time.Now()
				return none, nil
			}}
			db, err := sqlite.Open(b.TempDir(), sqlite.Synchronous(synchronous))
			require.NoError(b, err)
			h := hostOn(b, db, pulp.Config{Parts: []pulp.Part{task}})
			h.run()
			var took []float64
			for b.Loop() {
				begun := time.Now()
				ticket := dispatch(h, task, 1, pulp.Exclusive(pulp.Name("repository")), pulp.Shared(pulp.Name("remote")))
				took = append(took, (<-started).Sub(begun).Seconds()*1e3)
				_, err := wait(b, ticket)
				require.NoError(b, err)
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2], "p50-ms")
			b.ReportMetric(took[len(took)*99/100], "p99-ms")
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

// idleFor tells a child process to open an App, run its workers, and do nothing for so long.
const idleFor = "PULP_BENCH_IDLE"

// BenchmarkTaskIdle is what a process costs whose queue is empty: the part of a core that it
// uses, in percent, over 10 seconds, and its memory. It looks into /proc.
func BenchmarkTaskIdle(b *testing.B) {
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		b.Skip("there is no /proc/self/schedstat here")
	}
	const span = 10 * time.Second
	dir := b.TempDir()
	require.NoError(b, openTasks(b, dir, pulp.Config{Parts: []pulp.Part{double()}}).Close()) // the first Open hashes a password
	for b.Loop() {
		child := exec.Command(os.Args[0], "-test.run=^TestIdleProcess$")
		child.Env = append(os.Environ(), childDir+"="+dir, idleFor+"=1")
		in, err := child.StdinPipe()
		require.NoError(b, err)
		out, err := child.StdoutPipe()
		require.NoError(b, err)
		require.NoError(b, child.Start())
		_, err = out.Read(make([]byte, 1)) // it runs
		require.NoError(b, err)
		before := usedBy(b, child.Process.Pid)
		<-time.After(span)
		used := usedBy(b, child.Process.Pid) - before
		b.ReportMetric(used.Seconds()/span.Seconds()*100, "%cpu")
		b.ReportMetric(residentOf(b, child.Process.Pid)/(1<<20), "MiB")
		require.NoError(b, in.Close())
		require.NoError(b, child.Wait())
	}
}

// TestIdleProcess is not a test of its own: it is the process that does nothing.
func TestIdleProcess(t *testing.T) {
	if os.Getenv(idleFor) == "" {
		t.Skip("only for BenchmarkTaskIdle")
	}
	db, err := sqlite.Open(os.Getenv(childDir))
	require.NoError(t, err)
	hostOn(t, db, pulp.Config{Parts: []pulp.Part{double()}}).run()
	fmt.Println()
	_, _ = os.Stdin.Read(make([]byte, 1)) // until its parent closes the pipe
}

// usedBy is how long the threads of a process have used the processor. The kernel counts it in
// nanoseconds; the ticks of /proc/PID/stat are too coarse here.
func usedBy(b *testing.B, pid int) (used time.Duration) {
	threads, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "schedstat"))
	require.NoError(b, err)
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		require.NoError(b, err)
		n, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		require.NoError(b, err)
		used += time.Duration(n)
	}
	return used
}

// residentOf is how much memory a process has, in bytes.
func residentOf(b *testing.B, pid int) float64 {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	require.NoError(b, err)
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	require.NoError(b, err)
	return float64(pages * os.Getpagesize())
}

package pulp_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/internal/taskrule"
	"github.com/gopulp/pulp/pulptest"
)

// crashPoint tells a child process where to kill itself: "point/3" is the third time.
const crashPoint = "PULP_TEST_CRASH"

// crashTasks are one that writes a row of the host's with its end, sometimes fails, and may
// start three times; and one that may start once.
func crashTasks() (sturdy, once *pulp.Task[int, int]) {
	run := func(_ context.Context, j *pulp.Job, n int) (int, error) {
		j.Progress("p", "Working", 1).Add(1)
		j.OnFinish(insertHost(n))
		if n%5 == 4 {
			return 0, errors.New("failed")
		}
		return n, nil
	}
	retry := pulp.Retry{Attempts: 3, Pause: time.Millisecond}
	return &pulp.Task[int, int]{Name: "sturdy", Retry: retry, Run: run}, &pulp.Task[int, int]{Name: "once", Run: run}
}

// TestCrashingProcess is not a test of its own: it is the process that kills itself.
func TestCrashingProcess(t *testing.T) {
	point := os.Getenv(crashPoint)
	if point == "" {
		t.Skip("only for other tests")
	}
	name, number, _ := strings.Cut(point, "/")
	nth, err := strconv.Atoi(number)
	require.NoError(t, err)
	var hits atomic.Int64
	sturdy, once := crashTasks()
	h := openTasks(t, os.Getenv(childDir), pulp.CrashingAt(pulp.Config{Parts: []pulp.Part{sturdy, once}, Workers: 2}, func(at string) {
		if at == name && hits.Add(1) == int64(nth) {
			killSelf()
		}
	}))
	h.exec("CREATE TABLE IF NOT EXISTS host (n INTEGER)")
	h.run()
	for n := range 30 {
		task := []*pulp.Task[int, int]{sturdy, once}[n%2]
		options := []pulp.DispatchOption{pulp.Exclusive(pulp.Name(fmt.Sprint(n % 3))), pulp.Shared(pulp.Name("all")), pulp.Limit{Key: "l", N: 2}}
		if n%7 == 0 {
			options = append(options, pulp.After(time.Millisecond))
		}
		dispatch(h, task, n, options...)
	}
	require.Eventually(t, func() bool { return h.count("SELECT count(*) FROM task WHERE finished_at IS NULL") == 0 }, patience, tick)
}

// killSelf ends this process as kill -9 does.
func killSelf() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
	select {}
}

// crash runs a child that kills itself at a point, and says whether it came there.
func crash(t *testing.T, dir, point string) bool {
	child := exec.Command(os.Args[0], "-test.run=^TestCrashingProcess$", "-test.timeout=60s")
	child.Env = append(os.Environ(), childDir+"="+dir, crashPoint+"="+point)
	out, err := child.CombinedOutput()
	if err == nil {
		return false
	}
	requireKilled(t, err, string(out))
	return true
}

// requireKilled says that a process ended by being killed, not by itself.
func requireKilled(t *testing.T, err error, said string) {
	t.Helper()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	if runtime.GOOS != "windows" { // where a killed process has just an exit code
		require.True(t, exit.Sys().(syscall.WaitStatus).Signaled(), said)
	}
}

func TestProcessMayBeKilledAtAnyPoint(t *testing.T) {
	t.Parallel()
	points := []string{"commit/9", "committed/9", "end recorded/3", "end freed/3", "admitted/1", "attempt ended/1"}
	if pulptest.Heavy() {
		points = nil
		for _, name := range []string{"commit", "committed", "end recorded", "end freed", "admitted", "attempt ended"} {
			for _, nth := range []int{1, 2, 3, 5, 8, 13, 21, 34, 55} {
				points = append(points, fmt.Sprintf("%s/%d", name, nth))
			}
		}
	}
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			dir := t.TempDir()
			if killed := crash(t, dir, point); !pulptest.Heavy() {
				require.True(t, killed, "it did not come there")
			}
			checkAfterCrash(t, dir)
		})
	}
}

func TestRecoveryMayBeKilledAtAnyPoint(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"recovery begun/1", "lost recorded/1", "lost freed/1", "commit/1", "committed/1", "committed/2"} {
		t.Run(point, func(t *testing.T) {
			dir, killed := "", false
			for n := 0; n < 25 && !killed; n++ { // what the first was killed in may be ready again, not lost
				dir = t.TempDir()
				require.True(t, crash(t, dir, "end freed/2"))
				killed = crash(t, dir, point)
			}
			require.True(t, killed, "it did not come there")
			checkAfterCrash(t, dir)
		})
	}
}

// TestReleasingProcess is not a test of its own: it kills itself when it has released the first
// of many tasks that wait for one.
func TestReleasingProcess(t *testing.T) {
	dir := os.Getenv(releaseDir)
	if dir == "" {
		t.Skip("only for other tests")
	}
	var armed atomic.Bool
	_, once := crashTasks()
	s := newStage()
	h := openTasks(t, dir, pulp.CrashingAt(pulp.Config{Parts: []pulp.Part{s.task, once}, Workers: 1}, func(at string) {
		if at == "committed" && armed.Load() {
			killSelf()
		}
	}))
	h.exec("CREATE TABLE host (n INTEGER)")
	h.run()
	dispatch(h, s.task, "writer", pulp.Exclusive(pulp.Name("r")))
	receive(t, s.started)
	for n := range 2*pulp.ReleaseLimit + 1 {
		dispatch(h, once, 5*n, pulp.Shared(pulp.Name("r")))
	}
	armed.Store(true)
	s.end("writer", nil)
	select {}
}

// releaseDir names the data directory of the process that kills itself in a large release.
const releaseDir = "PULP_TEST_RELEASE_DIR"

func TestProcessMayBeKilledBetweenTheBatchesOfALargeRelease(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestReleasingProcess$", "-test.timeout=60s")
	child.Env = append(os.Environ(), releaseDir+"="+dir)
	out, err := child.CombinedOutput()
	requireKilled(t, err, string(out))
	db := openDatabase(t, dir)
	var waiting, unblocked int
	require.NoError(t, db.Reader().DB.QueryRow("SELECT count(*), count(unblocked_at) FROM task WHERE state = 'waiting'").Scan(&waiting, &unblocked))
	require.NoError(t, db.Close())
	require.Positive(t, unblocked)
	require.Greater(t, waiting, unblocked, "it was killed between the batches")
	checkAfterCrash(t, dir)
}

// checkAfterCrash opens what a killed process left: all rows agree, all tasks come to their
// end, and each is completed if and only if its row is there, once.
func checkAfterCrash(t *testing.T, dir string) {
	sturdy, once := crashTasks()
	h := openTasks(t, dir, pulp.Config{Parts: []pulp.Part{sturdy, once, newStage().task}, Workers: 2})
	h.exec("CREATE TABLE IF NOT EXISTS host (n INTEGER)")
	wrong, err := taskrule.Violations(t.Context(), h.DB().Reader().DB)
	require.NoError(t, err)
	require.Empty(t, wrong)
	h.run()
	require.Eventually(t, func() bool { return h.count("SELECT count(*) FROM task WHERE finished_at IS NULL") == 0 }, patience, tick)
	require.NoError(t, h.stop())
	require.Equal(t, h.count("SELECT count(*) FROM task WHERE state = 'completed' AND name IN ('sturdy', 'once')"), h.count("SELECT count(*) FROM host"))
	require.Zero(t, h.count("SELECT count(*) FROM task WHERE attempt > 1 AND name = 'once' OR attempt > 3"))
	require.Zero(t, h.count("SELECT count(*) FROM reservation"))
	require.Zero(t, h.count("SELECT count(*) FROM goqite"))
	require.Zero(t, h.count("SELECT count(*) FROM progress_report WHERE state = 'running'"))
}

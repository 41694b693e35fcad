package pulp_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

// peerDir and peerLease tell a child process what to share.
const (
	peerDir   = "PULP_TEST_PEER_DIR"
	peerLease = "PULP_TEST_PEER_LEASE"
)

// The host's table gets a row for each step of each attempt; the trigger looks, by itself, whether
// the attempt was the task's at that moment.
const stepSchema = `
CREATE TABLE IF NOT EXISTS step (id INTEGER PRIMARY KEY AUTOINCREMENT, task BLOB, attempt INTEGER, pid INTEGER, last INTEGER);
CREATE TABLE IF NOT EXISTS zombie (task BLOB, attempt INTEGER);
CREATE TRIGGER IF NOT EXISTS step_fence AFTER INSERT ON step
WHEN NOT EXISTS (SELECT 1 FROM task WHERE pulp_id = new.task AND attempt = new.attempt AND state IN ('running', 'canceling'))
BEGIN INSERT INTO zombie VALUES (new.task, new.attempt); END`

const insertStep = `INSERT INTO step (task, attempt, pid, last) VALUES (?, ?, ?, ?)`

// Work is what the tasks of peers are told: so many steps, with a pause after each.
type work struct {
	Steps int
	Pause time.Duration
}

// peerTasks are one that may start often, and one that may start once.
func peerTasks() (sturdy, once *pulp.Task[work, int]) {
	run := func(ctx context.Context, j *pulp.Job, w work) (int, error) {
		step := func(last bool) func(context.Context, bun.Tx) error {
			return func(ctx context.Context, tx bun.Tx) error {
				_, err := tx.Tx.ExecContext(ctx, insertStep, j.ID(), j.Attempt(), os.Getpid(), last)
				return err
			}
		}
		p := j.Progress("steps", "Stepping", int64(w.Steps))
		for range w.Steps {
			if err := j.Tx(ctx, step(false)); err != nil {
				return 0, err
			}
			p.Add(1)
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(w.Pause):
			}
		}
		j.OnFinish(step(true))
		return os.Getpid(), nil
	}
	return &pulp.Task[work, int]{Name: "sturdy", Retry: pulp.Retry{Attempts: 100, Pause: time.Millisecond}, Run: run},
		&pulp.Task[work, int]{Name: "once", Run: run}
}

// openPeer opens an App on a directory that others share, for tests that make others wait.
func openPeer(t *testing.T, dir string, lease time.Duration, workers int) (h *taskHost, sturdy, once *pulp.Task[work, int]) {
	t.Helper()
	db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Off), sqlite.Shared(), sqlite.BusyTimeout(300*time.Millisecond))
	for errors.Is(err, sqlite.ErrBusy) {
		db, err = sqlite.Open(dir, sqlite.Synchronous(sqlite.Off), sqlite.Shared(), sqlite.BusyTimeout(300*time.Millisecond))
	}
	require.NoError(t, err)
	sturdy, once = peerTasks()
	return hostOn(t, db, pulp.Config{Parts: []pulp.Part{sturdy, once}, Workers: workers, Lease: lease}), sturdy, once
}

// TestPeerProcess is not a test of its own: it is a process that shares a directory with others.
// On "hold" it keeps the database locked until the next line, at the end of its input it ends.
func TestPeerProcess(t *testing.T) {
	dir := os.Getenv(peerDir)
	if dir == "" {
		t.Skip("only for other tests")
	}
	lease, err := time.ParseDuration(os.Getenv(peerLease))
	require.NoError(t, err)
	h, _, _ := openPeer(t, dir, lease, 2)
	h.run()
	_, _ = os.Stdout.WriteString("\nready\n")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		require.Equal(t, "hold", in.Text())
		for {
			err := h.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
				_, _ = os.Stdout.WriteString("\nheld\n")
				in.Scan()
				return nil
			})
			if !errors.Is(err, pulp.ErrBusy) {
				require.NoError(t, err)
				break
			}
		}
		_, _ = os.Stdout.WriteString("\nreleased\n")
	}
	require.NoError(t, h.stop())
}

// A peerProcess is a child that runs TestPeerProcess.
type peerProcess struct {
	*exec.Cmd
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Scanner
}

func startPeer(t *testing.T, dir string, lease time.Duration) *peerProcess {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestPeerProcess$", "-test.timeout=300s")
	cmd.Env = append(os.Environ(), peerDir+"="+dir, peerLease+"="+lease.String())
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &peerProcess{cmd, t, in, bufio.NewScanner(out)}
	t.Cleanup(p.kill)
	p.await("ready")
	return p
}

// await reads lines up to one.
func (p *peerProcess) await(line string) {
	p.t.Helper()
	var said []string
	for p.out.Scan() {
		if p.out.Text() == line {
			return
		}
		said = append(said, p.out.Text())
	}
	require.Fail(p.t, "the process ended", "it said %s", strings.Join(said, "\n"))
}

func (p *peerProcess) say(line string) {
	p.t.Helper()
	_, err := io.WriteString(p.in, line+"\n")
	require.NoError(p.t, err)
}

func (p *peerProcess) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
}

func TestProcessesShareTheWork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newWork(t, dir, 30*time.Second, 2)
	s.run()
	startPeer(t, dir, 30*time.Second)
	startPeer(t, dir, 30*time.Second)
	require.Eventually(t, func() bool {
		for range 20 {
			s.add(work{Steps: 3, Pause: 5 * time.Millisecond})
		}
		return s.count("SELECT count(DISTINCT worker_id) FROM task") == 3
	}, patience, 20*tick)
	s.check()
	require.Zero(t, s.count("SELECT count(*) FROM task WHERE state <> 'completed'"))
}

func TestTasksOfAKilledProcessAreTakenByTheOthers(t *testing.T) {
	t.Parallel()
	const lease = time.Second
	dir := t.TempDir()
	s := newWork(t, dir, lease, -1)
	victim := startPeer(t, dir, lease)
	s.add(work{Steps: 1000, Pause: 5 * time.Millisecond}) // sturdy
	s.add(work{Steps: 1000, Pause: 5 * time.Millisecond}) // once
	require.Eventually(t, func() bool { return s.count("SELECT count(DISTINCT task) FROM step") == 2 }, patience, tick)
	startPeer(t, dir, lease)
	for range 8 {
		s.add(work{Steps: 2, Pause: time.Millisecond})
	}
	s.exec("UPDATE task SET args = (SELECT args FROM task ORDER BY id DESC LIMIT 1) WHERE id IN (SELECT id FROM task ORDER BY id LIMIT 2)") // the next attempt is quick
	victim.kill()
	s.check()
	require.Equal(t, 2, s.count("SELECT attempt FROM task ORDER BY id LIMIT 1"))
	require.Equal(t, 1, s.count(`SELECT count(*) FROM task WHERE error = '{"reason":"Worker has gone missing."}'`))
	require.Equal(t, 1, s.count("SELECT count(*) FROM worker"))
}

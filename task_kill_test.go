package pulp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/internal/taskrule"
	"github.com/gopulp/pulp/pulptest"
)

// loadFrom tells a child process the number of its first task.
const loadFrom = "PULP_TEST_LOAD_FROM"

// A load is tasks of all kinds that write down outside of the database that they start, before
// they do anything else, and inside of it that they are completed.
type load struct {
	sturdy, once, inline *pulp.Task[int, int]
	log                  *os.File
	next                 atomic.Int64
}

func newLoad(dir string, from int64) (*load, error) {
	log, err := os.OpenFile(filepath.Join(dir, "starts"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	l := &load{log: log}
	l.next.Store(from)
	l.sturdy = &pulp.Task[int, int]{Name: "sturdy", Retry: pulp.Retry{Attempts: 3, Pause: time.Millisecond}, Run: l.run}
	l.once = &pulp.Task[int, int]{Name: "once", Run: l.run}
	l.inline = &pulp.Task[int, int]{Name: "inline", RunTx: func(ctx context.Context, tx bun.Tx, _ *pulp.Job, n int) (int, error) {
		return n, insertHost(n)(ctx, tx)
	}}
	return l, nil
}

func (l *load) parts() []pulp.Part { return []pulp.Part{l.sturdy, l.once, l.inline} }

func (l *load) run(ctx context.Context, j *pulp.Job, n int) (int, error) {
	if _, err := l.log.WriteString(strconv.Itoa(n) + "\n"); err != nil { // one write, so that lines stay whole
		return 0, err
	}
	j.Progress("p", "Working", 1).Add(1)
	j.OnFinish(insertHost(n))
	if n%11 == 0 {
		return n, j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
			_, err := l.dispatch(ctx, tx, l.once)
			return err
		})
	}
	if n%13 == 0 && rand.IntN(2) == 0 {
		return 0, errors.New("failed")
	}
	return n, nil
}

// dispatch dispatches a task with a number that is its key, too.
func (l *load) dispatch(ctx context.Context, tx bun.Tx, task *pulp.Task[int, int], options ...pulp.DispatchOption) (*pulp.Ticket[int], error) {
	n := int(l.next.Add(1))
	return task.Dispatch(ctx, tx, n, append(options, pulp.Unique(strconv.Itoa(n)))...)
}

// some dispatches one task of some kind, and says so when it is there.
func (l *load) some(h *taskHost) *pulp.Ticket[int] {
	task := []*pulp.Task[int, int]{l.sturdy, l.once, l.once, l.inline}[rand.IntN(4)]
	options := []pulp.DispatchOption{pulp.Priority(rand.IntN(3))}
	for _, name := range []string{"a", "b", "c"} {
		switch rand.IntN(5) {
		case 0:
			options = append(options, pulp.Exclusive(pulp.Name(name)))
		case 1, 2:
			options = append(options, pulp.Shared(pulp.Name(name)))
		}
	}
	if rand.IntN(8) == 0 {
		options = append(options, pulp.After(time.Millisecond))
	}
	if rand.IntN(8) == 0 {
		options = append(options, pulp.Limit{Key: "l", N: 2})
	}
	var ticket *pulp.Ticket[int]
	require.NoError(h.t, h.Tx(context.Background(), func(ctx context.Context, tx bun.Tx) (err error) {
		ticket, err = l.dispatch(ctx, tx, task, options...)
		return err
	}))
	_, _ = os.Stdout.WriteString(ticket.ID.String() + "\n")
	return ticket
}

// TestLoadedProcess is not a test of its own: it is the process that is killed under load.
func TestLoadedProcess(t *testing.T) {
	if os.Getenv(loadFrom) == "" {
		t.Skip("only for other tests")
	}
	from, err := strconv.ParseInt(os.Getenv(loadFrom), 10, 64)
	require.NoError(t, err)
	l, err := newLoad(os.Getenv(childDir), from)
	require.NoError(t, err)
	h := openTasks(t, os.Getenv(childDir), pulp.Config{Parts: l.parts(), Workers: 4})
	h.run()
	for range 3 {
		go func() {
			for {
				var last *pulp.Ticket[int]
				for range 1 + rand.IntN(20) {
					last = l.some(h)
				}
				_, _ = last.Wait(context.Background())
			}
		}()
	}
	select {}
}

func TestNothingIsLostOrRunTwiceWhateverMomentTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	patient := 2 * time.Second
	switch {
	case pulptest.Heavy():
		patient = time.Minute
	case testing.Short():
		patient = 0
	}
	dir := t.TempDir()
	h := openTasks(t, dir, pulp.Config{})
	h.exec("CREATE TABLE host (n INTEGER)")
	require.NoError(t, h.Close())
	for round, begun := 1, time.Now(); round == 1 || time.Since(begun) < patient; round++ {
		promised := killUnderLoad(t, dir, round)
		checkPromises(t, dir, promised)
	}
}

// killUnderLoad runs a child process and kills it at some moment. It returns the tasks that the
// child said were there.
func killUnderLoad(t *testing.T, dir string, round int) (promised []string) {
	child := exec.Command(os.Args[0], "-test.run=^TestLoadedProcess$")
	child.Env = append(os.Environ(), childDir+"="+dir, loadFrom+"="+strconv.Itoa(round*1_000_000))
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	lines := bufio.NewScanner(out)
	for n := 1 + rand.IntN(300); len(promised) < n && lines.Scan(); {
		promised = append(promised, lines.Text())
	}
	time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond) // the moment is random: that is the point
	_ = child.Process.Kill()
	for lines.Scan() { // what it said before it died counts, too
		promised = append(promised, lines.Text())
	}
	requireKilled(t, child.Wait(), "")
	require.NotEmpty(t, promised)
	return promised
}

// checkPromises opens what a killed process left, lets all tasks end, and clears away.
func checkPromises(t *testing.T, dir string, promised []string) {
	l, err := newLoad(dir, 0)
	require.NoError(t, err)
	defer l.log.Close()
	h := openTasks(t, dir, pulp.Config{Parts: l.parts(), Workers: 2})
	wrong, err := taskrule.Violations(t.Context(), h.DB().Reader().DB)
	require.NoError(t, err)
	require.Empty(t, wrong)
	l.next.Store(int64(h.count("SELECT ifnull(max(CAST(unique_key AS INTEGER)), 0) FROM task")) + 100_000) // for children
	h.run()
	require.Eventually(t, func() bool { return h.count("SELECT count(*) FROM task WHERE finished_at IS NULL") == 0 }, patience, tick)
	require.NoError(t, h.stop())
	for _, id := range promised {
		require.Equal(t, 1, h.count("SELECT count(*) FROM task WHERE hex(pulp_id) = ?", strings.ToUpper(strings.ReplaceAll(id, "-", ""))), "a task is lost")
	}
	require.Zero(t, h.count("SELECT count(*) FROM (SELECT 1 FROM host GROUP BY n HAVING count(*) > 1)"), "a task was completed twice")
	require.Zero(t, h.count("SELECT count(*) FROM task WHERE (state = 'completed') <> (CAST(unique_key AS INTEGER) IN (SELECT n FROM host))"), "what a task wrote with its end is there if and only if it is completed")
	require.Zero(t, h.count("SELECT count(*) FROM host WHERE n NOT IN (SELECT CAST(unique_key AS INTEGER) FROM task)"))
	h.checkStarts(filepath.Join(dir, "starts"))
	h.exec("DELETE FROM task; DELETE FROM host")
	require.NoError(t, h.Close())
	require.NoError(t, os.Truncate(filepath.Join(dir, "starts"), 0))
}

// checkStarts compares what handlers wrote down outside of the database with the rows.
func (h *taskHost) checkStarts(file string) {
	text, err := os.ReadFile(file)
	require.NoError(h.t, err)
	starts := map[string]int{}
	for line := range strings.Lines(string(text)) {
		starts[strings.TrimSpace(line)]++
	}
	rows, err := h.DB().Reader().DB.Query("SELECT unique_key, name, state, attempt FROM task")
	require.NoError(h.t, err)
	defer rows.Close()
	for rows.Next() {
		var key, name, state string
		var attempt int
		require.NoError(h.t, rows.Scan(&key, &name, &state, &attempt))
		what := fmt.Sprintf("task %s (%s) is %s after attempt %d", key, name, state, attempt)
		require.LessOrEqual(h.t, starts[key], attempt, what)
		require.True(h.t, name == "sturdy" && attempt <= 3 || attempt <= 1, what)
		require.False(h.t, name != "inline" && state == "completed" && starts[key] == 0, what)
		delete(starts, key)
	}
	require.NoError(h.t, rows.Err())
	require.Empty(h.t, starts, "what ran is there")
}

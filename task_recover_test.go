package pulp_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
)

// childDir names the data directory of the child process of a test.
const childDir = "PULP_TEST_TASK_DIR"

// victim is the task that the child is killed in.
func victim(started chan<- struct{}) *pulp.Task[string, string] {
	return &pulp.Task[string, string]{Name: "victim", Run: func(_ context.Context, j *pulp.Job, name string) (string, error) {
		if started == nil {
			return name, nil
		}
		if _, err := j.Dir(); err != nil {
			return "", err
		}
		j.Progress("p", "Working", 0).Add(1)
		started <- struct{}{}
		select {}
	}}
}

// TestChildProcess is not a test of its own: it is the process that others kill.
func TestChildProcess(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("only for other tests")
	}
	started := make(chan struct{})
	task := victim(started)
	h := openTasks(t, dir, pulp.Config{Parts: []pulp.Part{task}})
	h.run()
	r, q := pulp.Exclusive(pulp.Name("r")), pulp.Exclusive(pulp.Name("q"))
	for _, reservation := range []pulp.Reservation{r, q} {
		dispatch(h, task, "running", reservation)
		receive(t, started)
		dispatch(h, task, "blocked", reservation)
	}
	require.Eventually(t, func() bool { return h.count("SELECT count(*) FROM progress_report") == 2 }, patience, tick)
	var last pulp.ID
	require.NoError(t, h.DB().Reader().DB.QueryRow("SELECT pulp_id FROM task WHERE id = 3").Scan(&last))
	require.NoError(t, h.Cancel(t.Context(), last))
	_, _ = os.Stdout.WriteString("ready\n")
	select {}
}

func TestTasksOfAKilledProcessAreEndedByTheNextOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestChildProcess$")
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()

	h := openTasks(t, dir, pulp.Config{Parts: []pulp.Part{victim(nil)}})
	states := func(name string) (n int) {
		return h.count("SELECT count(*) FROM task WHERE state = ?", name)
	}
	require.Equal(t, 1, states("failed"))
	require.Equal(t, 1, states("canceled"), "the one that was being canceled")
	require.Equal(t, 2, states("waiting"))
	require.Equal(t, 1, h.count(`SELECT count(*) FROM task WHERE error = '{"reason":"Worker has gone missing."}'`))
	require.Equal(t, 2, h.count("SELECT count(*) FROM goqite"), "those who waited for them are ready")
	require.Equal(t, 1, h.count("SELECT count(*) FROM progress_report WHERE state = 'failed'"))
	require.Equal(t, 1, h.count("SELECT count(*) FROM progress_report WHERE state = 'canceled'"))
	require.Zero(t, h.count("SELECT count(*) FROM worker"))
	left, err := filepath.Glob(filepath.Join(dir, "tasks", "*"))
	require.NoError(t, err)
	require.Empty(t, left)

	require.NoError(t, h.Close())
	h = openTasks(t, dir, pulp.Config{Parts: []pulp.Part{victim(nil)}}) // opening twice changes nothing
	require.Equal(t, 2, h.count("SELECT count(*) FROM goqite"))
	h.run()
	require.Eventually(t, func() bool { return states("completed") == 2 }, patience, tick)
	require.Zero(t, h.count("SELECT count(*) FROM reservation"))
}

package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/sqlite"
)

// child is what this binary does when a test has started it as another process.
func child(role string) int {
	dir := os.Getenv("PULP_TEST_DIR")
	err := fmt.Errorf("unknown role %s", role)
	switch role {
	case "hold":
		err = holdDir(dir)
	case "write":
		err = writeForEver(dir)
	case "share":
		err = writeShared(dir, "child")
	case "full":
		err = fillDisk(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A process is a child that a test talks to.
type process struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t *testing.T, role, dir string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PULP_TEST_CHILD="+role, "PULP_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &process{cmd, in, bufio.NewScanner(out)}
}

// line returns the child's next line, "" at its end.
func (p *process) line() string {
	p.out.Scan()
	return p.out.Text()
}

func holdDir(dir string) error {
	db, err := sqlite.Open(dir)
	if err != nil {
		return err
	}
	defer db.Close()
	fmt.Println("open")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func TestAnotherProcessIsRefusedUntilTheFirstIsGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := start(t, "hold", dir)
	require.Equal(t, "open", other.line())
	_, err := sqlite.Open(dir)
	require.ErrorIs(t, err, sqlite.ErrLocked)
	require.ErrorContains(t, err, "process "+strconv.Itoa(other.Process.Pid))
	require.NoError(t, other.Process.Kill())
	require.Error(t, other.Wait())
	open(t, dir)
}

// writeForEver prints the name of each row once its commit has returned.
func writeForEver(dir string) error {
	db, err := sqlite.Open(dir)
	if err != nil {
		return err
	}
	for caller := range 8 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%d/%d", caller, i)
				if add(context.Background(), db, name) == nil {
					_, _ = os.Stdout.WriteString(name + "\n") // one write, so that lines stay whole
				}
			}
		}()
	}
	select {}
}

func TestEveryAcknowledgedRowSurvivesAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, open(t, dir).Close())
	for round := range scale(1, 2, 20) {
		writer := start(t, "write", dir)
		var acknowledged []string
		for range 300 {
			acknowledged = append(acknowledged, writer.line())
		}
		require.NoError(t, writer.Process.Kill())
		for writer.out.Scan() { // what it said before it died counts, too
			acknowledged = append(acknowledged, writer.out.Text())
		}
		require.Error(t, writer.Wait())

		db := open(t, dir)
		require.Subset(t, names(t, db), acknowledged, "round %d", round)
		_, err := db.Writer().Exec(`DELETE FROM item`)
		require.NoError(t, err)
		require.NoError(t, db.Close())
	}
}

// rowsEach is how many rows each process writes to the shared file.
func rowsEach() int { return scale(200, 1000, 50000) }

// writeShared writes rows with a few callers, and says so when it begins and ends.
func writeShared(dir, who string) error {
	db, err := sqlite.Open(dir, sqlite.Shared())
	if err != nil {
		return err
	}
	defer db.Close()
	fmt.Println("open")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	n, err := strconv.Atoi(os.Getenv("PULP_TEST_ROWS"))
	if err != nil {
		return err
	}
	return writeRows(db, who, n)
}

func writeRows(db *sqlite.DB, who string, n int) error {
	const callers = 4
	errs := make(chan error, callers)
	for c := range callers {
		go func() {
			for i := range n / callers {
				if err := add(context.Background(), db, fmt.Sprintf("%s/%d/%d", who, c, i)); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range callers {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

func TestProcessesThatShareAFileTakeTurns(t *testing.T) {
	n := rowsEach()
	t.Setenv("PULP_TEST_ROWS", strconv.Itoa(n))
	db := open(t, "", sqlite.Shared())
	other := start(t, "share", db.Dir())
	require.Equal(t, "open", other.line())

	var both sync.WaitGroup
	both.Go(func() {
		if err := writeRows(db, "parent", n); err != nil {
			t.Error(err)
		}
	})
	_, err := io.WriteString(other.in, "go\n")
	require.NoError(t, err)
	require.NoError(t, other.Wait())
	both.Wait()

	var order []string
	require.NoError(t, db.Reader().NewSelect().Table("item").Column("name").Order("id").Scan(t.Context(), &order))
	require.Len(t, order, 2*n, "all rows are there")
	writing, switches := "", 0
	for _, name := range order {
		if who, _, _ := strings.Cut(name, "/"); who != writing {
			writing = who
			switches++
		}
	}
	require.Greater(t, switches, n/20, "the writers alternate; without manners they would do so 15 times in 1000 rows")
}

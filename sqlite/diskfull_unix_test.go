//go:build unix

package sqlite_test

import (
	"errors"
	"fmt"
	"os/signal"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"golang.org/x/sys/unix"

	"github.com/gopulp/pulp/sqlite"
)

// fillDisk has a commit fail: the rows fit into memory, the log does not fit onto the disk,
// because this process may not make files larger than they are.
func fillDisk(dir string) error {
	signal.Ignore(unix.SIGXFSZ)
	db, err := sqlite.Open(dir)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Writer().Exec(`CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT UNIQUE)`); err != nil {
		return err
	}
	var usual unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &usual); err != nil {
		return err
	}
	small := usual
	small.Cur = 1
	var commit error
	err = inTx(db, func(tx bun.Tx) error {
		if _, err := tx.Exec(insert, strings.Repeat("x", 100_000)); err != nil {
			return fmt.Errorf("the insert failed already: %w", err)
		}
		return unix.Setrlimit(unix.RLIMIT_FSIZE, &small)
	})
	if commit = err; !errors.Is(commit, sqlite.ErrBatchLost) {
		return fmt.Errorf("commit on a full disk: %w", commit)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &usual); err != nil {
		return err
	}
	if _, err := db.Writer().Exec(insert, "later"); err != nil {
		return fmt.Errorf("commit when there is room again: %w", err)
	}
	fmt.Println(commit)
	return nil
}

// Rule (b).
func TestCommitThatFailsIsAnErrorForTheBatchAndTheEngineGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := start(t, "full", dir)
	said := other.line()
	require.NoError(t, other.Wait())
	require.Contains(t, said, "batch with this transaction was rolled back")
	require.Equal(t, []string{"later"}, names(t, open(t, dir)))
}

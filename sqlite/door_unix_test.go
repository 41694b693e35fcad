//go:build unix

package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gopulp/pulp/sqlite"
)

func TestProcessThatWasStoppedAtTheDoorKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one := open(t, dir, sqlite.Shared())
	other := open(t, dir, sqlite.Shared(), sqlite.BusyTimeout(50*time.Millisecond))
	door, err := os.OpenFile(filepath.Join(dir, "pulp.wait"), os.O_RDWR, 0)
	require.NoError(t, err)
	defer door.Close()
	require.NoError(t, unix.Flock(int(door.Fd()), unix.LOCK_EX)) // as a third process has it for an instant

	tx, err := one.Writer().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = other.Writer().BeginTx(t.Context(), nil)
	require.ErrorIs(t, err, sqlite.ErrBusy)
	require.NoError(t, tx.Commit())
	_, err = other.Writer().Exec(insert, "a")
	require.NoError(t, err)
}

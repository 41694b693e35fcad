//go:build unix

package sqlite_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A program that starts processes has every file open twice for a moment, as here.
func TestDirectoryIsFreeAfterCloseThoughAProcessIsBeingStarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	second, err := unix.Dup(int(db.LockFile().Fd()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Close(second)) })
	require.NoError(t, db.Close())
	open(t, dir)
}

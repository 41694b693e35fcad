package oslock_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/internal/oslock"
)

func TestLocksExcludeEachOther(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "lock")
	var files [3]*os.File
	for i := range files {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		files[i] = f
	}
	require.NoError(t, oslock.Try(files[0], false))
	require.NoError(t, oslock.Try(files[1], false), "shared with others who share")
	require.ErrorIs(t, oslock.Try(files[2], true), oslock.ErrHeld)
	require.NoError(t, oslock.Unlock(files[0]))

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := oslock.Wait(ctx, files[2], true)
	require.ErrorIs(t, err, oslock.ErrHeld)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	waited := make(chan error, 1)
	go func() { waited <- oslock.Wait(t.Context(), files[2], true) }()
	require.NoError(t, files[1].Close(), "which unlocks it, as the end of a process does")
	require.NoError(t, <-waited)
	require.ErrorIs(t, oslock.Try(files[0], false), oslock.ErrHeld)
}

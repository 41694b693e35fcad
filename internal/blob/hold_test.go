package blob_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/internal/blob"
)

// One process stores bytes that are there since long, while another one removes what is old.
func TestBytesThatAProcessStoredAreNotRemovedByAnother(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var stores [2]*blob.Store
	for i := range stores {
		s, err := blob.OpenShared(dir)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		stores[i] = s
	}
	first := write(t, stores[0], "bytes")
	sums, err := first.Commit()
	require.NoError(t, err)
	sum := sums.SHA256
	rounds := 1000
	if testing.Short() {
		rounds = 100
	}
	old := time.Now().Add(-time.Hour)
	for range rounds {
		w := write(t, stores[0], "bytes")
		require.NoError(t, w.Close())
		if err := os.Chtimes(filepath.Join(dir, "artifact", sum[:2], sum[2:]), old, old); err != nil {
			require.ErrorIs(t, err, os.ErrNotExist)
		}
		var both sync.WaitGroup
		both.Go(func() {
			if _, err := stores[1].RemoveBefore(sum, time.Now().Add(-time.Minute)); err != nil {
				t.Error(err)
			}
		})
		_, err := w.Commit()
		both.Wait()
		require.NoError(t, err)
		require.Equal(t, "bytes", read(t, stores[0], sum))
	}
}

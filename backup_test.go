package pulp_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

// While clients upload, a copy is made, opened and read whole: it has all that was there when
// it was begun.
func TestBackupUnderLoadIsWhole(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t, object{"autopublish": true})
	s.distribute(t, "d", object{"repository": repo.Href()})
	s.modify(t, repo, object{"add_content_units": []string{s.unit(t, "first", "bytes of first")}})

	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for client := range 3 {
		load.Go(func() {
			for i := 0; ctx.Err() == nil && i < 100; i++ {
				path := fmt.Sprintf("%d/%d", client, i)
				a, err := s.Try("POST", fileContent+"upload/", pulptest.Form{"relative_path": path, "file": []byte("bytes of " + path)})
				// 404: it was an orphan, and gone before the answer was written.
				if err != nil || a.Code != 201 && a.Code != 404 {
					t.Errorf("upload: %v %v", a, err)
					return
				}
				s.Try("POST", "orphans/cleanup/", object{"orphan_protection_time": 0})
			}
		})
	}
	dir := t.TempDir()
	rounds := 5
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		b, err := s.Backup(t.Context(), dir)
		require.NoError(t, err)
		require.NotZero(t, b.Files)
		copied := newFiles(t, pulptest.Dir(dir))
		v, err := copied.Verify(t.Context())
		require.NoError(t, err, "round %d", round)
		require.NotZero(t, v.Files)
		require.Equal(t, "bytes of first", string(copied.Content(t, "d/first").Body))
		copied.Stop()
	}
	stop()
	load.Wait()
	b, err := s.Backup(t.Context(), dir)
	require.NoError(t, err)
	again, err := s.Backup(t.Context(), dir)
	require.NoError(t, err)
	require.Equal(t, b.Files, again.Files)
	require.Zero(t, again.Copied, "it has them all")
}

func TestBackupLeavesOutWhatIsDamaged(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	s.unit(t, "a", "bytes of a")
	s.unit(t, "b", "bytes of b")
	damaged := s.blobs(t)[0]
	require.NoError(t, os.Chmod(damaged, 0o600))
	require.NoError(t, os.WriteFile(damaged, []byte("bytes of x"), 0o600))
	v, err := s.Verify(t.Context())
	require.ErrorContains(t, err, "of 2 files, 0 are missing and 1 are damaged")
	require.Len(t, v.Damaged, 1)
	dir := t.TempDir()
	b, err := s.Backup(t.Context(), dir)
	require.ErrorContains(t, err, v.Damaged[0])
	require.Equal(t, []int64{2, 1}, []int64{b.Files, b.Copied})
	copied := newFiles(t, pulptest.Dir(dir))
	v, err = copied.Verify(t.Context())
	require.ErrorContains(t, err, "of 2 files, 1 are missing and 0 are damaged")
	require.Equal(t, b.Damaged, v.Missing)
}

func TestBackupIntoTheDataDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	_, err := s.Backup(t.Context(), s.Dir)
	require.ErrorContains(t, err, "that is the data directory itself")
}

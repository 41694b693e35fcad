package blob_test

import (
	"fmt"
	"github.com/gopulp/pulp/internal/blob"
	"github.com/stretchr/testify/require"
	"sync"
	"testing"
)

func TestTheSameBytesAtTheSameTimeAreOneBlob(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	var all sync.WaitGroup
	errs := make([]error, 32)
	for i := range errs {
		w := write(t, s, "same")
		all.Go(func() { _, errs[i] = w.Commit() })
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, 1, blobs(t, s))
	require.Zero(t, temps(t, dir))
}

func TestABatchIsCommittedAsItsBlobsWouldBe(t *testing.T) {
	t.Parallel()
	for _, count := range []int{0, 1, 5, 100} {
		for name, prepare := range map[string]func(*blob.Store){"as usual": func(*blob.Store) {}, "one by one": blob.SyncOneByOne} {
			dir := t.TempDir()
			s := open(t, dir)
			prepare(s)
			var ws []*blob.Writer
			for i := range count {
				ws = append(ws, write(t, s, fmt.Sprint(i)), write(t, s, fmt.Sprint(i)))
			}
			require.NoError(t, s.CommitAll(t.Context(), ws), name)
			require.NoError(t, s.CommitAll(t.Context(), ws), name)
			require.Equal(t, count, blobs(t, s))
			require.Zero(t, temps(t, dir))
			for i := range count {
				require.NoError(t, s.Verify(t.Context(), sum(fmt.Sprint(i))))
			}
		}
	}
}

func TestABatchWithAFailureCommitsTheOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	var ws []*blob.Writer
	for i := range 20 {
		ws = append(ws, write(t, s, fmt.Sprint(i)))
	}
	require.NoError(t, blob.BreakFile(ws[7]))
	require.NoError(t, ws[8].Abort())
	require.ErrorContains(t, s.CommitAll(t.Context(), ws), "bad file descriptor")
	for _, w := range ws {
		require.NoError(t, w.Abort())
	}
	require.Equal(t, 18, blobs(t, s))
	require.Zero(t, temps(t, dir))
}

func TestBatchesFromManyGoroutines(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	var all sync.WaitGroup
	errs := make([]error, 8)
	for g := range errs {
		var ws []*blob.Writer
		for i := range 40 {
			ws = append(ws, write(t, s, fmt.Sprint(g/2, i)))
		}
		all.Go(func() { errs[g] = s.CommitAll(t.Context(), ws) })
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, 160, blobs(t, s))
}

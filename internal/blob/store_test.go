package blob_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gopulp/pulp/internal/blob"
	"github.com/stretchr/testify/require"
)

func open(t testing.TB, dir string) *blob.Store {
	t.Helper()
	s, err := blob.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func write(t testing.TB, s *blob.Store, data string) *blob.Writer {
	t.Helper()
	w, err := s.Create(t.Context(), blob.Default)
	require.NoError(t, err)
	n, err := io.WriteString(w, data)
	require.NoError(t, err)
	require.Equal(t, len(data), n)
	return w
}

func read(t testing.TB, s *blob.Store, sum string) string {
	t.Helper()
	f, err := s.Open(sum)
	require.NoError(t, err)
	defer f.Close()
	data, err := io.ReadAll(f)
	require.NoError(t, err)
	return string(data)
}

func sum(data string) string {
	s := sha256.Sum256([]byte(data))
	return hex.EncodeToString(s[:])
}

// temps counts the files in tmp.
func temps(t testing.TB, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "tmp"))
	require.NoError(t, err)
	return len(entries)
}

// blobs counts what Walk finds.
func blobs(t testing.TB, s *blob.Store) (n int) {
	t.Helper()
	for _, err := range s.Walk(t.Context()) {
		require.NoError(t, err)
		n++
	}
	return n
}

func TestADamagedBlobOfAnotherSizeIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	sums, err := write(t, s, "good").Commit()
	require.NoError(t, err)
	on := filepath.Join(dir, "artifact", sums.SHA256[:2], sums.SHA256[2:])
	require.NoError(t, os.WriteFile(on, []byte("bad"), 0o600))
	require.ErrorIs(t, s.Verify(t.Context(), sums.SHA256), blob.ErrCorrupt)
	_, err = write(t, s, "good").Commit()
	require.NoError(t, err)
	require.NoError(t, s.Verify(t.Context(), sums.SHA256))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Verify(ctx, sums.SHA256), context.Canceled)
}

func TestOnlyDigestsAreNames(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	for _, name := range []string{"", "..", "../../etc/passwd", strings.Repeat("A", 64), strings.Repeat("a", 63), strings.Repeat("a", 65), strings.Repeat("/", 64)} {
		_, err := s.Open(name)
		require.ErrorIs(t, err, fs.ErrInvalid)
		_, err = s.Stat(name)
		require.ErrorIs(t, err, fs.ErrInvalid)
		require.ErrorIs(t, s.Remove(name), fs.ErrInvalid)
		require.ErrorIs(t, s.Verify(t.Context(), name), fs.ErrInvalid)
	}
	_, err := s.Open(sum("nothing"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorIs(t, s.Remove(sum("nothing")), fs.ErrNotExist)
}

func TestALinkInTheStoreLeadsNowhere(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege there")
	}
	dir, outside := t.TempDir(), t.TempDir()
	s := open(t, dir)
	secret := filepath.Join(outside, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	name := sum("secret")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "artifact", name[:2]), 0o700))
	require.NoError(t, os.Symlink(secret, filepath.Join(dir, "artifact", name[:2], name[2:])))
	_, err := s.Open(name)
	require.Error(t, err)
}

func TestOpenSweepsWhatACrashLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, dir)
	sums, err := write(t, first, "kept").Commit()
	require.NoError(t, err)
	lost := write(t, first, "lost")
	require.NoError(t, lost.Close())
	require.Equal(t, 1, temps(t, dir))

	shared, err := blob.OpenShared(dir)
	require.NoError(t, err)
	require.NoError(t, shared.Close())
	require.Equal(t, 1, temps(t, dir), "the file of a living process was swept")

	second := open(t, dir)
	require.Zero(t, temps(t, dir))
	require.Equal(t, "kept", read(t, second, sums.SHA256))
	_, err = lost.Commit()
	require.Error(t, err)
	require.Equal(t, 1, blobs(t, second))
}

func TestWalkFindsEachBlobAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	want := map[string]int64{}
	for i := range 300 {
		sums, err := write(t, s, strings.Repeat("x", i)).Commit()
		require.NoError(t, err)
		want[sums.SHA256] = sums.Size
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "artifact", "00"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "artifact", "00", "stray"), nil, 0o600))
	got := map[string]int64{}
	for info, err := range s.Walk(t.Context()) {
		require.NoError(t, err)
		require.NotContains(t, got, info.SHA256)
		got[info.SHA256] = info.Size
	}
	require.Equal(t, want, got)
	for range s.Walk(t.Context()) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.Walk(ctx) {
		require.ErrorIs(t, err, context.Canceled)
	}
}

func TestABlobCommittedAgainOutlivesTheSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	sums, err := write(t, s, "x").Commit()
	require.NoError(t, err)
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "artifact", sums.SHA256[:2], sums.SHA256[2:]), old, old))
	_, err = write(t, s, "x").Commit()
	require.NoError(t, err)

	gone, err := s.RemoveBefore(sums.SHA256, time.Now().Add(-time.Minute))
	require.NoError(t, err)
	require.False(t, gone)
	gone, err = s.RemoveBefore(sums.SHA256, time.Now().Add(time.Minute))
	require.NoError(t, err)
	require.True(t, gone)
	gone, err = s.RemoveBefore(sums.SHA256, time.Now().Add(time.Minute))
	require.NoError(t, err)
	require.False(t, gone)
	_, err = s.RemoveBefore("bad", time.Now())
	require.ErrorIs(t, err, fs.ErrInvalid)
}

func TestUsageAddsUp(t *testing.T) {
	t.Parallel()
	total, used, free, err := open(t, t.TempDir()).Usage()
	require.NoError(t, err)
	require.Positive(t, total)
	require.Positive(t, free)
	require.LessOrEqual(t, used+free, total)
}

package blob_test

import (
	"bytes"
	"context"
	"github.com/gopulp/pulp/internal/blob"
	"github.com/stretchr/testify/require"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestACommittedBlobLiesUnderItsDigest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	w := write(t, s, "hello")
	require.EqualValues(t, 5, w.Size())
	_, err := s.Stat(sum("hello"))
	require.ErrorIs(t, err, fs.ErrNotExist, "visible before the commit")

	sums, err := w.Commit()
	require.NoError(t, err)
	require.Equal(t, sum("hello"), sums.SHA256)
	require.EqualValues(t, 5, sums.Size)
	on := filepath.Join(dir, "artifact", sums.SHA256[:2], sums.SHA256[2:])
	data, err := os.ReadFile(on)
	require.NoError(t, err)
	require.Equal(t, "hello", string(data))
	require.Zero(t, temps(t, dir))

	again, err := w.Commit()
	require.NoError(t, err)
	require.Equal(t, sums, again)
	require.NoError(t, w.Abort())
	require.Equal(t, "hello", read(t, s, sums.SHA256), "an abort after the commit removed the blob")
	require.NoError(t, s.Verify(t.Context(), sums.SHA256))
}

func TestEverySizeIsStoredAndHashed(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	const chunk = 256 << 10
	for _, size := range []int{0, 1, chunk - 1, chunk, chunk + 1, 5*chunk + 17} {
		data := strings.Repeat("0123456789abcdef!", size/17+1)[:size]
		for _, piece := range []int{1000, chunk + 3, 8 << 20} {
			w, err := s.Create(t.Context(), blob.Default|blob.MD5|blob.SHA1)
			require.NoError(t, err)
			for rest := data; rest != ""; {
				n := min(piece, len(rest))
				_, err := io.WriteString(w, rest[:n])
				require.NoError(t, err)
				rest = rest[n:]
			}
			require.EqualValues(t, size, w.Size())
			sums, err := w.Commit()
			require.NoError(t, err)
			require.Equal(t, sum(data), sums.SHA256)
			require.Equal(t, data, read(t, s, sums.SHA256))
		}
	}
}

func TestAnUncommittedBlobCanBeInspected(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	w := write(t, s, "look at me")
	f, err := w.Open()
	require.NoError(t, err)
	part := make([]byte, 2)
	_, err = f.ReadAt(part, 5)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Equal(t, "at", string(part))
	_, err = w.Write([]byte("more"))
	require.ErrorIs(t, err, os.ErrClosed)
	require.Zero(t, blobs(t, s))
	_, err = w.Commit()
	require.NoError(t, err)
	f, err = w.Open()
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestAnAbortLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for _, prepare := range []func(w *blob.Writer){func(*blob.Writer) {}, func(w *blob.Writer) { require.NoError(t, w.Close()) }} {
		w := write(t, s, strings.Repeat("x", 1<<20))
		prepare(w)
		require.NoError(t, w.Abort())
		require.NoError(t, w.Abort())
		_, err := w.Commit()
		require.ErrorContains(t, err, "aborted")
		_, err = w.Write([]byte("x"))
		require.Error(t, err)
		_, err = w.Open()
		require.Error(t, err)
		require.Zero(t, w.Sums())
	}
	require.Zero(t, temps(t, dir))
	require.Zero(t, blobs(t, s))
}

func TestAFailedWriteIsReportedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for _, size := range []int{10, 1 << 20} {
		w, err := s.Create(t.Context(), blob.Default)
		require.NoError(t, err)
		require.NoError(t, blob.BreakFile(w))
		n, err := w.Write(make([]byte, size)) // a small one stays in memory until the commit
		if err != nil {
			require.Less(t, n, size)
		}
		_, err = w.Commit()
		require.ErrorContains(t, err, "bad file descriptor")
		_, again := w.Commit()
		require.Error(t, again)
		require.NoError(t, w.Abort())
	}
	require.Zero(t, temps(t, dir))
	require.Zero(t, blobs(t, s))
}

func TestWritingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	w, err := s.Create(ctx, blob.Default)
	require.NoError(t, err)
	cancel()
	_, err = w.Write(make([]byte, 1<<20))
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Create(ctx, blob.Default)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.CommitAll(ctx, nil), context.Canceled)
	require.Zero(t, temps(t, dir))
}

func TestSetsAndNames(t *testing.T) {
	t.Parallel()
	set, err := blob.ParseSet("md5", "sha512")
	require.NoError(t, err)
	require.Equal(t, "md5,sha256,sha512", set.String())
	_, err = blob.ParseSet("SHA1")
	require.ErrorContains(t, err, `"SHA1"`)
	require.True(t, blob.Set(0).Has(blob.SHA256))
	require.False(t, blob.Default.Has(blob.MD5))

	sums, err := blob.Sum(bytes.NewReader(nil), blob.Default)
	require.NoError(t, err)
	require.Equal(t, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", sums.SHA256)
	require.Equal(t, sums.SHA512, sums.Digest("sha512"))
	require.Len(t, sums.SHA224, 56)
	require.Len(t, sums.SHA384, 96)
	require.Empty(t, sums.Digest("md5"))
	require.Empty(t, sums.Digest("crc"))
}

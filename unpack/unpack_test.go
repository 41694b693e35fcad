package unpack_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/unpack"
)

func gzipped(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func zstandard(t testing.TB, text string, opts ...zstd.EOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, opts...)
	require.NoError(t, err)
	_, err = io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func decoded(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	return b
}

// What xz and bzip2 make of "hello\n"; and of the same xz with a dictionary of 4 GiB.
const (
	xzHello    = "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAFaGVsbG8KAAAApWCX8ZT2/eAAAR4GwS+kHR+2830BAAAAAARZWg=="
	xzHuge     = "/Td6WFoAAATm1rRGAgAhASgAAADmoBGzAQAFaGVsbG8KAAAApWCX8ZT2/eAAAR4GwS+kHR+2830BAAAAAARZWg=="
	bzip2Hello = "QlpoOTFBWSZTWcHAgOIAAAFBAAAQAkSgADDNAMNGKZcXckU4UJDBwIDi"
)

func files(t testing.TB) map[string][]byte {
	return map[string][]byte{"": []byte("hello\n"), ".gz": gzipped(t, "hello\n"), ".zst": zstandard(t, "hello\n"), ".xz": decoded(t, xzHello), ".bz2": decoded(t, bzip2Hello)}
}

func read(data []byte, ending string, limit int64) (string, error) {
	r, err := unpack.NewReader(bytes.NewReader(data), ending, limit)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), err
}

func TestEveryCompressionIsReadWithinItsLimit(t *testing.T) {
	t.Parallel()
	all := files(t)
	require.Len(t, all, len(unpack.Endings()))
	for _, ending := range unpack.Endings() {
		text, err := read(all[ending], ending, 6)
		require.NoError(t, err, ending)
		require.Equal(t, "hello\n", text, ending)
		_, err = read(all[ending], ending, 5)
		require.ErrorContains(t, err, "more than the 5 bytes", ending)
		if ending != "" {
			_, err = read(all[ending][:len(all[ending])-3], ending, 6)
			require.Error(t, err, "%s: cut off", ending)
		}
	}
	_, err := read(nil, ".lzma", 6)
	require.ErrorContains(t, err, `".lzma" is not known`)
}

func TestFilesThatNeedMuchMemoryAreRefused(t *testing.T) {
	t.Parallel()
	_, err := read(decoded(t, xzHuge), ".xz", 6)
	require.ErrorContains(t, err, "dictionary size exceeds max")
	_, err = read(zstandard(t, strings.Repeat("hello", 1<<20), zstd.WithWindowSize(512<<20), zstd.WithSingleSegment(false)), ".zst", 1<<30)
	require.ErrorContains(t, err, "window")
}

func tarred(t testing.TB, entries ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		h.Mode = 0o644
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(h.Uname))
		}
		text := h.Uname
		h.Uname = ""
		require.NoError(t, w.WriteHeader(h))
		if h.Typeflag == tar.TypeReg {
			_, err := io.WriteString(w, text)
			require.NoError(t, err)
		}
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestOnlyRegularFilesOfTarFilesAreWanted(t *testing.T) {
	t.Parallel()
	link := &tar.Header{Name: "d/x", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}
	dir := &tar.Header{Name: "./d/x/", Typeflag: tar.TypeDir}
	_, err := wanted.FromTar(bytes.NewReader(tarred(t, link, dir)), "")
	require.ErrorContains(t, err, "there are 0 of the file")
	text, err := wanted.FromTar(bytes.NewReader(tarred(t, link, &tar.Header{Name: "./d/x", Typeflag: tar.TypeReg, Uname: "of x"})), "")
	require.NoError(t, err)
	require.Equal(t, "of x", string(text))
}

func FuzzNewReader(f *testing.F) {
	for ending, data := range files(f) {
		f.Add(ending, data)
	}
	f.Fuzz(func(t *testing.T, ending string, data []byte) {
		text, _ := read(data, ending, 1<<16)
		require.LessOrEqual(t, len(text), 1<<16)
	})
}

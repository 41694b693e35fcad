package unpack_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/unpack"
)

// wanted is a file "d/x" of at most 10 bytes in an archive of at most 2000.
var wanted = unpack.Wanted{Match: func(name string) bool { return name == "d/x" }, File: 10, All: 4000}

// archives makes a tar.gz and a zip of the same files.
func archives(t testing.TB, files ...string) (tarFile, zipFile []byte) {
	t.Helper()
	var plain, zipped bytes.Buffer
	tw, zw := tar.NewWriter(&plain), zip.NewWriter(&zipped)
	for i := 0; i < len(files); i += 2 {
		require.NoError(t, tw.WriteHeader(&tar.Header{Name: files[i], Mode: 0o600, Size: int64(len(files[i+1]))}))
		_, err := tw.Write([]byte(files[i+1]))
		require.NoError(t, err)
		w, err := zw.Create(files[i])
		require.NoError(t, err)
		_, err = w.Write([]byte(files[i+1]))
		require.NoError(t, err)
	}
	require.NoError(t, tw.Close())
	require.NoError(t, zw.Close())
	return gzipped(t, plain.String()), zipped.Bytes()
}

func TestTheWantedFileIsFoundWithinLimits(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 5000)
	for name, c := range map[string]struct {
		files []string
		want  string // an error, unless it is the file
	}{
		"found":     {[]string{"a", "b", "d/x", "hello"}, "hello"},
		"none":      {[]string{"a", "b"}, "there are 0 of the file"},
		"two":       {[]string{"d/x", "a", "d/x", "b"}, "there are 2 of the file"},
		"long":      {[]string{"d/x", "hello hello"}, "more than the 10 bytes"},
		"bomb":      {[]string{"d/x", "hello", "y", large}, "more than the 4000 bytes"},
		"traversal": {[]string{"d/x", "hello", "a/../../y", "y"}, "leads out"},
		"absolute":  {[]string{"d/x", "hello", "/y", "y"}, "leads out"},
		"windows":   {[]string{"d/x", "hello", `a\y`, "y"}, "leads out"},
		"drive":     {[]string{"d/x", "hello", "c:y", "y"}, "leads out"},
	} {
		tarFile, zipFile := archives(t, c.files...)
		fromTar, tarErr := wanted.FromTar(bytes.NewReader(tarFile), ".gz")
		fromZip, zipErr := wanted.FromZip(bytes.NewReader(zipFile), int64(len(zipFile)))
		if name == "found" {
			require.NoError(t, tarErr)
			require.NoError(t, zipErr)
			require.Equal(t, c.want, string(fromTar))
			require.Equal(t, c.want, string(fromZip))
			continue
		}
		require.ErrorContains(t, tarErr, c.want, name)
		require.ErrorContains(t, zipErr, c.want, name)
	}
}

func TestADamagedArchiveIsAnError(t *testing.T) {
	t.Parallel()
	tarFile, zipFile := archives(t, "d/x", "hello", "y", "y")
	_, err := wanted.FromTar(bytes.NewReader(tarFile[:len(tarFile)-4]), ".gz")
	require.Error(t, err, "the checksum is at the end")
	_, err = wanted.FromZip(bytes.NewReader(zipFile[:len(zipFile)-4]), int64(len(zipFile)-4))
	require.Error(t, err)
	at := bytes.Index(zipFile, []byte("PK\x01\x02")) // a directory that says less than there is
	binary.LittleEndian.PutUint32(zipFile[at+24:], 2)
	_, err = wanted.FromZip(bytes.NewReader(zipFile), int64(len(zipFile)))
	require.Error(t, err)
}

func FuzzWanted(f *testing.F) {
	tarFile, zipFile := archives(f, "d/x", "hello", "y", "y")
	f.Add(tarFile)
	f.Add(zipFile)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, ending := range []string{"", ".gz"} {
			if text, err := wanted.FromTar(bytes.NewReader(data), ending); err == nil {
				require.LessOrEqual(t, len(text), 10)
			}
		}
		if text, err := wanted.FromZip(bytes.NewReader(data), int64(len(data))); err == nil {
			require.LessOrEqual(t, len(text), 10)
		}
	})
}

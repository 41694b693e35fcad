package fetch_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/gopulp/pulp/internal/fetch"
	"github.com/stretchr/testify/require"
)

func TestFilesComeOnlyFromBelowAnImportPath(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the links and paths of this test are those of Unix")
	}
	inside, outside := t.TempDir(), t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(inside, "dir"), 0o700))
	for _, name := range []string{inside + "/a b", inside + "/dir/file", outside + "/secret"} {
		require.NoError(t, os.WriteFile(name, []byte(body), 0o600))
	}
	for from, to := range map[string]string{"abs": outside + "/secret", "rel": "../" + filepath.Base(outside) + "/secret", "dirlink": outside, "good": "dir/file"} {
		require.NoError(t, os.Symlink(to, filepath.Join(inside, from)))
	}
	c := client(t, fetch.Config{MaxRetries: 3, ImportPaths: []string{"/nonexistent", inside}})
	for _, path := range []string{"/a%20b", "/dir/file", "/good"} {
		got, res, err := get(t, c, right("file://"+inside+path))
		require.NoError(t, err)
		require.Equal(t, body, got)
		require.Equal(t, "15", res.Header.Get("Content-Length"))
		require.NotEmpty(t, res.Header.Get("Last-Modified"))
	}
	for path, kind := range map[string]error{
		outside + "/secret":          fetch.ErrDenied,
		inside + "/../x":             fetch.ErrDenied,
		inside + "/%2e%2e/x":         fetch.ErrDenied,
		inside + "/abs":              fetch.ErrFile,
		inside + "/rel":              fetch.ErrFile,
		inside + "/dirlink/secret":   fetch.ErrFile,
		inside + "/dir":              fetch.ErrFile,
		inside + "/dir/file/further": fetch.ErrFile,
		inside:                       fetch.ErrFile,
		"/nonexistent/x":             fetch.ErrFile,
		inside + "/missing":          fs.ErrNotExist,
	} {
		_, _, err := get(t, c, right("file://"+path))
		require.ErrorIs(t, err, kind, path)
		require.NotContains(t, err.Error(), "tried")
	}
	_, _, err := get(t, client(t, fetch.Config{}), right("file://"+inside+"/dir/file"))
	require.ErrorIs(t, err, fetch.ErrDenied, "without import paths there are no files")

	wrong := right("file://" + inside + "/dir/file")
	wrong.Digests["sha256"] = hex256("other")
	_, _, err = get(t, c, wrong)
	require.ErrorIs(t, err, fetch.ErrDigest)
}

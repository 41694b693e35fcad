package main_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// upload makes a unit of a file and returns the status.
func (p *process) upload(path, body string) (int, error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", "f")
	if err != nil {
		return 0, err
	}
	fmt.Fprint(part, body)
	if err := w.WriteField("relative_path", path); err != nil {
		return 0, err
	}
	w.Close()
	req, err := http.NewRequestWithContext(p.t.Context(), "POST", p.base+"/pulp/api/v3/content/file/files/upload/", &form)
	if err != nil {
		return 0, err
	}
	req.SetBasicAuth("admin", p.password)
	req.Header.Set("Content-Type", w.FormDataContentType())
	res, err := p.client.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// runs runs the program to its end and returns its exit code.
func runs(t *testing.T, args ...string) (int, string) {
	t.Helper()
	p := launch(t, nil, args...)
	code := p.code()
	return code, p.out.String() + p.log.String()
}

// blobsOf compares every file in a data directory with its name, and returns how many there are.
func blobsOf(t *testing.T, dir string) (n int) {
	t.Helper()
	root := filepath.Join(dir, "media", "artifact")
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		sum := sha256.Sum256(data)
		name, err := filepath.Rel(root, path)
		require.NoError(t, err)
		require.Equal(t, strings.ReplaceAll(filepath.ToSlash(name), "/", ""), hex.EncodeToString(sum[:]))
		n++
		return nil
	}))
	return n
}

// A server takes uploads while another process copies its directory; a server on the copy has
// all that was there before.
func TestBackupMadeUnderLoadIsRestored(t *testing.T) {
	t.Parallel()
	noSignals(t)
	dir, copied := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	p := serving(t, []string{"PULP_ADMIN_PASSWORD=secret"}, "-data", dir, "-shared")
	p.password = "secret"
	for i := range 10 {
		code, err := p.upload(fmt.Sprint("before/", i), fmt.Sprint("bytes before ", i))
		require.NoError(t, err)
		require.Equal(t, http.StatusCreated, code)
	}
	done := make(chan struct{})
	var load sync.WaitGroup
	for client := range 2 {
		load.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				if code, err := p.upload(fmt.Sprint(client, "/", i), fmt.Sprint("bytes of ", client, i)); err != nil || code != http.StatusCreated {
					t.Errorf("upload: %d %v", code, err)
					return
				}
			}
		})
	}
	for range 2 {
		code, said := runs(t, "-data", dir, "-shared", "-backup", copied)
		require.Zero(t, code, said)
		require.Regexp(t, `copy: \d+ files; \d+ of them, \d+ bytes, were new and were copied in`, said)
	}
	close(done)
	load.Wait()

	code, said := runs(t, "-verify", copied)
	require.Zero(t, code, said)
	require.Regexp(t, `copy: \d+ files; 0 are missing, 0 are damaged`, said)
	require.GreaterOrEqual(t, blobsOf(t, copied), 10)
	restored := serving(t, nil, "-data", copied)
	restored.password = "secret"
	for i := range 10 {
		require.Equal(t, 1, restored.count(fmt.Sprint("content/file/files/?relative_path=before/", i)))
	}
}

func TestVerifySaysWhatIsDamaged(t *testing.T) {
	t.Parallel()
	noSignals(t)
	dir := t.TempDir()
	p := serving(t, []string{"PULP_ADMIN_PASSWORD=secret"}, "-data", dir)
	p.password = "secret"
	code, err := p.upload("a", "bytes of a")
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, code)

	code, said := runs(t, "-verify", dir)
	require.Equal(t, 1, code)
	require.Contains(t, said, "start it with -shared")
	require.Zero(t, p.stop())

	blobs, err := filepath.Glob(filepath.Join(dir, "media", "artifact", "*", "*"))
	require.NoError(t, err)
	require.Len(t, blobs, 1)
	require.NoError(t, os.Chmod(blobs[0], 0o600))
	require.NoError(t, os.WriteFile(blobs[0], []byte("bytes of x"), 0o600))
	code, said = runs(t, "-verify", dir)
	require.Equal(t, 1, code)
	require.Contains(t, said, "1 files; 0 are missing, 1 are damaged\n  damaged: ")

	none := filepath.Join(dir, "none")
	for _, args := range [][]string{{"-verify", none}, {"-data", none, "-backup", t.TempDir()}} {
		code, said = runs(t, args...)
		require.Equal(t, 1, code)
		require.Contains(t, said, "is no data directory")
	}
	require.NoDirExists(t, none)
}

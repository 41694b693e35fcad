package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

// steps are what the output must tell, in this order.
var steps = []string{
	"1. Remote", "=> made /pulp/api/v3/remotes/file/file/",
	"2. Repository", "=> made /pulp/api/v3/repositories/file/file/",
	"3. Sync", "=> task", "=> completed   listed 40   downloaded 40   added 40",
	"4. Version", "=> version 1 holds 40 files",
	"5. Publication", "=> completed",
	"6. Distribution", "=> completed", "=> served at http://127.0.0.1:",
	"7. Download", "the sha256 is the one of the upstream's file",
	"Everything is stopped and removed",
}

func TestWholeJob(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, nil, overHTTP), out.String())
	requireSteps(t, out.String())
	require.Contains(t, out.String(), "=> running", "progress is shown while the sync runs")
	require.NoDirExists(t, dataOf(t, out.String()))
}

// The commands that the program prints do the job, exactly as they are printed.
func TestPrintedCommands(t *testing.T) {
	t.Parallel()
	pulptest.Tool(t, "sh")
	pulptest.Tool(t, "curl")
	var out bytes.Buffer
	dir := t.TempDir()
	require.NoError(t, run(t.Context(), &out, nil, func(ctx context.Context, r request) ([]byte, error) {
		return inShell(ctx, dir, r)
	}), out.String())
	requireSteps(t, out.String())
}

// inShell is a doer that gives the curl command to a shell. What fails answers with an object
// that no step takes for a success.
func inShell(ctx context.Context, dir string, r request) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", r.curl())
	cmd.Dir = dir
	text, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return nil, fmt.Errorf("%s: %w: %s", r.curl(), err, failed.Stderr)
	}
	if err == nil && r.save != "" {
		return os.ReadFile(filepath.Join(dir, r.save))
	}
	return text, err
}

func TestServeGoesOnUntilItIsStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, w, []string{"-serve"}, overHTTP)
		w.Close()
		ended <- err
	}()
	out := readUntil(t, r, regexp.MustCompile(`(?s)Serving until Ctrl-C.*login .*\n`))
	content := regexp.MustCompile(`content +(http\S+)`).FindStringSubmatch(out)
	require.NotNil(t, content, out)
	res, err := http.Get(content[1] + "PULP_MANIFEST")
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.DirExists(t, dataOf(t, out))
	cancel()
	go io.Copy(io.Discard, r)
	require.NoError(t, <-ended)
	require.NoDirExists(t, dataOf(t, out))
}

func TestFailedStepIsTold(t *testing.T) {
	t.Parallel()
	broken := func(ctx context.Context, r request) ([]byte, error) {
		if strings.HasSuffix(r.url, "/sync/") {
			r.password = "wrong"
		}
		return overHTTP(ctx, r)
	}
	var out bytes.Buffer
	err := run(t.Context(), &out, nil, broken)
	require.ErrorContains(t, err, "step 3 (Sync")
	require.ErrorContains(t, err, "401 Unauthorized")
	require.NoDirExists(t, dataOf(t, out.String()))
}

func TestWrongFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-x"}, {"serve"}} {
		require.ErrorContains(t, run(t.Context(), io.Discard, args, overHTTP), "the only flag is -serve")
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	require.Equal(t, "admin:x", quote("admin:x"))
	require.Equal(t, `'it'\''s'`, quote("it's"))
	require.Equal(t, "''", quote(""))
}

func requireSteps(t *testing.T, out string) {
	t.Helper()
	rest := out
	for _, s := range steps {
		_, after, found := strings.Cut(rest, s)
		require.True(t, found, "%q is missing, or not in its place:\n%s", s, out)
		rest = after
	}
}

func dataOf(t *testing.T, out string) string {
	t.Helper()
	found := regexp.MustCompile(`  data +(\S+)`).FindStringSubmatch(out)
	require.NotNil(t, found, out)
	return found[1]
}

func readUntil(t *testing.T, r io.Reader, end *regexp.Regexp) string {
	t.Helper()
	var text []byte
	for buf := make([]byte, 4096); !end.Match(text); {
		n, err := r.Read(buf)
		require.NoError(t, err, "%s", text)
		text = append(text, buf[:n]...)
	}
	return string(text)
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/stretchr/testify/require"
)

const asProgram = "PULP_TEST_AS_SERVER"

// TestMain lets the test's own binary be the program, so that nothing is built twice.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func program(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "PULP_ADMIN_PASSWORD=secret")
	return cmd
}

// What each plugin brings: a path of its API. A plugin without a line fails the test.
var paths = map[string]string{
	"file":      "content/file/files/",
	"certguard": "contentguards/certguard/x509/",
	"deb":       "repositories/deb/apt/",
	"goproxy":   "content/goproxy/modules/",
	"python":    "content/python/packages/",
}

func TestAllPluginsAreServedByOneProgram(t *testing.T) {
	t.Parallel()
	base := serve(t, "-data", t.TempDir(), "-sign", "releases="+privateKey(t))
	var status struct {
		Versions []struct{ Component, Version string }
	}
	fetch(t, base+"status/", &status)
	var document struct{ Paths map[string]any }
	fetch(t, base+"docs/api.json", &document)
	components := []string{}
	for _, v := range status.Versions {
		components = append(components, v.Component)
	}
	for _, p := range plugins() {
		require.Contains(t, components, p.Name)
		require.NotEmpty(t, paths[p.Name], "which path does the plugin %s bring?", p.Name)
		require.Contains(t, document.Paths, "/pulp/api/v3/"+paths[p.Name])
	}
	var services struct {
		Results []struct{ Name string }
	}
	fetch(t, base+"signing-services/", &services)
	require.Len(t, services.Results, 1)
	require.Equal(t, "releases", services.Results[0].Name)
}

func TestKeysThatCannotSignAreRefusedBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	bad := filepath.Join(t.TempDir(), "bad.asc")
	require.NoError(t, os.WriteFile(bad, []byte("no key"), 0o600))
	for arg, want := range map[string]string{
		"releases":                 "releases=/etc/pulp/releases.asc",
		"releases=" + dir + ".asc": "read the private key",
		"releases=" + bad:          "give an armored private key",
	} {
		out, err := program(t.Context(), "-addr", "127.0.0.1:0", "-data", dir, "-sign", arg).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), want)
		require.NotContains(t, string(out), "goroutine")
	}
	require.NoDirExists(t, dir)
}

// serve starts the program on a free port until the test ends, and returns the root of its API.
func serve(t *testing.T, args ...string) string {
	t.Helper()
	cmd := program(t.Context(), append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if api, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "API"); ok {
			go io.Copy(io.Discard, out) // ends with the process
			return strings.TrimSpace(api)
		}
	}
	require.Fail(t, "the program ended without serving")
	return ""
}

func fetch(t *testing.T, url string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	require.NoError(t, err)
	req.SetBasicAuth("admin", "secret")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode, url)
	require.NoError(t, json.NewDecoder(res.Body).Decode(into))
}

// privateKey makes a key and returns its file.
func privateKey(t *testing.T) string {
	t.Helper()
	e, err := openpgp.NewEntity("releases", "", "releases@example.org", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
	require.NoError(t, err)
	file, err := os.Create(filepath.Join(t.TempDir(), "releases.asc"))
	require.NoError(t, err)
	defer file.Close()
	w, err := armor.Encode(file, openpgp.PrivateKeyType, nil)
	require.NoError(t, err)
	require.NoError(t, e.SerializePrivate(w, nil))
	require.NoError(t, w.Close())
	return file.Name()
}

package goproxy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

func TestThisProjectBuildsThroughIt(t *testing.T) {
	if !pulptest.Heavy() {
		t.Skip("it downloads what this project needs, from the proxy that GOPROXY names: set PULP_TEST_HEAVY=1")
	}
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOPROXY").Output()
	require.NoError(t, err)
	proxy, _, _ := strings.Cut(strings.TrimSpace(string(out)), ",")
	if !strings.HasPrefix(proxy, "http") {
		t.Skip("GOPROXY names no proxy")
	}
	s := newSite(t, true, object{"url": proxy})
	for _, round := range []string{"pulled through", "held"} {
		dir := t.TempDir()
		for _, name := range []string{"go.mod", "go.sum"} {
			text, err := os.ReadFile(filepath.Join("..", "..", name))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
		}
		out, err := goCommand(t, s.ContentURL("go"), dir, "mod", "download")
		require.NoError(t, err, "%s: %s", round, out)
		out, err = goIn(t, s.ContentURL("go"), dir, filepath.Join("..", ".."), "build", "-mod=readonly", "./...")
		require.NoError(t, err, "%s: %s", round, out)
	}
	t.Log(len(s.List(t, "content/goproxy/modules/")), "files are held")
}

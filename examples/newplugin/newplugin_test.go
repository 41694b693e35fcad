package main

import (
	"bytes"
	"go/format"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The plugins that are tried: one type of content and several, and names that mean something elsewhere.
var tried = [][]string{
	{"firmware"},
	{"helm", "-content", "chart", "-content", "values, box"},
	{"http", "-content", "type,string", "-module", "example.com/x/http"},    // a package of main, words of Go
	{"data_windows", "-content", "boot_image,manifest_linux"},               // names of operating systems
	{"remote", "-content", "remote,publication,entry,context,distribution"}, // names of the plugin itself
}

// generated writes a plugin that is built with this tree, and returns its directory.
func generated(t *testing.T, args ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plugin")
	require.NoError(t, run(append(args, "-dir", dir, "-replace", "../.."), io.Discard))
	return dir
}

func TestPluginIsSmallAndFormatted(t *testing.T) {
	t.Parallel()
	for _, args := range tried {
		dir, lines := generated(t, args...), 0
		for _, name := range []string{"plugin.go", "index.go", "plugin_test.go", "cmd/server/main.go"} {
			text, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			tidy, err := format.Source(text)
			require.NoError(t, err)
			require.Equal(t, string(tidy), string(text))
			require.NotContains(t, string(text), "\n\n\n")
			if !strings.HasSuffix(name, "_test.go") {
				lines += bytes.Count(text, []byte("\n"))
			}
		}
		if len(args) == 1 {
			require.Less(t, lines, 200)
		}
		for _, name := range []string{"README.md", "go.mod", "go.sum", ".gitignore", ".github/workflows/ci.yml"} {
			require.FileExists(t, filepath.Join(dir, name))
		}
	}
}

func TestWhatCannotBeIsRefusedWithTheFix(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want string
		args []string
	}{
		{"is missing", nil},
		{"lower-case letters", []string{"Firmware"}},
		{"lower-case letters", []string{"firm-ware"}},
		{"lower-case letters", []string{"../firmware"}},
		{"lower-case letters", []string{"7zip"}},
		{"lower-case letters", []string{"größe"}},
		{"another one, like func_plugin", []string{"func"}},
		{"another one", []string{"main"}},
		{"another one", []string{"core"}},
		{"another one", []string{"x_test"}},
		{`-content: "Image"`, []string{"firmware", "-content", "Image"}},
		{`-content: ""`, []string{"firmware", "-content", "image,"}},
		{"has another A1 already", []string{"firmware", "-content", "a_1,a1"}},
		{"has another Plugin already", []string{"plugin"}},
		{"has another Repository already", []string{"firmware", "-content", "repository"}},
		{"-module", []string{"firmware", "-module", "https://example.com/x"}},
		{"-replace", []string{"firmware", "-replace", "."}},
		{`nothing is known of "image"`, []string{"firmware", "-content", "a", "image"}},
		{"not defined: -contents", []string{"firmware", "-contents", "a"}},
	} {
		dir := filepath.Join(t.TempDir(), "plugin")
		args := append(c.args, "-dir", dir)
		if len(c.args) > 0 && c.args[len(c.args)-1] == "image" {
			args = c.args
		}
		require.ErrorContains(t, run(args, io.Discard), c.want, c.args)
		require.NoDirExists(t, dir)
	}
}

func TestNoWorkIsOverwritten(t *testing.T) {
	t.Parallel()
	dir := generated(t, "firmware")
	before, err := os.ReadFile(filepath.Join(dir, "plugin.go"))
	require.NoError(t, err)
	require.ErrorContains(t, run([]string{"other", "-dir", dir}, io.Discard), "-dir")
	after, err := os.ReadFile(filepath.Join(dir, "plugin.go"))
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.ErrorContains(t, run([]string{"other", "-dir", filepath.Join(dir, "plugin.go")}, io.Discard), "-dir")
}

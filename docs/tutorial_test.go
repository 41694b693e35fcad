package docs_test

import (
	"go/format"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"

	"github.com/gopulp/pulp/pulptest"
)

// Whoever follows the tutorial gets a plugin that builds and passes its tests, in its first release and in
// its second one.
func TestPluginOfTheTutorialWorks(t *testing.T) {
	if !pulptest.Heavy() {
		t.Skip("it builds a module: set PULP_TEST_HEAVY=1")
	}
	t.Parallel()
	first, second := tutorialFiles(t)
	dir := t.TempDir()
	requireLikeUs(t, dir)
	for _, release := range []map[string]string{first, second} {
		for name, text := range release {
			path := filepath.Join(dir, filepath.FromSlash(name))
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		}
		runGo(t, dir, "vet", "./...")
		runGo(t, dir, "test", "./...")
	}
}

func TestTutorialIsWrittenAsGoIs(t *testing.T) {
	t.Parallel()
	first, second := tutorialFiles(t)
	for _, release := range []map[string]string{first, second} {
		for name, text := range release {
			formatted, err := format.Source([]byte(text))
			require.NoError(t, err, name)
			require.Equal(t, string(formatted), text, name)
		}
	}
}

// tutorialFiles are the files of the first release, and those that the second one has anew. A block is more
// of the file that it names.
func tutorialFiles(t *testing.T) (first, second map[string]string) {
	t.Helper()
	text, err := os.ReadFile("tutorial.md")
	require.NoError(t, err)
	first, second = map[string]string{}, map[string]string{}
	parts := strings.Split(string(text), "\n"+fence)
	for i := 1; i < len(parts); i += 2 {
		head, body, _ := strings.Cut(parts[i], "\n")
		words := strings.Fields(head)
		switch {
		case len(words) < 2 || words[0] != "go":
		case len(words) == 3 && words[2] == "again":
			second[words[1]] = body + "\n"
		case first[words[1]] != "":
			first[words[1]] += "\n" + body + "\n"
		default:
			first[words[1]] = body + "\n"
		}
	}
	require.Len(t, first, 7)
	require.Len(t, second, 1)
	return first, second
}

// requireLikeUs makes a module that is built with this tree and what it requires, without a network.
func requireLikeUs(t *testing.T, dir string) {
	t.Helper()
	ours, err := filepath.Abs(root)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	its, err := modfile.Parse("go.mod", text, nil)
	require.NoError(t, err)
	mod := &modfile.File{Syntax: &modfile.FileSyntax{}}
	require.NoError(t, mod.AddModuleStmt("example.com/firmware"))
	require.NoError(t, mod.AddGoStmt(its.Go.Version))
	mod.AddNewRequire(its.Module.Mod.Path, "v0.0.0", false)
	for _, r := range its.Require {
		mod.AddNewRequire(r.Mod.Path, r.Mod.Version, false)
	}
	require.NoError(t, mod.AddReplace(its.Module.Mod.Path, "", ours, ""))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), modfile.Format(mod.Syntax), 0o600))
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600))
}

func runGo(t *testing.T, dir string, args ...string) {
	t.Helper()
	pulptest.Command{Dir: dir, Env: []string{"GOPROXY=off", "GOFLAGS=-trimpath", "GOWORK=off"}}.Does(t, "go", args...)
}

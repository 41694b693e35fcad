package pulp_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// foreign is what only plugins may say, in code and comments: their names, types, task names and
// the formats they read. (That a form's part is called "file" is the API's word.)
var foreign = regexp.MustCompile(`(?i)\b(PULP_MANIFEST|pulp_file|rpms?|debs?|npm|pypi|python|oci|ansible|maven|ostree)\b|plugins/\w|file\.Plugin|\bfile[./]file|"file/|file_file`)

func TestTheCoreKnowsNoPlugin(t *testing.T) {
	t.Parallel()
	plugins, err := filepath.Glob("plugins/*")
	require.NoError(t, err)
	for _, file := range sources(t, ".", "httpapi") {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Empty(t, foreign.FindAllString(string(text), -1), file)
		for _, dir := range plugins {
			if name := filepath.Base(dir); name != "file" {
				require.NotRegexp(t, `\b`+name+`\b`, string(text), file)
			}
		}
	}
}

func TestTheRootImportsNoAdapter(t *testing.T) {
	t.Parallel()
	for _, file := range sources(t, ".") {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range parsed.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			for _, adapter := range []string{"pulp/httpapi", "pulp/sqlite", "pulp/plugins", "modernc.org", "gorilla/mux", "net/http"} {
				require.False(t, strings.HasSuffix(path, adapter) || strings.HasPrefix(path, adapter), "%s imports %s", file, path)
			}
		}
	}
}

// sources are the Go files of packages, without tests.
func sources(t *testing.T, dirs ...string) (out []string) {
	t.Helper()
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			if isSource(e) {
				out = append(out, filepath.Join(dir, e.Name()))
			}
		}
	}
	require.NotEmpty(t, out)
	return out
}

func isSource(e fs.DirEntry) bool {
	return !e.IsDir() && strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go")
}

package pulp_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// CI runs a test again with PULP_TEST_HEAVY=1 if it is another one then. Which these are is in a list: each
// with its package, all that ask whether they are heavy, or call something of their package that asks.
func TestHeavyTestsAreOnTheListOfCI(t *testing.T) {
	t.Parallel()
	packages := map[string]map[string][]string{} // by directory: what each function of its tests mentions
	require.NoError(t, filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		mentioned := mentions(t, path)
		dir := "./" + strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), ".")
		switch {
		case !strings.HasSuffix(path, "_test.go"):
			asks := len(callers(mentioned)) > 0
			require.True(t, !asks || dir == "./pulptest", "%s asks for its tests, which hides them", path)
		case packages[dir] == nil:
			packages[dir] = mentioned
		default:
			for name, words := range mentioned {
				packages[dir][name] = append(packages[dir][name], words...)
			}
		}
		return nil
	}))
	var heavy []string
	for dir, mentioned := range packages {
		for _, name := range callers(mentioned) {
			if strings.HasPrefix(name, "Test") {
				heavy = append(heavy, dir+" "+name)
			}
		}
	}
	listed, err := os.ReadFile(".ci/heavy")
	require.NoError(t, err)
	require.ElementsMatch(t, heavy, strings.Split(strings.TrimSpace(string(listed)), "\n"))
}

// mentions are the words in each function of a file, with the methods of one name as one.
func mentions(t *testing.T, path string) map[string][]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	require.NoError(t, err)
	of := map[string][]string{}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
			ast.Inspect(f.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.Ident:
					of[f.Name.Name] = append(of[f.Name.Name], n.Name)
				case *ast.BasicLit:
					of[f.Name.Name] = append(of[f.Name.Name], n.Value)
				}
				return true
			})
		}
	}
	return of
}

// callers are the functions that ask whether tests are heavy, or mention one that does.
func callers(mentioned map[string][]string) (names []string) {
	asking := []string{"Heavy", `"PULP_TEST_HEAVY"`}
	for grown := true; grown; {
		grown = false
		for name, words := range mentioned {
			asks := func(word string) bool { return slices.Contains(asking, word) }
			if !slices.Contains(names, name) && slices.ContainsFunc(words, asks) {
				names, asking, grown = append(names, name), append(asking, name), true
			}
		}
	}
	return names
}

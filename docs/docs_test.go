package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// root is the repository, as seen from this folder.
const root = ".."

func TestGoBlocksAreCodeThatCompiles(t *testing.T) {
	t.Parallel()
	sources := goSources(t)
	for name, text := range guides(t) {
		for _, b := range blocks(text) {
			if b.language != "go" {
				continue
			}
			assert.Truef(t, b.closed, "%s: the block that begins in line %d does not end", name, b.line)
			assert.Truef(t, within(sources, b.lines), "%s: the Go block that begins in line %d is in no Go file of the repository. "+
				"Copy its lines, one after the other, from an example or a plugin:\n%s", name, b.line, strings.Join(b.lines, "\n"))
		}
	}
}

func TestLinksLeadToFiles(t *testing.T) {
	t.Parallel()
	for name, text := range guides(t) {
		for _, target := range links(text) {
			assert.FileExistsf(t, filepath.FromSlash(target), "%s links to %s", name, target)
		}
	}
}

func TestIndexNamesEachGuide(t *testing.T) {
	t.Parallel()
	all := guides(t)
	index := links(all["README.md"])
	for name := range all {
		if name != "README.md" {
			assert.Containsf(t, index, name, "README.md does not link to %s", name)
		}
	}
}

// guides returns the texts of the guides by their names.
func guides(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("*.md")
	require.NoError(t, err)
	require.Contains(t, names, "README.md")
	out := make(map[string]string, len(names))
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		out[name] = string(text)
	}
	return out
}

// A block is what stands between two fences.
type block struct {
	language string
	line     int      // of the fence that begins it
	lines    []string // bare, see bare
	closed   bool
}

const fence = "```"

func blocks(text string) (out []block) {
	var open *block
	for i, line := range strings.Split(text, "\n") {
		language, isFence := strings.CutPrefix(strings.TrimSpace(line), fence)
		switch {
		case isFence && open == nil:
			open = &block{language: strings.TrimSpace(language), line: i + 1}
		case isFence:
			open.lines, open.closed = bare(open.lines), true
			out, open = append(out, *open), nil
		case open != nil:
			open.lines = append(open.lines, line)
		}
	}
	if open != nil {
		out = append(out, *open)
	}
	return out
}

// bare returns lines without the white space at their ends, and without blank ones.
func bare(lines []string) (out []string) {
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// links returns the relative targets of the links of a guide, without what stands in code.
func links(text string) (out []string) {
	prose, inside := []string{}, false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), fence) {
			inside = !inside
		} else if !inside {
			prose = append(prose, line)
		}
	}
	plain := regexp.MustCompile("`[^`]*`").ReplaceAllString(strings.Join(prose, ""), "")
	for _, link := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(plain, -1) {
		target, _, _ := strings.Cut(link[1], "#")
		if target != "" && !strings.Contains(target, ":") {
			out = append(out, target)
		}
	}
	return out
}

// goSources returns the bare lines of each Go file of this module that is built or tested: not of
// this folder, of test data, of hidden folders, and of modules of their own.
func goSources(t *testing.T) (out []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && skipped(path, d.Name()):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		text, err := os.ReadFile(path)
		out = append(out, joined(bare(strings.Split(string(text), "\n"))))
		return err
	})
	require.NoError(t, err)
	require.NotEmpty(t, out)
	return out
}

func skipped(path, name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || path == filepath.Join(root, "docs") {
		return true
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil
}

// joined is lines with an end before and after each, so that one is never found inside another.
func joined(lines []string) string { return "\n" + strings.Join(lines, "\n") + "\n" }

// within says whether lines stand in one of the sources, one after the other.
func within(sources, lines []string) bool {
	for _, text := range sources {
		if len(lines) > 0 && strings.Contains(text, joined(lines)) {
			return true
		}
	}
	return false
}

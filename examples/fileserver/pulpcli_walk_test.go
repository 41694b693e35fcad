package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Of these groups the server has no operations, or they talk to no server.
var notOnTour = regexp.MustCompile(`^(` + strings.Join([]string{
	"ansible", "container", "python", "rpm", // types of content that the server does not have
	"domain", "export", "exporter", "importer", "upstream-pulp", "signing-service",
	"vulnerability-report", "file repository version scan",
	"content-guard (composite|header|redirect) role", // refused by the client itself
	"file acs",                       // alternate content sources
	"config", "debug has-cli-plugin", // of the client alone
}, "|") + `)( |$)`)

// walk prints all commands of the client, by the help that it gives on each.
const walk = `
import contextlib, io, re, sys
from importlib.metadata import entry_points
(script,) = entry_points(group="console_scripts", name="pulp")
pulp = script.load()
def walk(words):
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        pulp(words + ["--help"], prog_name="pulp")
    _, is_group, commands = text.getvalue().partition("\nCommands:\n")
    if not is_group:
        print(" ".join(words))
    for name in re.findall("(?m)^  ([a-z]\\S*)", commands):
        walk(words + [name])
walk([])
`

// Whatever the client can do, a script does.
func TestTourVisitsEveryCommand(t *testing.T) {
	t.Parallel()
	pulpCLI(t)
	out, err := exec.CommandContext(t.Context(), clientPython(t), "-c", walk).Output()
	require.NoError(t, err)
	scripts, err := filepath.Glob("testdata/pulpcli/*.txtar")
	require.NoError(t, err)
	var tour strings.Builder
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		require.NoError(t, err)
		tour.Write(text)
	}
	var visited []string
	for _, m := range regexp.MustCompile(`(?m)^(?:! )?exec pulp (?:--(?:profile|cid) \S+ |--\S+ )*(.*)`).FindAllStringSubmatch(tour.String(), -1) {
		visited = append(visited, m[1]+" ")
	}
	commands := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Greater(t, len(commands), 200)
	missed := slices.DeleteFunc(commands, func(command string) bool {
		onTour := func(line string) bool { return strings.HasPrefix(line, command+" ") }
		return notOnTour.MatchString(command) || slices.ContainsFunc(visited, onTour)
	})
	require.Empty(t, missed)
}

// clientPython is the interpreter that has the client's packages.
func clientPython(t *testing.T) string {
	t.Helper()
	client, err := exec.LookPath("pulp")
	require.NoError(t, err)
	client, err = filepath.EvalSymlinks(client)
	require.NoError(t, err)
	return filepath.Join(filepath.Dir(client), "python3")
}

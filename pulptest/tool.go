package pulptest

import (
	"os"
	"os/exec"
	"testing"
)

// Tool is the path of a program that a test needs: the client that judges. Where it is not installed, the
// test is skipped, and says so; with PULP_TEST_TOOLS=1 in the environment, as CI has it, it fails instead.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv("PULP_TEST_TOOLS") == "1":
		t.Fatalf("%s is not installed, but PULP_TEST_TOOLS=1 asks for it", name)
	}
	t.Skipf("%s is not installed; PULP_TEST_TOOLS=1 makes this an error", name)
	return ""
}

// A Command is a tool with where it runs and what is added to its environment.
type Command struct {
	Dir string   // empty is that of the test
	Env []string // "NAME=value"
}

// Run runs a [Tool], and returns what it printed, to both streams, and whether it failed. It is killed when
// the test ends.
func (c Command) Run(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), Tool(t, name), args...)
	cmd.Dir, cmd.Env = c.Dir, append(os.Environ(), c.Env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Does is Run for what must succeed; else the test fails, and shows what was printed.
func (c Command) Does(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := c.Run(t, name, args...)
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return out
}

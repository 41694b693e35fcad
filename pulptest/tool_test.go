package pulptest_test

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

// A teller tells how a test ended, instead of ending.
type teller struct {
	testing.TB
	said string
}

func (t *teller) Helper() {}

func (t *teller) Fatalf(string, ...any) {
	t.said = "failed"
	runtime.Goexit()
}

func (t *teller) Skipf(string, ...any) {
	t.said = "skipped"
	runtime.Goexit()
}

func TestToolThatIsNotHereSkipsOrFails(t *testing.T) {
	for value, want := range map[string]string{"": "skipped", "1": "failed"} {
		t.Setenv("PULP_TEST_TOOLS", value)
		one, over := &teller{TB: t}, make(chan struct{})
		go func() {
			defer close(over)
			pulptest.Tool(one, "a-program-that-nobody-has")
		}()
		<-over
		require.Equal(t, want, one.said)
	}
}

func TestCommandRunsInItsDirectoryWithItsEnvironment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := pulptest.Command{Dir: dir, Env: []string{"GOFLAGS=-trimpath", "GOWORK=off"}}
	require.Equal(t, "-trimpath", strings.TrimSpace(c.Does(t, "go", "env", "GOFLAGS")))
	require.NoError(t, os.WriteFile(dir+"/go.mod", []byte("module example.com/here\n"), 0o600))
	require.Equal(t, "example.com/here", strings.TrimSpace(c.Does(t, "go", "list", "-m")))
	out, err := c.Run(t, "go", "no-such-command")
	require.Error(t, err)
	require.Contains(t, out, "unknown command")
}

package main_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

// The commands of the README do what it says.
func TestReadmeLineByLine(t *testing.T) {
	t.Parallel()
	pulptest.Tool(t, "sh")
	pulptest.Tool(t, "curl")
	pulptest.Tool(t, "jq")
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	var script strings.Builder
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(readme, -1) {
		script.Write(block[1])
	}
	require.NotEmpty(t, script.String(), "the README has no commands")

	p := serving(t, []string{"PULP_ADMIN_PASSWORD=secret"}, "-data", t.TempDir())
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", strings.ReplaceAll(script.String(), "http://127.0.0.1:24817", p.base))
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)

	const href = `/pulp/api/v3/\S+/\n`
	const hello = "hello\n"
	require.Regexp(t, "^"+href+ // the distribution
		href+href+href+ // the content, the version and its publication
		hello+`hello\.txt,[0-9a-f]{64},6\n`+
		`\[1,1\]\n\[0,null\]\n`+
		href+href+href+hello+ // version and publication of the copy, and its distribution
		href+href+href+hello+"$", // version, publication and distribution
		string(out))
}

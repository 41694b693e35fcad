package main_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Who wants again what is there changes nothing: the library under Pulp's clients, Ansible's
// modules among them, finds no difference between what it asked for and what it reads.
func TestWhatIsThereIsNotChangedAgain(t *testing.T) {
	t.Parallel()
	pulpCLI(t)
	p := serving(t, []string{"PULP_ADMIN_PASSWORD=secret"}, "-data", t.TempDir())
	out := withCache(t, exec.CommandContext(t.Context(), clientPython(t), "testdata/converge.py", p.base, "secret"))
	changed := "file remote changed\nfile repository changed\nfile distribution changed\n"
	stays := strings.ReplaceAll(changed, "changed", "stays")
	const gone = "file distribution changed\nfile repository changed\nfile remote changed\n"
	require.Equal(t, changed+stays+changed+stays+gone+strings.ReplaceAll(gone, "changed", "stays"), out)
}

// So it is with the modules of the collection pulp.squeezer themselves, where it is installed. It
// is in no package index, only at Ansible Galaxy, so that PULP_TEST_TOOLS does not ask for it.
func TestPlaybookChangesOnlyOnce(t *testing.T) {
	t.Parallel()
	pulpCLI(t)
	for _, tool := range []string{"ansible-playbook", "ansible-galaxy"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: pip install ansible-core", tool)
		}
	}
	if list, err := exec.Command("ansible-galaxy", "collection", "list", "pulp.squeezer").CombinedOutput(); err != nil || !strings.Contains(string(list), "pulp.squeezer ") {
		t.Skipf("pulp.squeezer is not installed: ansible-galaxy collection install pulp.squeezer, and pip install pulp-glue beside ansible-core\n%s", list)
	}
	p := serving(t, []string{"PULP_ADMIN_PASSWORD=secret"}, "-data", t.TempDir())
	play := func() string {
		return withCache(t, exec.CommandContext(t.Context(), "ansible-playbook", "--inventory", "localhost,", "--extra-vars", "url="+p.base+
			" password=secret ansible_python_interpreter={{ansible_playbook_python}}", "testdata/squeezer.yml"))
	}
	require.Regexp(t, `ok=3 +changed=3 +unreachable=0 +failed=0`, play())
	require.Regexp(t, `ok=3 +changed=0 +unreachable=0 +failed=0`, play())
	p.password = "secret"
	for _, kind := range []string{"remotes/", "repositories/", "distributions/"} {
		require.Equal(t, 1, p.count(kind), kind)
	}
}

// withCache runs a client that has seen no server before.
func withCache(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

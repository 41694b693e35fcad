package main_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A cli is Pulp's own command line client, as its users have it, told of a server.
type cli struct {
	t      *testing.T
	config string
	dir    string
}

// pulpCLI needs the program "pulp" of the package pulp-cli.
func pulpCLI(t *testing.T, p *process) *cli {
	t.Helper()
	if os.Getenv("PULP_TEST_HEAVY") != "1" {
		t.Skip("each command takes a second; set PULP_TEST_HEAVY=1")
	}
	requireTools(t, "pulp")
	c := &cli{t: t, dir: t.TempDir()}
	c.config = filepath.Join(c.dir, "cli.toml")
	c.write("cli.toml", fmt.Sprintf("[cli]\nbase_url = %q\nusername = \"admin\"\npassword = \"secret\"\nverify_ssl = false\n", p.base))
	return c
}

func (c *cli) write(name, text string) {
	require.NoError(c.t, os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600))
}

// try runs a command line, whose words are separated by blanks.
func (c *cli) try(line string) (string, error) {
	cmd := exec.CommandContext(c.t.Context(), "pulp", append([]string{"--config", c.config}, strings.Fields(line)...)...)
	cmd.Dir = c.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// run runs command lines, each of which must succeed and print what stands after its "=>".
func (c *cli) run(lines string) {
	c.t.Helper()
	for line := range strings.Lines(lines) {
		line, want, _ := strings.Cut(strings.TrimSpace(line), "=>")
		if line == "" {
			continue
		}
		out, err := c.try(line)
		require.NoError(c.t, err, "pulp %s\n%s", line, out)
		require.Contains(c.t, out, strings.TrimSpace(want), "pulp %s", line)
	}
}

func TestPulpCLIDrivesTheServer(t *testing.T) {
	t.Parallel()
	p := serving(t, []string{"PULP_ADMIN_PASSWORD=secret"}, "-data", t.TempDir())
	c := pulpCLI(t, p)
	files := map[string]string{"/a.txt": "bytes of a", "/dir/b.txt": "bytes of b"}
	var manifest strings.Builder
	for path, text := range files {
		fmt.Fprintf(&manifest, "%s,%x,%d\n", path[1:], sha256.Sum256([]byte(text)), len(text))
	}
	files["/PULP_MANIFEST"] = manifest.String()
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, there := files[r.URL.Path]; !there {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, files[r.URL.Path])
	}))
	t.Cleanup(up.Close)
	c.write("own.txt", "bytes of our own")
	c.write("pieces.txt", strings.Repeat("piece ", 1000))

	c.run(strings.ReplaceAll(`
		status => "component": "file"
		file remote create --name r --url UP/PULP_MANIFEST --policy on_demand => "policy": "on_demand"
		file remote update --remote r --policy immediate
		file remote label set --remote r --key env --value test
		file remote show --remote r => "env": "test"
		file repository create --name repo --remote r --retain-repo-versions 5 => "retain_repo_versions": 5
		file repository sync --repository repo => Done
		file repository version show --repository repo --version 1 => "count": 2
		file publication create --repository repo --manifest LIST => Done
		file distribution create --name d --base-path d --repository repo => Done
	`, "UP", up.URL))
	require.Equal(t, "bytes of b", content(p, "d/dir/b.txt"))
	c.run(strings.ReplaceAll(`
		file content upload --file own.txt --relative-path own.txt --repository repo => "relative_path": "own.txt"
		file content upload --file pieces.txt --relative-path pieces.txt --chunk-size 1000 => "relative_path": "pieces.txt"
		file repository version list --repository repo => "number": 2
		file repository version repair --repository repo --version 2 => Done
		file repository version destroy --repository repo --version 0 => Done
		file repository content modify --repository repo --remove-content [{"sha256":"SUM","relative_path":"a.txt"}] => Done
		file repository version show --repository repo => "number": 3
		repository reclaim --all => Done
		orphan cleanup --protection-time 0 => Done
		task list --state completed --limit 3 => "completed"
		task summary => "completed"
		task purge --finished-before 2000-01-01T00:00:00 => Done
		task-group list
		worker list => "name"
		file distribution destroy --distribution d => Done
		file repository destroy --repository repo => Done
		file remote destroy --remote r => Done
	`, "SUM", fmt.Sprintf("%x", sha256.Sum256([]byte("bytes of a")))))
	p.password = "secret"
	require.Zero(t, p.count("repositories/"))
}

// content is what is served at a path.
func content(p *process, path string) string {
	p.t.Helper()
	code, body := p.get("/pulp/content/" + path)
	require.Equal(p.t, http.StatusOK, code, body)
	return body
}

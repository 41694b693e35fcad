package main_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

// The command "pulp" of the package pulp-cli, as its users have it, does what the scripts of
// testdata/pulpcli say. Each script has a server of its own.
func TestPulpCLIDrivesTheServer(t *testing.T) {
	t.Parallel()
	pulpCLI(t)
	scripts, err := filepath.Glob("testdata/pulpcli/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txtar"), func(t *testing.T) {
			t.Parallel()
			tour := newTour(t)
			testscript.Run(t, testscript.Params{
				Files: []string{script},
				Setup: tour.setup,
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"keep": keep, "get": tour.download,
				},
				RequireUniqueNames: true,
				ContinueOnError:    true,
			})
		})
	}
}

// pulpCLI skips the test unless heavy tests are wanted and the program is there.
func pulpCLI(t *testing.T) {
	t.Helper()
	if os.Getenv("PULP_TEST_HEAVY") != "1" {
		t.Skip("each command takes a second; set PULP_TEST_HEAVY=1")
	}
	pulptest.Tool(t, "pulp")
}

// A tour is a server and what it can mirror: a.txt, dir/b.txt, and in slow/ what never comes.
type tour struct {
	*process
	up        *pulptest.Upstream
	cert, key string // files
}

func newTour(t *testing.T) *tour {
	p := serving(t, []string{"PULP_ADMIN_PASSWORD=secret"}, "-data", t.TempDir(), "-trust-proxy", "127.0.0.1")
	u := &tour{process: p, up: pulptest.NewUpstream(t)}
	u.cert, u.key = selfSigned(t)
	u.up.Put("a.txt", "bytes of a")
	u.up.Put("dir/b.txt", "bytes of b")
	manifest := u.up.Manifest()
	u.up.SetManifest(manifest)
	u.up.Put("slow/PULP_MANIFEST", string(manifest))
	u.up.Hold("slow/PULP_MANIFEST")
	return u
}

// setup gives a script the client's settings, also those of a profile for the user alice, and names
// for what it needs.
func (u *tour) setup(env *testscript.Env) error {
	var config string
	for _, profile := range [][3]string{{"cli", "admin", "secret"}, {"cli-alice", "alice", "password of alice"}} {
		config += fmt.Sprintf("[%s]\nbase_url = %q\nverify_ssl = false\nusername = %q\npassword = %q\n", profile[0], u.base, profile[1], profile[2])
	}
	dir := filepath.Join(env.WorkDir, ".config", "pulp")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	env.Setenv("XDG_CONFIG_HOME", filepath.Dir(dir))
	env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, ".cache"))
	env.Setenv("UP", strings.TrimSuffix(u.up.URL(""), "/"))
	env.Setenv("SUM_A", fmt.Sprintf("%x", sha256.Sum256(u.up.Files()["a.txt"])))
	cert, err := os.ReadFile(u.cert)
	if err != nil {
		return err
	}
	env.Setenv("CERT", u.cert)
	env.Setenv("KEY", u.key)
	env.Setenv("CERT_QUOTED", url.PathEscape(string(cert)))
	return os.WriteFile(filepath.Join(dir, "cli.toml"), []byte(config), 0o600)
}

// keep sets a variable to what stands at a path in the JSON that the last command wrote:
//
//	keep NAME 0.pulp_href ['pattern with (a group)']
func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: keep NAME PATH [PATTERN]")
	}
	var at any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &at))
	for step := range strings.SplitSeq(args[1], ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[step]
		case []any:
			i, err := strconv.Atoi(step)
			ts.Check(err)
			if i >= len(v) {
				ts.Fatalf("there are only %d at %s", len(v), args[1])
			}
			at = v[i]
		default:
			ts.Fatalf("nothing at %s", args[1])
		}
	}
	text := fmt.Sprint(at)
	if len(args) == 3 {
		found := regexp.MustCompile(args[2]).FindStringSubmatch(text)
		if len(found) != 2 {
			ts.Fatalf("%s is not like %s", text, args[2])
		}
		text = found[1]
	}
	ts.Setenv(args[0], text)
}

// download writes the code and the body that an anonymous client of the content gets:
//
//	get PATH [Header=value]...
func (u *tour) download(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: get PATH [Header=value]...")
	}
	req, err := http.NewRequest("GET", u.base+"/pulp/content/"+args[0], nil)
	ts.Check(err)
	for _, header := range args[1:] {
		name, value, _ := strings.Cut(header, "=")
		req.Header.Set(name, value)
	}
	res, err := u.client.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	fmt.Fprintln(ts.Stdout(), res.StatusCode)
	_, err = io.Copy(ts.Stdout(), res.Body)
	ts.Check(err)
}

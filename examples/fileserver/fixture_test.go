package main_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// built is the program, once for all tests.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "fileserver")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "fileserver.exe")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	if err != nil {
		err = &exec.Error{Name: string(out), Err: err}
	}
	return binary, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if binary, err := built(); err == nil {
		os.RemoveAll(filepath.Dir(binary))
	}
	os.Exit(code)
}

// A process is a running fileserver.
type process struct {
	*exec.Cmd
	t        *testing.T
	log, out *output
	base     string // the URL of the server
	password string
	client   *http.Client
}

// launch starts the program with a password of its own making, unless env says another.
func launch(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	binary, err := built()
	require.NoError(t, err)
	p := &process{Cmd: exec.Command(binary, args...), t: t, log: newOutput(), out: newOutput()}
	p.Env = append(os.Environ(), append([]string{"PULP_ADMIN_PASSWORD="}, env...)...)
	p.Stdout, p.Stderr = p.out, p.log
	require.NoError(t, p.Start())
	t.Cleanup(func() {
		p.Process.Kill() // nothing if it has ended
		p.Wait()
		if t.Failed() {
			t.Logf("%s\n%s", p.out, p.log)
		}
	})
	return p
}

// serving launches the program on a free port and waits until it serves.
func serving(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := launch(t, env, append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	p.out.await(t, `login    admin`)
	p.base = p.out.find(`(https?://[^/]+)/pulp/api/v3/\n`)
	p.password = p.out.find(`password (\S+)\n`)
	p.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	t.Cleanup(p.client.CloseIdleConnections)
	return p
}

// get returns the status and the body of a path.
func (p *process) get(path string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), "GET", p.base+path, nil)
	require.NoError(p.t, err)
	if p.password != "" {
		req.SetBasicAuth("admin", p.password)
	}
	res, err := p.client.Do(req)
	require.NoError(p.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(p.t, err)
	return res.StatusCode, string(body)
}

// post makes an object and returns its texts.
func (p *process) post(collection string, fields map[string]string) map[string]string {
	p.t.Helper()
	body, err := json.Marshal(fields)
	require.NoError(p.t, err)
	req, err := http.NewRequestWithContext(p.t.Context(), "POST", p.base+"/pulp/api/v3/"+collection, bytes.NewReader(body))
	require.NoError(p.t, err)
	req.SetBasicAuth("admin", p.password)
	req.Header.Set("Content-Type", "application/json")
	res, err := p.client.Do(req)
	require.NoError(p.t, err)
	defer res.Body.Close()
	var all map[string]any
	require.NoError(p.t, json.NewDecoder(res.Body).Decode(&all))
	require.Less(p.t, res.StatusCode, 300, all)
	texts := map[string]string{}
	for name, v := range all {
		texts[name], _ = v.(string)
	}
	return texts
}

// count is how many objects a collection has.
func (p *process) count(collection string) int {
	p.t.Helper()
	code, body := p.get("/pulp/api/v3/" + collection)
	require.Equal(p.t, http.StatusOK, code, body)
	var page struct{ Count int }
	require.NoError(p.t, json.Unmarshal([]byte(body), &page))
	return page.Count
}

// stop sends a signal and returns the exit code.
func (p *process) stop() int {
	p.t.Helper()
	p.client.CloseIdleConnections()
	require.NoError(p.t, p.Process.Signal(os.Interrupt))
	return p.code()
}

// code waits for the end and returns the exit code.
func (p *process) code() int {
	_ = p.Wait() // a code other than 0 is an error, too
	return p.ProcessState.ExitCode()
}

func noSignals(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a test cannot send signals here")
	}
}

// An output is what a process has written so far.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	grown chan struct{} // closed and replaced with each write
}

func newOutput() *output { return &output{grown: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.grown)
	o.grown = make(chan struct{})
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until the output has a pattern.
func (o *output) await(t *testing.T, pattern string) {
	t.Helper()
	for deadline := time.After(30 * time.Second); ; {
		o.mu.Lock()
		text, grown := o.text.String(), o.grown
		o.mu.Unlock()
		if regexp.MustCompile(pattern).MatchString(text) {
			return
		}
		select {
		case <-grown:
		case <-deadline:
			require.Fail(t, "not written: "+pattern, text)
		}
	}
}

func (o *output) find(pattern string) string {
	found := regexp.MustCompile(pattern).FindStringSubmatch(o.String())
	if found == nil {
		return ""
	}
	return strings.TrimSpace(found[1])
}

package goproxy_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/plugins/goproxy"
	"github.com/gopulp/pulp/pulptest"
)

type object = pulptest.Object

// hello is a module with a program and a function.
func hello(version string) map[string]string {
	return map[string]string{
		"go.mod":       "module example.com/Hello\n\ngo 1.20\n",
		"hello.go":     "package hello\n\n// Word is the greeting.\nconst Word = \"hello " + version + "\"\n",
		"cmd/hi/hi.go": "package main\n\nimport \"example.com/Hello\"\n\nfunc main() { println(hello.Word) }\n",
	}
}

// zipOf makes a zip of files below a directory.
func zipOf(t testing.TB, dir string, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.Create(dir + name)
		require.NoError(t, err)
		_, err = w.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

// release puts a version of the module on an upstream.
func release(t testing.TB, up *pulptest.Upstream, versions ...string) {
	const dir = "example.com/!hello/@v/"
	for _, v := range versions {
		info, err := json.Marshal(map[string]string{"Version": v, "Time": "2024-05-06T07:08:09Z"})
		require.NoError(t, err)
		up.Put(dir+v+".info", string(info))
		up.Put(dir+v+".mod", hello(v)["go.mod"])
		up.Put(dir+v+".zip", string(zipOf(t, "example.com/Hello@"+v+"/", hello(v))))
		up.Put("example.com/!hello/@latest", string(info))
	}
	up.Put(dir+"list", strings.Join(versions, "\n")+"\n")
}

// A site is an App with a repository that is distributed at "go".
type site struct {
	*pulptest.App
	up           *pulptest.Upstream
	repo, remote object
}

func newSite(t *testing.T, pullThrough bool, remote object) *site {
	t.Helper()
	s := &site{App: pulptest.New(t, pulptest.Plugins(goproxy.Plugin())), up: pulptest.NewUpstream(t)}
	fields := object{"name": "up", "url": s.up.URL(""), "max_retries": 0}
	for k, v := range remote {
		fields[k] = v
	}
	s.remote = s.Create(t, "remotes/goproxy/goproxy/", fields)
	s.repo = s.Create(t, "repositories/goproxy/goproxy/", object{"name": "r", "remote": s.remote.Href()})
	d := object{"name": "d", "base_path": "go", "repository": s.repo.Href()}
	if pullThrough {
		d["remote"] = s.remote.Href()
	}
	s.Create(t, "distributions/goproxy/goproxy/", d)
	return s
}

func (s *site) upload(t *testing.T, file []byte) string {
	t.Helper()
	return s.Start(t, "POST", "content/goproxy/modules/", pulptest.Form{"file": file, "repository": s.repo.Href()})
}

func (s *site) latest(t *testing.T) string {
	return s.Get(t, s.repo.Href()).Text("latest_version_href")
}

// body is what is served at a path, which must be there.
func (s *site) body(t *testing.T, path string) string {
	t.Helper()
	a := s.Content(t, "go/"+path)
	require.Equal(t, 200, a.Code, "%s: %s", path, a.Body)
	return string(a.Body)
}

// goCommand runs the go command in a directory of its own, with a module cache of its own.
func goCommand(t *testing.T, proxy, dir string, args ...string) (string, error) {
	t.Helper()
	return goIn(t, proxy, dir, dir, args...)
}

// goIn runs the go command in a directory, with a module cache in another one.
func goIn(t *testing.T, proxy, cache, dir string, args ...string) (string, error) {
	t.Helper()
	env := []string{"GOPROXY=" + proxy, "GONOSUMDB=*", "GONOSUMCHECK=1", "GOFLAGS=-mod=mod -modcacherw -trimpath", "GOTOOLCHAIN=local", "GOWORK=off",
		"GOPATH=" + filepath.Join(cache, "path"), "GOMODCACHE=" + filepath.Join(cache, "cache")}
	return pulptest.Command{Dir: dir, Env: env}.Run(t, "go", args...)
}

// program makes a directory with a program that says what the module says.
func program(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.org/main\n\ngo 1.20\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nimport \"example.com/Hello\"\n\nfunc main() { println(hello.Word) }\n"), 0o600))
	return dir
}

func TestGoCommandInstallsWhatIsPulledThrough(t *testing.T) {
	t.Parallel()
	s := newSite(t, true, nil)
	release(t, s.up, "v1.0.0", "v1.1.0")
	dir := program(t)
	proxy := s.ContentURL("go")
	out, err := goCommand(t, proxy, dir, "get", "example.com/Hello")
	require.NoError(t, err, out)
	require.Contains(t, out, "v1.1.0")
	out, err = goCommand(t, proxy, dir, "run", ".")
	require.NoError(t, err, out)
	require.Equal(t, "hello v1.1.0\n", out)

	// What was pulled is content, and is served when the upstream is gone.
	require.Len(t, s.List(t, "content/goproxy/modules/", pulptest.Param("repository_version", s.latest(t))), 2)
	for path := range s.up.Files() {
		s.up.Remove(path)
		s.up.Answer(path, pulptest.Status(503))
	}
	again := program(t)
	out, err = goCommand(t, proxy, again, "mod", "download", "-json", "example.com/Hello@v1.1.0")
	require.NoError(t, err, out)
	sum, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	require.NoError(t, err)
	var got struct{ Sum, GoModSum string }
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Contains(t, string(sum), got.Sum)
	for _, m := range s.List(t, "content/goproxy/modules/") {
		require.Contains(t, string(sum), m.Text("hash"), "content says what go.sum says")
	}
	require.Equal(t, "v1.0.0\nv1.1.0\n", s.body(t, "example.com/!hello/@v/list"), "what the upstream last said, and what is here")
	require.Equal(t, 502, s.Content(t, "go/example.com/!hello/@v/v1.0.0.zip").Code, "what is not here is not said to be nowhere")
}

func TestGoCommandInstallsWhatWasUploaded(t *testing.T) {
	t.Parallel()
	s := newSite(t, false, nil)
	s.Wait(t, s.upload(t, zipOf(t, "example.com/Hello@v1.2.3/", hello("v1.2.3"))))
	require.Equal(t, hello("")["go.mod"], s.body(t, "example.com/!hello/@v/v1.2.3.mod"))
	out, err := goCommand(t, s.ContentURL("go"), t.TempDir(), "run", "example.com/Hello/cmd/hi@latest")
	require.NoError(t, err, out)
	require.Contains(t, out, "hello v1.2.3\n")
	require.Equal(t, 404, s.Content(t, "go/example.com/!hello/@v/v9.9.9.info").Code)
	require.Equal(t, 404, s.Content(t, "go/example.com/other/@latest").Code)
	require.Equal(t, 400, s.Content(t, "go/example.com/Hello/@latest").Code, "paths are escaped")
	a := s.Do(t, "POST", s.ContentURL("go/example.com/!hello/@latest"), nil)
	require.Equal(t, 405, a.Code)
	require.Equal(t, "GET, HEAD, OPTIONS", a.Header.Get("Allow"))
}

func TestGoCommandRefusesACorruptedByte(t *testing.T) {
	t.Parallel()
	s := newSite(t, true, nil)
	release(t, s.up, "v1.0.0")
	dir := program(t)
	out, err := goCommand(t, s.ContentURL("go"), dir, "get", "example.com/Hello")
	require.NoError(t, err, out)

	// Another proxy has other bytes for the same version.
	other := newSite(t, true, nil)
	files := hello("v1.0.0")
	files["hello.go"] = strings.ReplaceAll(files["hello.go"], "hello v1", "hullo v1")
	release(t, other.up, "v1.0.0")
	other.up.Put("example.com/!hello/@v/v1.0.0.zip", string(zipOf(t, "example.com/Hello@v1.0.0/", files)))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "cache")))
	out, err = goCommand(t, other.ContentURL("go"), dir, "run", ".")
	require.Error(t, err)
	require.Contains(t, out, "checksum mismatch")

	// A zip in which a byte fell over does not get in.
	bad := newSite(t, true, nil)
	release(t, bad.up, "v1.0.0")
	bytes := bad.up.Files()["example.com/!hello/@v/v1.0.0.zip"]
	bytes = append([]byte{}, bytes...)
	bytes[72] ^= 1
	bad.up.Put("example.com/!hello/@v/v1.0.0.zip", string(bytes))
	require.Equal(t, 502, bad.Content(t, "go/example.com/!hello/@v/v1.0.0.zip").Code)
	require.Empty(t, bad.List(t, "content/goproxy/modules/"))
	require.Empty(t, bad.Temps(t))
}

func TestVersionsNeverChange(t *testing.T) {
	t.Parallel()
	s := newSite(t, true, object{"modules": []string{"example.com/Hello"}})
	release(t, s.up, "v1.0.0", "v1.1.0-rc.1")
	s.Completes(t, s.repo.Href()+"sync/", object{})
	first := s.body(t, "example.com/!hello/@v/v1.0.0.zip")
	require.Len(t, s.List(t, "content/goproxy/modules/", "kind=zip"), 2)
	require.JSONEq(t, `{"Version":"v1.0.0","Time":"2024-05-06T07:08:09Z"}`, s.body(t, "example.com/!hello/@v/v1.0.0.info"))

	// The upstream has something else now.
	files := hello("v1.0.0")
	files["more.go"] = "package hello\n"
	changed := zipOf(t, "example.com/Hello@v1.0.0/", files)
	s.up.Put("example.com/!hello/@v/v1.0.0.zip", string(changed))
	s.Completes(t, s.repo.Href()+"sync/", object{"mirror": true})
	require.Equal(t, first, s.body(t, "example.com/!hello/@v/v1.0.0.zip"))
	failed := s.Failed(t, s.upload(t, changed))
	require.Equal(t, "PLP0023", failed.Text("error_code"), failed)
	require.Equal(t, first, s.body(t, "example.com/!hello/@v/v1.0.0.zip"))
	require.Equal(t, "v1.0.0", goLatest(t, s), "released versions are preferred")
}

func goLatest(t *testing.T, s *site) string {
	var v struct{ Version string }
	require.NoError(t, json.Unmarshal([]byte(s.body(t, "example.com/!hello/@latest")), &v))
	return v.Version
}

func TestNewestVersionIsFoundOnAProxyThatDoesNotTell(t *testing.T) {
	t.Parallel()
	s := newSite(t, true, object{"modules": []string{"example.com/Hello@latest"}})
	release(t, s.up, "v1.0.0", "v1.10.0", "v1.9.0", "v2.0.0-rc.1")
	s.up.Remove("example.com/!hello/@latest")
	require.Equal(t, "v1.10.0", goLatest(t, s))
	s.Completes(t, s.repo.Href()+"sync/", object{})
	require.Len(t, s.List(t, "content/goproxy/modules/", "version=v1.10.0"), 2)
	require.Len(t, s.List(t, "content/goproxy/modules/"), 2)
	require.Equal(t, 404, s.Content(t, "go/example.com/other/@latest").Code)
}

func TestUpstreamThatChangesDuringASyncFailsItWhole(t *testing.T) {
	t.Parallel()
	s := newSite(t, false, object{"modules": []string{"example.com/Hello"}})
	release(t, s.up, "v1.0.0", "v1.1.0")
	before := s.latest(t)
	s.up.Remove("example.com/!hello/@v/v1.1.0.zip")
	require.NotEmpty(t, s.Fails(t, s.repo.Href()+"sync/", object{}))
	s.up.Put("example.com/!hello/@v/v1.1.0.zip", "no zip")
	require.Contains(t, s.Fails(t, s.repo.Href()+"sync/", object{}), "example.com/Hello@v1.1.0")
	require.Equal(t, before, s.latest(t))
	require.Empty(t, s.Temps(t))
}

func TestSameModuleUploadedTwiceAtOnceIsOne(t *testing.T) {
	t.Parallel()
	s := newSite(t, false, nil)
	file := zipOf(t, "example.com/Hello@v1.0.0/", hello("v1.0.0"))
	tasks := []string{s.upload(t, file), s.upload(t, file)}
	for _, task := range tasks {
		require.Equal(t, "completed", s.Wait(t, task).Text("state"))
	}
	require.Len(t, s.List(t, "content/goproxy/modules/"), 1)
}

func TestManyClientsCostOneDownload(t *testing.T) {
	t.Parallel()
	s := newSite(t, true, nil)
	release(t, s.up, "v1.0.0")
	const path = "example.com/!hello/@v/v1.0.0.zip"
	gate := s.up.Hold(path)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			a, err := s.Try("GET", s.ContentURL("go/"+path), nil)
			if err != nil || a.Code != 200 {
				t.Errorf("%v %+v", err, a)
			}
		})
	}
	gate.Await(t, 1)
	gate.Open()
	all.Wait()
	require.Equal(t, 1, s.up.Hits(path))

	// What is not there is asked for once a minute.
	for range 3 {
		require.Equal(t, 404, s.Content(t, "go/example.com/!hello/@v/v1.9.9.zip").Code)
	}
	require.Equal(t, 1, s.up.Hits("example.com/!hello/@v/v1.9.9.info"))
}

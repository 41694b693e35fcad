package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

type object = pulptest.Object

// zipped makes the same bytes of the same files.
func zipped(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		require.NoError(t, err)
		_, err = w.Write([]byte(files[name]))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

// A running is the program in a process of its own.
type running struct {
	*pulptest.Client
	data string
}

func startServer(t *testing.T) running {
	t.Helper()
	data := t.TempDir()
	at, err := url.Parse(serve(t, "-data", data, "-sign", "releases="+privateKey(t)))
	require.NoError(t, err)
	return running{pulptest.NewClient(at.Scheme+"://"+at.Host, "admin", "secret"), data}
}

// corrupt changes a byte in the middle of a file that the program has stored, as a disk may.
func (r running) corrupt(t *testing.T, file []byte) {
	t.Helper()
	found := 0
	require.NoError(t, filepath.WalkDir(r.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(text, file) {
			return err
		}
		found++
		text[len(text)/2] ^= 1
		require.NoError(t, os.Chmod(path, 0o600))
		return os.WriteFile(path, text, 0o600)
	}))
	require.Equal(t, 1, found)
}

func wheelOf(t *testing.T, version string) []byte {
	return zipped(t, map[string]string{
		"hellopulp.py": "word = 'hello " + version + "'\n",
		"hellopulp-" + version + ".dist-info/METADATA": "Metadata-Version: 2.1\nName: hellopulp\nVersion: " + version + "\n",
		"hellopulp-" + version + ".dist-info/WHEEL":    "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		"hellopulp-" + version + ".dist-info/RECORD":   "hellopulp.py,,\n",
	})
}

func TestPipInstallsWhatTwineUploads(t *testing.T) {
	t.Parallel()
	pulptest.Tool(t, "twine")
	c := startServer(t)
	repo := c.Create(t, "repositories/python/python/", object{"name": "r"})
	d := c.Create(t, "distributions/python/pypi/", object{"name": "d", "base_path": "py", "repository": repo.Href(), "allow_uploads": true})
	index := c.Base + d.Text("base_url")
	dir := t.TempDir()
	env := []string{"PIP_CONFIG_FILE=" + os.DevNull, "PIP_DISABLE_PIP_VERSION_CHECK=1", "NO_COLOR=1", "TERM=dumb", "HOME=" + dir}
	upload := func(version string) {
		file := filepath.Join(dir, "hellopulp-"+version+"-py3-none-any.whl")
		require.NoError(t, os.WriteFile(file, wheelOf(t, version), 0o600))
		pulptest.Command{Dir: dir, Env: env}.Does(t, "twine", "upload", "--non-interactive", "--disable-progress-bar", "-u", "admin", "-p", "secret", "--repository-url", index+"legacy/", file)
	}
	install := func(what string) (string, error) {
		target := t.TempDir()
		out, err := pulptest.Command{Dir: target, Env: env}.Run(t, "pip", "install", "--isolated", "--no-cache-dir", "--no-deps", "--retries", "0", "--index-url", index+"simple/", "--target", target, what)
		text, _ := os.ReadFile(filepath.Join(target, "hellopulp.py")) // is absent if nothing was installed
		return out + string(text), err
	}
	upload("1.0")
	out, err := install("hellopulp")
	require.NoError(t, err, out)
	require.Contains(t, out, "hello 1.0")

	// While new versions come, the old one is always to be had.
	var uploads sync.WaitGroup
	uploads.Go(func() { upload("1.1"); upload("2.0") })
	for range 3 {
		out, err := install("hellopulp==1.0")
		require.NoError(t, err, out)
	}
	uploads.Wait()
	out, err = install("hellopulp")
	require.NoError(t, err, out)
	require.Contains(t, out, "hello 2.0")

	c.corrupt(t, wheelOf(t, "2.0"))
	out, err = install("hellopulp==2.0")
	require.Error(t, err)
	require.Contains(t, out, "DO NOT MATCH THE HASHES")
}

func TestAptInstallsWhatIsUploaded(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"apt-get", "dpkg-deb"} {
		pulptest.Tool(t, name)
	}
	c := startServer(t)
	var services struct {
		Results []struct {
			Href string `json:"pulp_href"`
			Key  string `json:"public_key"`
		}
	}
	require.NoError(t, json.Unmarshal(c.Do(t, "GET", "signing-services/", nil).Body, &services))
	repo := c.Create(t, "repositories/deb/apt/", object{"name": "r", "autopublish": true, "signing_service": services.Results[0].Href})
	d := c.Create(t, "distributions/deb/apt/", object{"name": "d", "base_path": "apt", "repository": repo.Href()})
	dir := t.TempDir()
	upload := func(version string) (file []byte) {
		root := filepath.Join(t.TempDir(), "root")
		require.NoError(t, os.MkdirAll(filepath.Join(root, "DEBIAN"), 0o755))
		control := "Package: hellopulp\nVersion: " + version + "\nArchitecture: all\nMaintainer: Test <test@example.org>\nDescription: says hello\n"
		require.NoError(t, os.WriteFile(filepath.Join(root, "DEBIAN/control"), []byte(control), 0o644))
		pulptest.Command{Dir: dir}.Does(t, "dpkg-deb", "--root-owner-group", "--build", root, "hellopulp.deb")
		file, err := os.ReadFile(filepath.Join(dir, "hellopulp.deb"))
		require.NoError(t, err)
		c.Wait(t, c.Start(t, "POST", "content/deb/packages/", pulptest.Form{"file": file, "repository": repo.Href(), "distribution": "stable", "component": "main"}))
		return file
	}
	for _, d := range []string{"state/lists/partial", "cache/archives/partial"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	for name, text := range map[string]string{
		"status": "", "key.asc": services.Results[0].Key,
		"sources.list": "deb [signed-by=" + filepath.Join(dir, "key.asc") + "] " + c.Base + d.Text("base_url") + " stable main\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	try := func(args ...string) (string, error) {
		return pulptest.Command{Dir: dir}.Run(t, "apt-get", append([]string{
			"-o", "Dir::State=" + dir + "/state", "-o", "Dir::State::status=" + dir + "/status", "-o", "Dir::Cache=" + dir + "/cache",
			"-o", "Dir::Etc::sourcelist=" + dir + "/sources.list", "-o", "Dir::Etc::sourceparts=-", "-o", "Dir::Etc::trustedparts=-",
			"-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none", "-o", "APT::Update::Error-Mode=any"}, args...)...)
	}
	apt := func(args ...string) string {
		out, err := try(args...)
		require.NoError(t, err, out)
		return out
	}
	upload("1.0")
	apt("update")
	require.Contains(t, apt("-s", "install", "hellopulp"), "Inst hellopulp (1.0 ")
	file := upload("2.0")
	apt("download", "hellopulp=1.0") // as the metadata says that it has read
	apt("update")
	require.Contains(t, apt("-s", "install", "hellopulp"), "Inst hellopulp (2.0 ")

	c.corrupt(t, file)
	out, err := try("download", "hellopulp=2.0")
	require.Error(t, err)
	require.Contains(t, out, "Hash Sum mismatch")
}

func TestGoRunsWhatIsUploaded(t *testing.T) {
	t.Parallel()
	pulptest.Tool(t, "go")
	c := startServer(t)
	repo := c.Create(t, "repositories/goproxy/goproxy/", object{"name": "r"})
	d := c.Create(t, "distributions/goproxy/goproxy/", object{"name": "d", "base_path": "go", "repository": repo.Href()})
	dir := t.TempDir()
	env := []string{"GOPROXY=" + c.Base + d.Text("base_url"), "GONOSUMDB=*", "GOFLAGS=-mod=mod -modcacherw", "GOTOOLCHAIN=local",
		"GOWORK=off", "GOPATH=" + filepath.Join(dir, "path"), "GOMODCACHE=" + filepath.Join(dir, "cache")}
	upload := func(version string) (file []byte) {
		at := "example.com/hello@" + version + "/"
		file = zipped(t, map[string]string{
			at + "go.mod":       "module example.com/hello\n\ngo 1.20\n",
			at + "cmd/hi/hi.go": "package main\n\nfunc main() { println(\"hello " + version + "\") }\n",
		})
		c.Wait(t, c.Start(t, "POST", "content/goproxy/modules/", pulptest.Form{"file": file, "repository": repo.Href()}))
		return file
	}
	upload("v1.0.0")
	require.Contains(t, pulptest.Command{Dir: dir, Env: env}.Does(t, "go", "run", "example.com/hello/cmd/hi@latest"), "hello v1.0.0\n")
	file := upload("v1.1.0")
	require.Contains(t, pulptest.Command{Dir: dir, Env: env}.Does(t, "go", "run", "example.com/hello/cmd/hi@v1.0.0"), "hello v1.0.0\n")
	require.Contains(t, pulptest.Command{Dir: dir, Env: env}.Does(t, "go", "run", "example.com/hello/cmd/hi@latest"), "hello v1.1.0\n")

	c.corrupt(t, file)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "cache")))
	out, err := pulptest.Command{Dir: dir, Env: env}.Run(t, "go", "run", "example.com/hello/cmd/hi@v1.1.0")
	require.Error(t, err)
	require.Contains(t, out, "checksum error")
}

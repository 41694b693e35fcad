package python_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/plugins/python"
	"github.com/gopulp/pulp/pulptest"
)

type object = pulptest.Object

// metadataOf is core metadata of a package.
func metadataOf(name, version string, more ...string) string {
	return fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\nSummary: says hello\n%s\nIt says hello.\n", name, version, strings.Join(more, ""))
}

// zipOf makes a zip of files, in the order of their names and texts.
func zipOf(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(names); i += 2 {
		w, err := z.Create(names[i])
		require.NoError(t, err)
		_, err = w.Write([]byte(names[i+1]))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

// wheelName is what a wheel is called.
func wheelName(name, version string) string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(name) + "-" + version + "-py3-none-any.whl"
}

// wheel makes a wheel with a module whose word tells the version.
func wheel(t testing.TB, name, version string, more ...string) []byte {
	t.Helper()
	module := strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToLower(name))
	info := module + "-" + version + ".dist-info/"
	files := []string{
		module + ".py", "word = 'hello " + version + "'\n",
		info + "METADATA", metadataOf(name, version, more...),
		info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
	}
	record := ""
	for i := 0; i < len(files); i += 2 {
		record += files[i] + ",,\n"
	}
	return zipOf(t, append(files, info+"RECORD", record+info+"RECORD,,\n")...)
}

// tarOf makes a tar.gz of files.
func tarOf(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	c := gzip.NewWriter(&b)
	w := tar.NewWriter(c)
	for i := 0; i < len(names); i += 2 {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: names[i], Mode: 0o644, Size: int64(len(names[i+1]))}))
		_, err := w.Write([]byte(names[i+1]))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, c.Close())
	return b.Bytes()
}

// sdist makes a source distribution.
func sdist(t testing.TB, name, version string) []byte {
	t.Helper()
	dir := name + "-" + version + "/"
	return tarOf(t, dir+"PKG-INFO", metadataOf(name, version), dir+"hello.py", "word = 'hello'\n", dir+name+".egg-info/PKG-INFO", "Name: other\n")
}

func sum(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

// A site is an App with a repository that is distributed at "py".
type site struct {
	*pulptest.App
	up                 *pulptest.Upstream
	repo, remote, dist object
}

// newSite makes a site; a remote with these fields, if they are not nil, is the repository's and the distribution's.
func newSite(t *testing.T, remote object, opts ...pulptest.Option) *site {
	t.Helper()
	s := &site{App: pulptest.New(t, append(opts, pulptest.Plugins(python.Plugin()))...)}
	s.repo = s.Create(t, "repositories/python/python/", object{"name": "r"})
	d := object{"name": "d", "base_path": "py", "repository": s.repo.Href()}
	if remote != nil {
		s.up = pulptest.NewUpstream(t)
		s.remote = s.newRemote(t, "up", remote)
		d["remote"] = s.remote.Href()
	}
	s.dist = s.Create(t, "distributions/python/pypi/", d)
	return s
}

func (s *site) newRemote(t *testing.T, name string, more object) object {
	t.Helper()
	fields := object{"name": name, "url": s.up.URL(""), "max_retries": 0, "policy": "on_demand"}
	for k, v := range more {
		fields[k] = v
	}
	return s.Create(t, "remotes/python/python/", fields)
}

// url is below the place that the distribution itself names.
func (s *site) url(path string) string { return s.Base + s.dist.Text("base_url") + path }

// page gets a page of the index.
func (s *site) page(t *testing.T, path string, headers ...string) *pulptest.Answer {
	t.Helper()
	return s.Do(t, "GET", s.url(path), nil, headers...)
}

// A listed file is one on the page of a project.
type listed struct {
	Filename, URL string
	Hashes        map[string]string
	Size          *int64
	Python        string `json:"requires-python"`
	Metadata      any    `json:"core-metadata"`
	Yanked        any
	UploadTime    string `json:"upload-time"`
}

// files are those on the page of a project, by name.
func (s *site) files(t *testing.T, name string) map[string]listed {
	t.Helper()
	a := s.page(t, "simple/"+name+"/", "Accept", "application/vnd.pypi.simple.v1+json")
	require.Equal(t, 200, a.Code, "%s", a.Body)
	var page struct{ Files []listed }
	require.NoError(t, json.Unmarshal(a.Body, &page))
	out := map[string]listed{}
	for _, f := range page.Files {
		out[f.Filename] = f
	}
	return out
}

// create uploads a package by the API, and waits for it.
func (s *site) create(t *testing.T, filename string, file []byte) {
	t.Helper()
	s.Wait(t, s.Start(t, "POST", "content/python/packages/", pulptest.Form{"file": file, "relative_path": filename, "repository": s.repo.Href()}))
}

func (s *site) latest(t *testing.T) string {
	return s.Get(t, s.repo.Href()).Text("latest_version_href")
}

// release puts packages on the upstream, with the page of their project in HTML or JSON.
func (s *site) release(t testing.TB, project string, asJSON bool, files map[string][]byte) {
	t.Helper()
	html, list := "<!DOCTYPE html><html><body>\n", []object{}
	for name, data := range files {
		s.up.Put("files/"+name, string(data))
		html += fmt.Sprintf("<a href=\"../../files/%s#sha256=%s\" data-requires-python=\"&gt;=3.6\">%s</a>\n", name, sum(data), name)
		f := object{"filename": name, "url": s.up.URL("files/" + name), "hashes": object{"sha256": sum(data)}, "size": len(data), "requires-python": ">=3.6", "yanked": strings.Contains(name, "0.9")}
		if text := s.metadata(t, data); strings.HasSuffix(name, ".whl") {
			s.up.Put("files/"+name+".metadata", text)
			f["core-metadata"] = object{"sha256": sum([]byte(text))}
		}
		list = append(list, f)
	}
	if !asJSON {
		s.up.Put("simple/"+project+"/", html+"</body></html>")
		return
	}
	text, err := json.Marshal(object{"meta": object{"api-version": "1.1"}, "name": project, "files": list})
	require.NoError(t, err)
	s.up.Answer("simple/"+project+"/", served("application/vnd.pypi.simple.v1+json", string(text)))
}

func (s *site) metadata(t testing.TB, data []byte) string {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return ""
	}
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, "METADATA") {
			r, err := f.Open()
			require.NoError(t, err)
			var b bytes.Buffer
			_, err = b.ReadFrom(r)
			require.NoError(t, err)
			return b.String()
		}
	}
	return ""
}

// run runs a tool in a directory of its own.
func run(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	return pulptest.Command{Dir: t.TempDir(), Env: []string{"PIP_CONFIG_FILE=" + os.DevNull, "PIP_DISABLE_PIP_VERSION_CHECK=1", "NO_COLOR=1", "TERM=dumb", "COLUMNS=500"}}.Run(t, name, args...)
}

// pip runs a command of pip with an index.
func pip(t testing.TB, index string, args ...string) (string, error) {
	t.Helper()
	return run(t, "pip", append(args[:1:1], append([]string{"--isolated", "--no-cache-dir", "--no-deps", "--retries", "0", "--index-url", index}, args[1:]...)...)...)
}

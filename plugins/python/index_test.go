package python_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

func TestAnUploadSaysWhatThePackageIs(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.create(t, "Hello_World-1.0-py3-none-any.whl", wheel(t, "Hello.World", "1.0", "Requires-Dist: six>=1\nRequires-Python: >=3.8\nProject-URL: Home, https://example.org\nClassifier: A :: B\nLicense-Expression: MIT\n"))
	s.create(t, "hello-1.0.tar.gz", sdist(t, "hello", "1.0"))
	got := s.List(t, "content/python/packages/", "packagetype=bdist_wheel")[0]
	for field, want := range map[string]any{
		"name": "Hello.World", "version": "1.0", "filename": "Hello_World-1.0-py3-none-any.whl", "packagetype": "bdist_wheel", "python_version": "py3",
		"metadata_version": "2.1", "summary": "says hello", "description": "It says hello.", "requires_python": ">=3.8", "license": "MIT",
		"requires_dist": []any{"six>=1"}, "classifiers": []any{"A :: B"}, "project_urls": map[string]any{"Home": "https://example.org"}, "provides_dist": []any{},
	} {
		require.Equal(t, want, got[field], field)
	}
	require.NotContains(t, got, "digest")
	require.NotContains(t, got, "relative_path")
	got = s.List(t, "content/python/packages/", "packagetype=sdist")[0]
	require.Equal(t, []any{"hello", "source", "sdist"}, []any{got["name"], got["python_version"], got["packagetype"]})
}

func TestPackagesAreFoundByTheOrderOfVersions(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, version := range []string{"1.9", "1.10", "1.10rc1"} {
		s.create(t, wheelName("hello", version), wheel(t, "hello", version))
	}
	for query, want := range map[string]int{"version__gt=1.9": 2, "version__gte=1.9.0": 3, "version__lt=1.10": 2, "version__lte=1.10": 3, "version__gt=1.10": 0, "version__lt=1.10rc1": 1} {
		require.Len(t, s.List(t, "content/python/packages/", query), want, query)
	}
	require.Contains(t, string(s.Refused(t, 400, "GET", "content/python/packages/?version__gt=x", nil).Body), "is no version as PEP 440 has them.")
}

func TestAClientMaySayTheDigestOfWhatItCreates(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	file := wheel(t, "hello", "1.0")
	form := pulptest.Form{"file": file, "relative_path": wheelName("hello", "1.0"), "sha256": strings.Repeat("0", 64)}
	require.Contains(t, s.Refused(t, 400, "POST", "content/python/packages/upload/", form).Object(t)["sha256"], "The file that came has the sha256 "+sum(file)+".")
	form["sha256"] = strings.ToUpper(sum(file))
	require.Equal(t, 201, s.Do(t, "POST", "content/python/packages/upload/", form).Code)
	require.Equal(t, sum(file), s.List(t, "content/python/packages/", "sha256="+sum(file))[0].Text("sha256"))
	require.Empty(t, s.List(t, "content/python/packages/", "packagetype=sdist"))
	s.Refused(t, 400, "GET", "content/python/packages/?packagetype=deb", nil)
}

func TestTheIndexIsWhatTheVersionHolds(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	require.Equal(t, "/pypi/py/", s.dist.Text("base_url"))
	require.Equal(t, 404, s.page(t, "simple/hello-world/").Code)
	file := wheel(t, "Hello.World", "1.0", "Requires-Python: >=3.8\n")
	s.create(t, "Hello_World-1.0-py3-none-any.whl", file)
	s.create(t, "hello.world-1.0.tar.gz", sdist(t, "hello.world", "1.0"))

	files := s.files(t, "hello-world")
	require.Len(t, files, 2)
	f := files["Hello_World-1.0-py3-none-any.whl"]
	require.Equal(t, map[string]string{"sha256": sum(file)}, f.Hashes)
	require.Equal(t, int64(len(file)), *f.Size)
	require.Equal(t, ">=3.8", f.Python)
	require.NotEmpty(t, f.UploadTime)
	require.Equal(t, false, f.Yanked)
	require.Equal(t, file, s.page(t, "simple/hello-world/"+f.URL).Body)
	require.Equal(t, file, s.Content(t, "py/"+f.Filename).Body, "packages are files, too")
	metadata := s.page(t, "simple/hello-world/"+f.URL+".metadata")
	require.Equal(t, metadataOf("Hello.World", "1.0", "Requires-Python: >=3.8\n"), string(metadata.Body))
	require.Equal(t, map[string]any{"sha256": sum(metadata.Body)}, f.Metadata)
	require.Equal(t, false, files["hello.world-1.0.tar.gz"].Metadata)
	require.Equal(t, 404, s.page(t, "simple/hello-world/hello.world-1.0.tar.gz.metadata").Code)
	require.Equal(t, 404, s.page(t, "simple/other/"+f.URL).Code, "a file is where its project is")

	for accept, want := range map[string]string{
		"": "text/html; charset=utf-8", "*/*": "text/html; charset=utf-8", "text/html": "text/html; charset=utf-8", "image/png": "text/html; charset=utf-8",
		"application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01": "application/vnd.pypi.simple.v1+json",
		"application/vnd.pypi.simple.v1+html;q=0.5, application/vnd.pypi.simple.v1+json;q=0.1":               "application/vnd.pypi.simple.v1+html; charset=utf-8",
	} {
		for _, path := range []string{"simple/", "simple/hello-world/"} {
			a := s.page(t, path, "Accept", accept)
			require.Equal(t, 200, a.Code)
			require.Equal(t, want, a.Header.Get("Content-Type"), "%s as %q", path, accept)
			require.Equal(t, "Accept", a.Header.Get("Vary"))
		}
	}
	page := string(s.page(t, "simple/hello-world/").Body)
	require.Contains(t, page, `<a href="Hello_World-1.0-py3-none-any.whl#sha256=`+sum(file)+`" data-requires-python="&gt;=3.8" data-core-metadata="sha256=`+sum(metadata.Body)+`"`)
	require.Contains(t, string(s.page(t, "simple/").Body), `<a href="hello-world/">hello-world</a>`)
}

func TestNamesThatAreNotNormalizedAreRedirected(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.create(t, "hello-1.0.tar.gz", sdist(t, "hello", "1.0"))
	for _, path := range []string{"simple/hello", "simple/Hello", "simple/HELLO/", "simple"} {
		for _, root := range []string{s.url(""), s.ContentURL("py/")} {
			a := s.Do(t, "GET", root+path, nil)
			require.Equal(t, 200, a.Code, path)
			require.Contains(t, string(a.Body), "hello")
		}
	}
	require.Equal(t, 404, s.page(t, "simple/no/").Code)
	require.Equal(t, 404, s.Do(t, "GET", s.Base+"/pypi/no/simple/", nil).Code)
	require.Equal(t, 404, s.Do(t, "GET", s.Base+"/pypi/", nil).Code)
	require.Equal(t, 405, s.Do(t, "POST", s.url("simple/hello/"), nil).Code)
}

func TestAPageThatDidNotChangeIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.create(t, "hello-1.0.tar.gz", sdist(t, "hello", "1.0"))
	for _, path := range []string{"simple/", "simple/hello/"} {
		a := s.page(t, path)
		tag := a.Header.Get("ETag")
		require.NotEmpty(t, tag)
		again := s.page(t, path, "If-None-Match", tag)
		require.Equal(t, 304, again.Code)
		require.Empty(t, again.Body)
		require.Equal(t, 200, s.page(t, path, "If-None-Match", tag, "Accept", "application/vnd.pypi.simple.v1+json").Code, "the form is another one")
		require.Equal(t, 304, s.page(t, path, "If-None-Match", `"x", `+tag).Code)
	}
	tag := s.page(t, "simple/hello/").Header.Get("ETag")
	s.create(t, "hello-2.0.tar.gz", sdist(t, "hello", "2.0"))
	require.Equal(t, 200, s.page(t, "simple/hello/", "If-None-Match", tag).Code)
}

func TestTheIndexTellsHowMuchIsHere(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	summary := func() object { return s.page(t, "").Object(t) }
	require.Equal(t, object{"projects": 0.0, "releases": 0.0, "files": 0.0}, summary())
	s.create(t, "hello-1.0.tar.gz", sdist(t, "hello", "1.0"))
	s.create(t, wheelName("hello", "1.0"), wheel(t, "hello", "1.0"))
	s.create(t, wheelName("other", "1.0"), wheel(t, "other", "1.0"))
	s.create(t, wheelName("other", "2.0"), wheel(t, "other", "2.0"))
	require.Equal(t, object{"projects": 2.0, "releases": 3.0, "files": 4.0}, summary())
	require.Contains(t, string(s.Content(t, "py/").Body), "hello-1.0.tar.gz", "below the content path there is a listing")
}

func TestReleasesAreToldAsJSON(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, version := range []string{"1.9", "1.10", "2.0rc1"} {
		s.create(t, wheelName("hello", version), wheel(t, "hello", version))
	}
	got := s.page(t, "pypi/Hello/json").Object(t)
	require.Equal(t, "1.10", got["info"].(map[string]any)["version"], "the newest that is released")
	require.Len(t, got["releases"], 3)
	file := got["urls"].([]any)[0].(map[string]any)
	require.Equal(t, wheel(t, "hello", "1.10"), s.Do(t, "GET", file["url"].(string), nil).Body)
	require.Equal(t, "2.0rc1", s.page(t, "pypi/hello/2.0rc1/json").Object(t)["info"].(map[string]any)["version"])
	require.Equal(t, got, s.page(t, "pypi/hello/json/").Object(t))
	require.Equal(t, 404, s.page(t, "pypi/hello/3/json").Code)
}

func TestPipInstallsByHash(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	file := wheel(t, "hello", "1.0")
	s.create(t, wheelName("hello", "1.0"), file)
	dir := t.TempDir()
	list := filepath.Join(dir, "requirements.txt")
	require.NoError(t, os.WriteFile(list, []byte("hello==1.0 --hash=sha256:"+sum(file)+"\n"), 0o600))
	// New versions come while it installs.
	var out string
	var err error
	var group sync.WaitGroup
	pulptest.Tool(t, "pip")
	group.Go(func() {
		out, err = pip(t, s.url("simple/"), "install", "--require-hashes", "-r", list, "--target", dir)
	})
	for _, version := range []string{"1.1", "1.2", "1.3"} {
		s.create(t, wheelName("hello", version), wheel(t, "hello", version))
	}
	group.Wait()
	require.NoError(t, err, out)
	require.Contains(t, out, "Successfully installed hello-1.0")
	out, err = pip(t, s.ContentURL("py/simple/"), "download", "hello", "--dest", dir)
	require.NoError(t, err, out)
	require.FileExists(t, filepath.Join(dir, "hello-1.3-py3-none-any.whl"))

	require.NoError(t, os.WriteFile(list, []byte("hello==1.0 --hash=sha256:"+strings.Repeat("0", 64)+"\n"), 0o600))
	out, err = pip(t, s.url("simple/"), "download", "--require-hashes", "-r", list, "--dest", t.TempDir())
	require.Error(t, err)
	require.Contains(t, out, "DO NOT MATCH THE HASHES")
}

func TestAPinnedVersionStaysWhateverIsDeleted(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.create(t, "hello-1.0.tar.gz", sdist(t, "hello", "1.0"))
	s.Create(t, "distributions/python/pypi/", object{"name": "p", "base_path": "pinned", "repository_version": s.latest(t)})
	s.create(t, "hello-2.0.tar.gz", sdist(t, "hello", "2.0"))
	middle := s.latest(t)
	s.create(t, "hello-3.0.tar.gz", sdist(t, "hello", "3.0"))
	s.Refused(t, 400, "DELETE", s.latest(t), nil)

	// While somebody reads, the version between is deleted.
	var group sync.WaitGroup
	for path, want := range map[string]int{"py": 3, "pinned": 1} {
		group.Go(func() {
			for range 20 {
				a, err := s.Try("GET", s.Base+"/pypi/"+path+"/simple/hello/", nil)
				if err != nil || a.Code != 200 || strings.Count(string(a.Body), "<a href") != want {
					t.Errorf("%v %+v", err, a)
				}
			}
		})
	}
	task := s.Start(t, "DELETE", middle, nil)
	group.Wait()
	require.Equal(t, "completed", s.Wait(t, task).Text("state"))
	require.Len(t, s.files(t, "hello"), 3)
}

func TestAPublicationIsTheIndexAsFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	file := wheel(t, "hello", "1.0")
	s.create(t, wheelName("hello", "1.0"), file)
	pub := s.Create(t, "publications/python/pypi/", object{"repository": s.repo.Href()})
	s.Create(t, "distributions/python/pypi/", object{"name": "p", "base_path": "files", "publication": pub.Href()})
	s.create(t, wheelName("hello", "2.0"), wheel(t, "hello", "2.0"))
	page := s.Content(t, "files/simple/hello/index.html")
	require.Equal(t, 200, page.Code)
	require.Contains(t, string(page.Body), `href="../../hello-1.0-py3-none-any.whl#sha256=`+sum(file)+`"`)
	require.NotContains(t, string(page.Body), "2.0")
	require.Contains(t, string(s.Content(t, "files/simple/index.html").Body), `<a href="hello/">`)
	require.NotContains(t, string(s.Content(t, "files/simple/hello/").Body), "2.0", "nor is there more in the live index")
	s.Update(t, s.repo.Href(), pulptest.Object{"autopublish": true})
	s.create(t, wheelName("hello", "3.0"), wheel(t, "hello", "3.0"))
	require.Len(t, s.List(t, "publications/python/pypi/"), 2)
}

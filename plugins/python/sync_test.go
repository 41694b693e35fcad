package python_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

// names are those of the packages in the latest version.
func (s *site) names(t *testing.T) (out []string) {
	t.Helper()
	for _, p := range s.List(t, "content/python/packages/", pulptest.Param("repository_version", s.latest(t)), "ordering=filename") {
		out = append(out, p.Text("filename"))
	}
	return out
}

// releases are many wheels and a source distribution of a project.
func releases(t *testing.T, name string, versions ...string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{name + "-" + versions[0] + ".tar.gz": sdist(t, name, versions[0])}
	for _, v := range versions {
		out[wheelName(name, v)] = wheel(t, name, v, "Requires-Dist: six\n")
	}
	return out
}

func TestASyncBringsWhatTheRemotesFieldsChoose(t *testing.T) {
	t.Parallel()
	s := newSite(t, object{})
	hello := releases(t, "hello", "1.0", "1.1", "2.0", "2.1rc1")
	hello["hello-2.0-cp311-cp311-win_amd64.whl"] = wheel(t, "hello", "2.0", "Platform: w\n")
	hello["hello-2.0-cp311-cp311-manylinux_2_17_x86_64.whl"] = wheel(t, "hello", "2.0", "Platform: l\n")
	hello["hello-2.0.exe"] = []byte("MZ")
	s.release(t, "hello", true, hello)
	s.release(t, "other", true, releases(t, "other", "1.0"))
	s.up.Put("simple/", `<html><body><a href="/simple/hello/">hello</a> <a href="other/">Other</a></body></html>`)
	any, win, linux := "hello-%-py3-none-any.whl", "hello-2.0-cp311-cp311-win_amd64.whl", "hello-2.0-cp311-cp311-manylinux_2_17_x86_64.whl"
	of := func(v string) string { return strings.Replace(any, "%", v, 1) }
	for name, c := range map[string]struct {
		fields object
		want   []string
	}{
		"versions":    {object{"includes": []string{"Hello>=1.1,<2"}}, []string{of("1.1")}},
		"wildcard":    {object{"includes": []string{"hello==1.*"}, "package_types": []string{"bdist_wheel"}}, []string{of("1.0"), of("1.1")}},
		"two":         {object{"includes": []string{"hello==1.0", "other"}, "package_types": []string{"sdist"}}, []string{"hello-1.0.tar.gz", "other-1.0.tar.gz"}},
		"excludes":    {object{"includes": []string{"hello"}, "excludes": []string{"hello<2"}}, []string{linux, win, of("2.0")}},
		"all":         {object{"excludes": []string{"hello"}}, []string{"other-1.0-py3-none-any.whl", "other-1.0.tar.gz"}},
		"prereleases": {object{"includes": []string{"hello>2"}, "prereleases": true}, []string{of("2.1rc1")}},
		"named early": {object{"includes": []string{"hello==2.1rc1"}}, []string{of("2.1rc1")}},
		"latest":      {object{"includes": []string{"hello"}, "keep_latest_packages": 2, "exclude_platforms": []string{"windows", "linux"}}, []string{of("1.1"), of("2.0")}},
	} {
		t.Run(name, func(t *testing.T) {
			remote := s.newRemote(t, name, c.fields)
			s.Completes(t, s.repo.Href()+"sync/", object{"remote": remote.Href(), "mirror": true})
			require.Equal(t, c.want, s.names(t))
		})
	}
}

func TestASyncKnowsTheMetadataWithoutTheFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t, object{"includes": []string{"hello"}})
	files := releases(t, "hello", "1.0", "0.9")
	s.release(t, "hello", true, files)
	s.Completes(t, s.repo.Href()+"sync/", object{"remote": s.remote.Href()})
	require.Zero(t, s.up.Hits("files/"+wheelName("hello", "1.0")), "on demand")
	got := s.List(t, "content/python/packages/", "version=1.0", "packagetype=bdist_wheel")
	require.Equal(t, []any{"six"}, got[0]["requires_dist"])
	got = s.List(t, "content/python/packages/", "packagetype=sdist")
	require.Equal(t, []any{"hello", "1.0", ">=3.6"}, []any{got[0]["name"], got[0]["version"], got[0]["requires_python"]})
	page := s.files(t, "hello")
	require.Equal(t, true, page[wheelName("hello", "0.9")].Yanked)
	require.Equal(t, false, page[wheelName("hello", "1.0")].Yanked)
	before := len(s.up.Requests())
	s.Completes(t, s.repo.Href()+"sync/", object{"remote": s.remote.Href()})
	require.Len(t, s.up.Requests(), before+1, "what is here is not read again")
	require.Len(t, s.List(t, s.repo.Href()+"versions/"), 2)

	out, err := pip(t, s.url("simple/"), "install", "hello", "--target", t.TempDir())
	require.NoError(t, err, out)
	require.Contains(t, out, "Successfully installed hello-1.0")
	require.Contains(t, out, "hello-1.0-py3-none-any.whl.metadata", "pip reads metadata first")
	require.Equal(t, 1, s.up.Hits("files/"+wheelName("hello", "1.0")))
}

func TestASyncOfFilesReadsWhatTheySay(t *testing.T) {
	t.Parallel()
	for _, asJSON := range []bool{true, false} {
		s := newSite(t, object{"includes": []string{"hello"}, "policy": "immediate"})
		files := releases(t, "hello", "1.0")
		s.release(t, "hello", asJSON, files)
		s.Completes(t, s.repo.Href()+"sync/", object{"remote": s.remote.Href()})
		for _, p := range s.List(t, "content/python/packages/") {
			require.Equal(t, "says hello", p.Text("summary"))
			require.NotEmpty(t, p.Text("artifact"))
		}
		for path := range s.up.Files() {
			s.up.Remove(path)
		}
		require.Equal(t, files["hello-1.0.tar.gz"], s.page(t, "simple/hello/hello-1.0.tar.gz").Body)
		require.Empty(t, s.Temps(t))
	}
}

func TestAnUpstreamThatChangesDuringASyncFailsItWhole(t *testing.T) {
	t.Parallel()
	s := newSite(t, object{"includes": []string{"hello"}})
	files := releases(t, "hello", "1.0", "1.1")
	s.release(t, "hello", true, files)
	before := s.latest(t)
	immediate := s.newRemote(t, "immediate", object{"includes": []string{"hello"}, "policy": "immediate"})
	for remote, path := range map[string]string{s.remote.Href(): "files/" + wheelName("hello", "1.1") + ".metadata", immediate.Href(): "files/" + wheelName("hello", "1.1")} {
		s.up.Answer(path, pulptest.WrongBytes)
		failed := s.Fails(t, s.repo.Href()+"sync/", object{"remote": remote})
		require.Contains(t, failed, "hello-1.1-py3-none-any.whl")
		s.up.Answer(path, pulptest.Status(404))
		require.Contains(t, s.Fails(t, s.repo.Href()+"sync/", object{"remote": remote}), "hello-1.1-py3-none-any.whl")
		s.up.Answer(path, nil)
	}
	require.Equal(t, before, s.latest(t))
	require.Empty(t, s.Temps(t))
	for page, want := range map[string]string{
		`{"files":[{"filename":"hello-1.0.tar.gz","url":"file:///etc/passwd","hashes":{"sha256":"` + strings.Repeat("a", 64) + `"}}]}`: "no link to a file on a server",
		`{"files":[{"filename":"hello-1.0.tar.gz","url":"x","hashes":{"sha256":"12"}}]}`:                                               "sha256",
		`{"files":[{"filename":"hello-1.0.tar.gz","url":"x","size":-5}]}`:                                                              "size",
		`{"files":`: "JSON",
	} {
		s.up.Answer("simple/hello/", served("application/vnd.pypi.simple.v1+json", page))
		require.Contains(t, s.Fails(t, s.repo.Href()+"sync/", object{"remote": s.remote.Href()}), want)
	}
	s.up.Answer("simple/hello/", served("text/csv", "hello"))
	require.Contains(t, s.Fails(t, s.repo.Href()+"sync/", object{"remote": s.remote.Href()}), "neither JSON nor HTML")
	s.up.Answer("simple/hello/", pulptest.Status(404))
	require.Contains(t, s.Fails(t, s.repo.Href()+"sync/", object{"remote": s.remote.Href()}), "simple/hello/: server refused")
}

func TestAHostilePackageOfARemoteIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, object{"policy": "immediate"})
	hostile := map[string][]byte{
		"hello-1.0.tar.gz":        tarOf(t, "hello-1.0/PKG-INFO", metadataOf("hello", "1.0"), "../x", "x"),
		wheelName("hello", "1.0"): zipOf(t, "x.dist-info/METADATA", metadataOf("evil", "1.0")),
	}
	s.release(t, "hello", false, hostile)
	for name, kind := range map[string]string{"hello-1.0.tar.gz": "sdist", wheelName("hello", "1.0"): "bdist_wheel"} {
		remote := s.newRemote(t, name, object{"includes": []string{"hello"}, "policy": "immediate", "package_types": []string{kind}})
		require.Contains(t, s.Fails(t, s.repo.Href()+"sync/", object{"remote": remote.Href()}), name)
		require.Equal(t, 502, s.page(t, "simple/hello/"+name).Code)
	}
	require.Empty(t, s.List(t, "content/python/packages/"))
	require.Empty(t, s.Temps(t))
}

func TestARemoteThatMeansNothingIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, object{})
	fields := object{"name": "x", "url": s.up.URL(""), "includes": []string{"django >= 4", "a @ https://x", "b; python_version<'3'", "c==x"}, "excludes": []string{"../x"},
		"package_types": []string{"sdist", "deb"}, "exclude_platforms": []string{"beos"}, "keep_latest_packages": -1}
	bad := s.Refused(t, 400, "POST", "remotes/python/python/", fields).Object(t)
	require.Equal(t, []any{`"deb" is not a valid choice.`}, bad["package_types"])
	require.Equal(t, []any{`"beos" is not a valid choice.`}, bad["exclude_platforms"])
	require.Contains(t, bad, "keep_latest_packages")
	require.Len(t, bad, 3)
	fields["package_types"], fields["exclude_platforms"], fields["keep_latest_packages"] = []string{"sdist"}, []string{"linux"}, 1
	bad = s.Refused(t, 400, "POST", "remotes/python/python/", fields).Object(t)
	require.Len(t, bad["includes"], 3)
	require.Len(t, bad, 2)
}

func TestARemoteIsMadeOfTheConfigurationOfBandersnatch(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	const config = "[mirror]\nmaster = https://pypi.org\n[plugins]\nenabled = allowlist_project\n[allowlist]\npackages =\n    django>=4\n    six\n"
	made := func(form pulptest.Form) object {
		a := s.Do(t, "POST", "remotes/python/python/from_bandersnatch/", form)
		require.Equal(t, 201, a.Code, "%s", a.Body)
		return s.Get(t, a.Object(t).Href())
	}
	got := made(pulptest.Form{"config": []byte(config), "name": "one"})
	require.Equal(t, []string{"django>=4", "six"}, got.Texts("includes"))
	require.Equal(t, []any{"one", "https://pypi.org", "on_demand", true}, []any{got["name"], got["url"], got["policy"], got["prereleases"]})
	got = made(pulptest.Form{"config": []byte(config), "name": "two", "policy": "immediate", "url": "https://example.org/"})
	require.Equal(t, []any{"https://example.org/", "immediate"}, []any{got["url"], got["policy"]}, "what the client says counts first")
	for want, form := range map[string]pulptest.Form{
		"config":   {"name": "three", "config": []byte("hello")},
		"name":     {"config": []byte(config)},
		"includes": {"name": "three", "config": []byte(strings.Replace(config, "six", "six;x", 1))},
	} {
		require.Contains(t, s.Refused(t, 400, "POST", "remotes/python/python/from_bandersnatch/", form).Object(t), want)
	}
	require.Contains(t, s.Refused(t, 400, "POST", "remotes/python/python/from_bandersnatch/", pulptest.Form{"name": "three"}).Object(t), "config")
	require.Len(t, s.List(t, "remotes/python/python/"), 2)
}

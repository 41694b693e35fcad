package pep_test

import (
	"bytes"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/python/internal/pep"
)

func TestNamesOfFilesSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Foo_Bar-1.0-py3-none-any.whl": "1.0", "foo.bar-1.0-1-cp311-abi3-linux_x86_64.whl": "1.0", "foo-bar-1.0.tar.gz": "1.0", "foo_bar-1.0-1.tar.gz": "1.0-1", "foo-bar-1!2.0+local.zip": "1!2.0+local",
		"foo-bar-baz-1.0.tar.gz": "", "foo-1.0.tar.gz": "", "foo-bar.tar.gz": "", "foo-bar-.tar.gz": "", "foo_bar-1.0-py3-none.whl": "", "foo-bar-1.0.exe": "", "../foo-bar-1.0.zip": "", "foo-bar-1.0/x.zip": "", ".whl": "", "foo-bar-x.zip": "",
	} {
		f, err := pep.ParseFilename(name, "Foo.Bar")
		if want == "" {
			require.Error(t, err, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, []string{"foo-bar", want}, []string{f.Project, f.Version}, name)
	}
}

func TestRequirementsChooseVersions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a": "1.0 1.5 2.0", "A": "1.0 1.5 2.0", "a[x,y] (>=1.5)": "1.5 2.0", "a ~= 1.0": "1.0 1.5", "a==1.*": "1.0 1.5", "a!=1.5,<3": "1.0 2.0", "a>=2.0a1": "2.0a1 2.0", "a===1.5": "1.5", "b": "",
	} {
		r, err := pep.ParseRequirement(text)
		require.NoError(t, err, text)
		var got []string
		for _, v := range strings.Fields("1.0 1.5 2.0a1 2.0") {
			if r.Takes(&pep.Filename{Project: "a", Version: v}, false) {
				got = append(got, v)
			}
		}
		require.Equal(t, want, strings.Join(got, " "), text)
	}
	for _, text := range []string{"", ">=1", "a b", "a=1", "a 1", "a>=", "a>=1,", "a==1.x", "a; os_name=='x'", "a @ http://x", "a>=1||<3", "a(", "a>=1.*", "../a", "a==" + strings.Repeat("1", 300)} {
		_, err := pep.ParseRequirement(text)
		require.Error(t, err, text)
	}
}

func TestWhatWasWrittenIsReadAgain(t *testing.T) {
	t.Parallel()
	size := int64(5)
	page := pep.NewProject("a", []pep.File{
		{Filename: "a-1.0.tar.gz", URL: "a-1.0.tar.gz", Hashes: map[string]string{"sha256": strings.Repeat("ab", 32)}, RequiresPython: ">=3", Size: &size, Yanked: pep.Mark{Set: true, Why: "it \"breaks\""}},
		{Filename: "a-1.0-py3-none-any.whl", URL: "x/a-1.0-py3-none-any.whl", Hashes: map[string]string{}, Metadata: pep.Mark{Set: true, Why: "sha256=" + strings.Repeat("cd", 32)}},
		{Filename: "b-1.0.tar.gz", URL: "b"},
	})
	for _, form := range []string{pep.JSON, pep.HTML, pep.Text} {
		got, err := pep.ReadProject(&pulp.Document{Text: rendered(t, page, form), Type: form, URL: "https://example.org/simple/a/"}, "a")
		require.NoError(t, err)
		require.Len(t, got, 2, "what is of another project is passed over")
		wheel, source := got[0], got[1]
		require.Equal(t, "https://example.org/simple/a/x/a-1.0-py3-none-any.whl", wheel.URL)
		require.Equal(t, pep.Mark{Set: true, Why: "sha256=" + strings.Repeat("cd", 32)}, wheel.Metadata)
		require.Nil(t, wheel.Yanked.Reason())
		require.Equal(t, strings.Repeat("ab", 32), source.SHA256())
		require.Equal(t, ">=3", source.RequiresPython)
		require.Equal(t, `it "breaks"`, *source.Yanked.Reason())
		names, err := pep.ReadProjects(&pulp.Document{Text: rendered(t, pep.List([]string{"a", "b-c"}), form), Type: form})
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b-c"}, names)
	}
}

func rendered(t *testing.T, page interface{ Render(io.Writer, string) error }, form string) []byte {
	t.Helper()
	var text bytes.Buffer
	require.NoError(t, page.Render(&text, form))
	return text.Bytes()
}

func TestWhatBandersnatchIsToldIsReadAsFarAsItCounts(t *testing.T) {
	t.Parallel()
	lists := "[mirror]\nmaster = https://pypi.org ; the one\n[allowlist]\npackages =\n    black\n    # not this\n    requests>=2,<3 # as we say\n" +
		"[blocklist]\npackages =\n    black==1.0\nplatforms =\n    windows\n[latest_release]\nkeep = 3\n"
	for enabled, want := range map[string]map[string]any{
		"all": {"prereleases": false, "includes": []string{"black", "requests>=2,<3"}, "excludes": []string{"black==1.0"}, "exclude_platforms": []string{"windows"}, "keep_latest_packages": int64(3)},
		"":    {"prereleases": true},
		"\n    allowlist_project\n    prerelease_release": {"prereleases": false, "includes": []string{"black", "requests>=2,<3"}},
	} {
		want["url"] = "https://pypi.org"
		got, err := pep.ReadBandersnatch([]byte(lists + "[plugins]\nenabled = " + enabled + "\n"))
		require.NoError(t, err)
		require.Equal(t, want, got, enabled)
	}
	for _, bad := range []string{"", "hello", "[mirror]\n", "[mirror", "[mirror]\nmaster = x\n[plugins]\nenabled = all\n[latest_release]\nkeep = many\n"} {
		_, err := pep.ReadBandersnatch([]byte(bad))
		require.Error(t, err, bad)
	}
}

func FuzzBandersnatch(f *testing.F) {
	f.Add([]byte("[mirror]\nmaster = x\n[plugins]\nenabled = all\n[allowlist]\npackages =\n  a\n  b\n"))
	f.Add([]byte("[mirror]\nmaster = %(x)s\nx = %(master)s\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, err := pep.ReadBandersnatch(text); err == nil {
			require.NotEmpty(t, got["url"])
		}
	})
}

func TestRanksAreInTheOrderOfVersions(t *testing.T) {
	t.Parallel()
	// As PEP 440 says.
	versions := strings.Fields("1.dev0 1.0.dev456 1.0a1.dev1 1.0a1 1.0a2.dev456 1.0a12.dev456 1.0a12 1.0b1.dev456 1.0b2 1.0b2.post345.dev456 1.0b2.post345 " +
		"1.0rc1.dev456 1.0rc1 1.0 1.0+abc.5 1.0+abc.7 1.0+5 1.0+5.a 1.0+10 1.0.post456.dev34 1.0.post456 1.0.15 1.1.dev1 1.9 1.10 10 20240101 1!0.1")
	for i := range versions[1:] {
		a, err := pep.Rank(versions[i])
		require.NoError(t, err)
		b, err := pep.Rank(versions[i+1])
		require.NoError(t, err)
		require.Less(t, a, b, "%s %s", versions[i], versions[i+1])
	}
	one, _ := pep.Rank("1.0")
	same, _ := pep.Rank("v1.00.0")
	require.Equal(t, one, same)
}

func FuzzRank(f *testing.F) {
	for _, seed := range []string{"1.0 1.0.0", "1.0a1 1.0.dev1", "1+a.1 1+a.b", "1!0 2", "1.0-1 1.0.post1", "1.0+A_b 1.0+a.b.0", "1.0.post0 1.0.dev0"} {
		a, b, _ := strings.Cut(seed, " ")
		f.Add(a, b)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		v, err := pep.ParseVersion(a)
		if err != nil {
			return
		}
		w, err := pep.ParseVersion(b)
		if err != nil {
			return
		}
		x, err := pep.Rank(a)
		require.NoError(t, err)
		y, err := pep.Rank(b)
		require.NoError(t, err)
		require.Equal(t, v.Compare(w), strings.Compare(x, y), "%s %s", x, y)
	})
}

func FuzzFilename(f *testing.F) {
	for _, seed := range []string{"Foo_Bar-1.0-py3-none-any.whl", "foo-bar-1.0.tar.gz", "-.zip", "foo_bar-.whl", "foo-bar-1.0-2-3-4-5.whl"} {
		f.Add(seed, "foo-bar")
	}
	f.Fuzz(func(t *testing.T, name, project string) {
		got, err := pep.ParseFilename(name, project)
		if err != nil {
			require.Less(t, len(err.Error()), 1000)
			return
		}
		require.True(t, pulp.CanonicalPath(name) && !strings.Contains(name, "/"), name)
		if project != "" {
			require.Equal(t, pep.Normalize(project), got.Project)
			require.Equal(t, 0, pep.Newer(got.Version, got.Version))
		}
	})
}

func FuzzRequirement(f *testing.F) {
	for _, seed := range []string{"a", "a[x] (>=1,<2)", "a~=1.0.post1", "a==1.*", "a===x", "a!=1!2.0+l", "a==1.0a1.*", "a~=2.dev0"} {
		f.Add(seed, "1.0")
	}
	f.Fuzz(func(t *testing.T, text, version string) {
		if r, err := pep.ParseRequirement(text); err == nil {
			r.Takes(&pep.Filename{Project: r.Project, Version: version}, true)
		}
	})
}

func FuzzCore(f *testing.F) {
	for _, seed := range []string{"Name: a\nVersion: 1\n\nbody", "Name: a\nVersion: 1\nSummary: x\n y\nno field\n", "", "\n", "Name: a\r\nVersion: 1\r\nProject-URL: x", "Name: UNKNOWN\nVersion: \xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := pep.ReadCore(text)
		if err != nil {
			require.Less(t, len(err.Error()), 1000)
			return
		}
		require.Regexp(t, `^[A-Za-z0-9._-]+$`, c.Name)
		require.NotContains(t, c.Version, "/")
	})
}

func FuzzPage(f *testing.F) {
	for _, seed := range []string{`{"files":[{"filename":"a-1.zip","url":"../x","hashes":{"sha256":""},"yanked":"why","core-metadata":{"sha256":"x"}}]}`, `<a href="../a-1.zip#sha256=12" data-yanked>a</a>`, "<!DOCTYPE html><a", `{"files":[{"core-metadata":3}]}`, "null"} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, text []byte, asJSON bool) {
		doc := &pulp.Document{Text: text, Type: pep.Text, URL: "https://example.org/simple/a/"}
		if asJSON {
			doc.Type = pep.JSON
		}
		_, _ = pep.ReadProjects(doc)
		files, err := pep.ReadProject(doc, "a")
		for _, file := range files {
			u, bad := url.Parse(file.URL)
			require.NoError(t, bad)
			require.Contains(t, []string{"http", "https"}, u.Scheme)
			require.Contains(t, []int{0, 64}, len(file.SHA256()))
		}
		if err == nil {
			rendered(t, pep.NewProject("a", files), doc.Type)
		}
	})
}

func FuzzArchive(f *testing.F) {
	f.Add([]byte("PK\x05\x06"+strings.Repeat("\x00", 18)), ".whl")
	f.Add([]byte("\x1f\x8b"), ".tar.gz")
	f.Fuzz(func(t *testing.T, data []byte, ending string) {
		switch ending {
		case ".whl", ".zip", ".tar.gz", ".tar.bz2":
			_, _ = pep.MetadataIn(ending, bytes.NewReader(data), int64(len(data)))
		}
	})
}

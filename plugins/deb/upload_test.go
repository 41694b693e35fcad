package deb_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/deb"
	"github.com/gopulp/pulp/pulptest"
)

func gunzip(t *testing.T, b []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(b))
	require.NoError(t, err)
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	return out
}

func TestAnUploadSaysWhatThePackageIs(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	got := app.Do(t, "POST", "content/deb/packages/upload/", pulptest.Form{"file": build(t, "hello", "2:1.0-3", "all", "Depends: libc6\nPre-Depends: dpkg\n")}).Object(t)
	require.Equal(t, "hello", got.Text("package"))
	require.Equal(t, "2:1.0-3", got.Text("version"))
	require.Equal(t, "libc6", got.Text("depends"))
	require.Equal(t, "dpkg", got.Text("pre_depends"))
	require.Equal(t, "a test\n of packages", got.Text("description"))
	require.Equal(t, "pool/upload/h/hello/hello_1.0-3_all.deb", got.Text("relative_path"))
	require.NotContains(t, got, "control")
}

func TestHostilePackagesAreRefused(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	good := build(t, "hello", "1.0", "amd64")
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":        {nil, "ar archive"},
		"text":         {[]byte("hello"), "ar archive"},
		"cut off":      {good[:100], "the file ends"},
		"cut off late": {good[:len(good)-60], "cut off in data.tar.gz"},
		"no data":      {good[:bytes.Index(good, []byte("data.tar"))], "data.tar is not where it must be: the file ends"},
		"other order":  {bytes.Replace(good, []byte("debian-binary "), []byte("data.tar      "), 1), "debian-binary is not where"},
		"bomb":         {pack(archive(t, "./control", "X: "+strings.Repeat("x", 30<<20)), nil), "more than"},
		"many fields":  {build(t, "hello", "1.0", "amd64", manyFields()), "after 500 others"},
		"no control":   {pack(archive(t, "./other", "Package: a"), nil), "there are 0 of the file that is wanted"},
		"traversal":    {build(t, "../hello", "1.0", "amd64"), "Package"},
		"version":      {build(t, "hello", "1.0/..", "amd64"), "Version"},
		"architecture": {build(t, "hello", "1.0", "../x"), "Architecture"},
		"twice":        {build(t, "hello", "1.0", "amd64", "Version: 2.0\n"), "twice"},
		"two":          {build(t, "hello", "1.0", "amd64", "\nPackage: b\n"), "empty line"},
	} {
		t.Run(name, func(t *testing.T) {
			a := app.Refused(t, 400, "POST", "content/deb/packages/upload/", pulptest.Form{"file": c.file})
			require.Contains(t, string(a.Body), c.want)
			require.Less(t, len(a.Body), 1000)
		})
	}
	require.Empty(t, app.List(t, "content/deb/packages/"))
	bad := app.Refused(t, 400, "POST", "content/deb/packages/", pulptest.Form{"file": good, "distribution": "../x"})
	require.Contains(t, string(bad.Body), "distribution")
}

func TestThePackageUploadedTwiceAtOnceIsThereOnce(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	file := build(t, "hello", "1.0", "amd64")
	repo := app.Create(t, "repositories/deb/apt/", object{"name": "r"})
	var group sync.WaitGroup
	tasks := make([]string, 4)
	for i := range tasks {
		group.Go(func() {
			a, err := app.Try("POST", "content/deb/packages/", pulptest.Form{"file": file, "repository": repo.Href(), "distribution": "stable"})
			if err == nil {
				tasks[i] = a.Object(t).Text("task")
			}
		})
	}
	group.Wait()
	for _, task := range tasks {
		require.NotEmpty(t, task)
		require.Equal(t, "completed", app.Wait(t, task).Text("state"))
	}
	require.Len(t, app.List(t, "content/deb/packages/"), 1)
	require.Len(t, app.List(t, repo.Href()+"versions/"), 2, "one version with it")
}

func FuzzStanzas(f *testing.F) {
	for _, seed := range []string{"", "A: b\n\n\n\nSize: 1\n\nC:", "A: b\n", "A: b\n c\n .\n d\nE:\n f\n\nG: h", "# c\nA:b\r\n", " x", "A\x00:"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := deb.ReadStanzas(bytes.NewReader(text))
		if err != nil {
			require.ErrorContains(t, err, "paragraph ")
		}
		again, err := deb.ReadStanzas(strings.NewReader(strings.Join(got, "\n")))
		require.NoError(t, err)
		got = slices.DeleteFunc(got, func(text string) bool { return text == "" }) // of own fields alone
		require.Equal(t, got, again, "what is written is read again")
	})
}

func FuzzPackage(f *testing.F) {
	f.Add(build(f, "hello", "1.0", "amd64"))
	f.Add([]byte("!<arch>\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := deb.Inspect(bytes.NewReader(data))
		if err == nil {
			require.NotEmpty(t, p.Package)
			require.NotContains(t, p.Package+p.Version+p.Architecture, "/")
		}
	})
}

func FuzzRelease(f *testing.F) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	sum := strings.Repeat("ab", 32)
	for _, seed := range []string{"", "SHA256:\n " + sum + " 12 main/binary-amd64/Packages\n", "Valid-Until: Sat, 10 Feb 2024 10:00:00 UTC\nSHA256:", "SHA256: " + sum + " 1 ../x", "SHA256:\n  a\n\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := deb.Vouched(data, now)
		if err != nil {
			require.Less(t, len(err.Error()), 2000)
		}
		for path, size := range got {
			require.True(t, strings.HasPrefix(path, "dists/stable/") && pulp.ValidPath(path), path)
			require.GreaterOrEqual(t, size, int64(0))
		}
	})
}

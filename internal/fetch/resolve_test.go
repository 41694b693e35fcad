package fetch_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/gopulp/pulp/internal/fetch"
	"github.com/stretchr/testify/require"
)

func TestAPathIsResolvedBesideItsManifest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ base, path, want string }{
		{"http://h/dir/PULP_MANIFEST", "a/b.iso", "http://h/dir/a/b.iso"},
		{"http://h/dir/", "a", "http://h/dir/a"},
		{"http://h", "a", "http://h/a"},
		{"https://h:8443/d/M?token=x#y", "a", "https://h:8443/d/a"},
		{"http://h/a%20b/c%2Fd", "x", "http://h/a%20b/x"},
		{"http://h/a%2Fb/M", "x", "http://h/a%2Fb/x"},
		{"http://h//x//M", "y", "http://h//x//y"},
		{"http://h/M", "100%, really?.txt#1", "http://h/100%25%2C%20really%3F.txt%231"},
		{"http://h/M", "%2e%2e/x", "http://h/%252e%252e/x"},
		{"http://h/M", "ü/文", "http://h/%C3%BC/%E6%96%87"},
		{"http://h/M", "http:x", "http://h/http:x"},
		{"file:///srv/import/M", "a b", "file:///srv/import/a%20b"},
	} {
		got, err := fetch.Resolve(c.base, c.path)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
}

func TestAPathCannotLeaveTheDirectory(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", ".", "..", "/a", "a/", "a//b", "a/../b", "./a", "a/.", `a\b`, "a\x00b", "a\nb", "a\u0085b", "\xff", "http://other/x", "//other/x"} {
		_, err := fetch.Resolve("http://h/dir/M", path)
		require.ErrorIs(t, err, fetch.ErrScheme, "%q", path)
	}
	for _, base := range []string{"", "dir/M", "ftp://h/M", "http://joe:canary@h/M", "http:///M"} {
		_, err := fetch.Resolve(base, "a")
		require.ErrorIs(t, err, fetch.ErrScheme, base)
		require.NotContains(t, err.Error(), "canary")
	}
}

func FuzzResolve(f *testing.F) {
	f.Add("http://h/dir/M", "a/b c,d%?#")
	f.Add("https://h:1/%2F/a%2Fb?x", "ü:@!$&'()*+;=")
	f.Add("file:///srv/M", "..")
	f.Add("http://[fe80::1%25en0]:80/x", "~")
	f.Fuzz(func(t *testing.T, base, path string) {
		got, err := fetch.Resolve(base, path)
		if err != nil {
			return
		}
		b, err := url.Parse(base)
		require.NoError(t, err)
		g, err := url.Parse(got)
		require.NoError(t, err)
		require.Equal(t, b.Scheme, g.Scheme)
		require.Equal(t, b.Host, g.Host)
		require.Empty(t, g.RawQuery+g.Fragment)
		require.Nil(t, g.User)
		dir := b.EscapedPath()
		dir = dir[:strings.LastIndex(dir, "/")+1]
		if dir == "" {
			dir = "/"
		}
		rest, ok := strings.CutPrefix(g.EscapedPath(), dir)
		require.True(t, ok, "%s is not below %s", got, dir)
		plain, err := url.PathUnescape(rest)
		require.NoError(t, err)
		require.Equal(t, path, plain)
		require.Equal(t, strings.Count(path, "/"), strings.Count(rest, "/"))
	})
}

func FuzzValidURL(f *testing.F) {
	f.Add("http://h/")
	f.Add("file:///srv/import/../x")
	f.Add("http://joe:canary@h/?x#y")
	f.Fuzz(func(t *testing.T, raw string) {
		if fetch.ValidURL(raw, []string{"/srv/import"}) != nil {
			return
		}
		u, err := url.Parse(raw)
		require.NoError(t, err)
		require.Nil(t, u.User)
		if u.Scheme == "file" {
			require.True(t, strings.HasPrefix(u.Path, "/srv/import") || strings.HasPrefix(strings.ReplaceAll(u.Path, "/", ""), "srvimport"))
		} else {
			require.NotEmpty(t, u.Hostname())
		}
	})
}

func ExampleResolve() {
	fmt.Println(fetch.Resolve("https://example.com/files/PULP_MANIFEST", "disk images/1.iso"))
	// Output: https://example.com/files/disk%20images/1.iso <nil>
}

package pulp_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

// fill makes a published repository with files of their own names, distributed at a base path.
func (s *site) fill(t *testing.T, base string, paths ...string) (repo object) {
	t.Helper()
	repo = s.repository(t, object{"manifest": nil, "autopublish": true})
	up := pulptest.NewUpstream(t)
	for _, p := range paths {
		up.Put(p, "bytes of "+p)
	}
	s.sync(t, repo, s.remote(t, up))
	s.distribute(t, base, object{"repository": repo.Href()})
	return repo
}

func TestServedFilesAnswerConditionsAndRanges(t *testing.T) {
	t.Parallel()
	clock := pulptest.NewClock()
	s := newFiles(t, pulptest.Time(clock))
	when := clock.Now()
	s.fill(t, "d", "a.txt")
	const body = "bytes of a.txt"
	require.Empty(t, s.Content(t, "d/a.txt").Header.Get("Last-Modified"), "other bytes may come in the same second")
	s.Advance(t, time.Second)
	whole := s.Content(t, "d/a.txt")
	require.Equal(t, body, string(whole.Body))
	tag, date := whole.Header.Get("ETag"), whole.Header.Get("Last-Modified")
	require.NotEmpty(t, tag)
	require.NotEmpty(t, date)
	require.Equal(t, "14", whole.Header.Get("X-Pulp-Artifact-Size"))
	for _, c := range []struct {
		headers []string
		code    int
		body    string
	}{
		{[]string{"Range", "bytes=0-4"}, 206, body[:5]},
		{[]string{"Range", "bytes=9-"}, 206, body[9:]},
		{[]string{"Range", "bytes=-3"}, 206, body[11:]},
		{[]string{"Range", "bytes=9-100"}, 206, body[9:]},
		{[]string{"Range", "bytes=14-"}, 416, ""},
		{[]string{"Range", "bytes=0-4", "If-Range", tag}, 206, body[:5]},
		{[]string{"Range", "bytes=0-4", "If-Range", `"other"`}, 200, body},
		{[]string{"If-None-Match", tag}, 304, ""},
		{[]string{"If-None-Match", `"other"`}, 200, body},
		{[]string{"If-Modified-Since", date}, 304, ""},
		{[]string{"If-Modified-Since", when.UTC().Format(http.TimeFormat)}, 200, body}, // who asked in the second of the change
		{[]string{"If-Match", `"other"`}, 412, ""},
	} {
		a := s.Content(t, "d/a.txt", c.headers...)
		require.Equal(t, c.code, a.Code, "%v", c.headers)
		if c.code < 300 {
			require.Equal(t, c.body, string(a.Body), "%v", c.headers)
		}
		if c.code == 416 {
			require.Equal(t, "bytes */14", a.Header.Get("Content-Range"))
		}
	}
	head := s.Do(t, "HEAD", s.ContentURL("d/a.txt"), nil)
	require.Equal(t, 200, head.Code)
	require.Equal(t, "14", head.Header.Get("Content-Length"))
	require.Equal(t, tag, head.Header.Get("ETag"))
	require.Empty(t, head.Body)
}

// entries are the names and references of a listing's page.
func entries(page string) map[string]string {
	out := map[string]string{}
	for _, line := range strings.Split(page, "\n") {
		_, rest, ok := strings.Cut(line, `<a href="`)
		ref, rest, _ := strings.Cut(rest, `">`)
		name, _, _ := strings.Cut(rest, "</a>")
		if ok && name != "../" {
			out[name] = ref
		}
	}
	return out
}

func TestDirectoriesAreListed(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	paths := []string{"a b.txt", "a,b", "é.txt", "50%", "%41", "<i>", "q?", "x:y", "dir/one", "dir/two", "dir-1/x", "dir.txt", "dir0", "a/b/c/d/e/f/g"}
	many := 1200
	if testing.Short() {
		many = 20
	}
	for i := range many {
		paths = append(paths, fmt.Sprintf("many/%04d/x", i), fmt.Sprintf("many/%04d/y", i))
	}
	s.fill(t, "d", paths...)
	root := s.Content(t, "d/")
	require.Equal(t, 200, root.Code)
	require.Equal(t, map[string]string{
		"a b.txt": "a%20b.txt", "a,b": "a%2Cb", "é.txt": "%C3%A9.txt", "50%": "50%25", "%41": "%2541", "&lt;i&gt;": "%3Ci%3E", "q?": "q%3F", "x:y": "./x:y",
		"dir/": "dir/", "dir-1/": "dir-1/", "dir.txt": "dir.txt", "dir0": "dir0", "a/": "a/", "many/": "many/",
	}, entries(string(root.Body)))
	for name, ref := range entries(string(root.Body)) {
		require.Equal(t, 200, s.Do(t, "GET", s.ContentURL("d/")+strings.TrimPrefix(ref, "./"), nil).Code, name)
	}
	require.Len(t, entries(string(s.Content(t, "d/many/").Body)), many)
	require.Equal(t, map[string]string{"x": "x", "y": "y"}, entries(string(s.Content(t, "d/many/0007/").Body)))
	require.Equal(t, map[string]string{"g": "g"}, entries(string(s.Content(t, "d/a/b/c/d/e/f/").Body)))
	require.Equal(t, 404, s.Content(t, "d/nothing/").Code)
	require.Equal(t, 404, s.Content(t, "d/dir.txt/").Code)
	require.Equal(t, 404, s.Content(t, "d/di").Code)
	require.Equal(t, "d/", entries(string(s.Content(t, "").Body))["d/"])
}

func TestIndexPageStandsForItsDirectory(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	s.fill(t, "d", "index.html", "sub/index.html", "sub/other")
	require.Equal(t, "bytes of index.html", string(s.Content(t, "d/").Body))
	require.Equal(t, "bytes of sub/index.html", string(s.Content(t, "d/sub/").Body))
	require.Equal(t, "bytes of sub/index.html", string(s.Content(t, "d/sub").Body), "after a redirect")
}

func TestDistributionsServeWhatTheyPointAt(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	var versions, publications []string
	for _, body := range []string{"1", "2", "3"} {
		s.modify(t, repo, object{"add_content_units": []string{s.unit(t, "a", body)}})
		versions = append(versions, s.latest(t, repo))
		if body != "3" {
			publications = append(publications, s.publish(t, object{"repository": repo.Href()}).Href())
		}
	}
	s.distribute(t, "repository", object{"repository": repo.Href()})
	s.distribute(t, "version", object{"repository_version": versions[0]})
	s.distribute(t, "unpublished", object{"repository_version": versions[2]})
	s.distribute(t, "publication", object{"publication": publications[0]})
	s.distribute(t, "nothing", object{})
	s.distribute(t, "deep/er/x", object{"publication": publications[0]})
	s.distribute(t, "hidden/x", object{"publication": publications[0], "hidden": true})
	for path, want := range map[string]string{"repository/a": "2", "version/a": "1", "publication/a": "1", "deep/er/x/a": "1", "hidden/x/a": "1"} {
		require.Equal(t, want, string(s.Content(t, path).Body), path)
	}
	for _, path := range []string{"unpublished/a", "unpublished/", "nothing/", "nothing/a", "repository/b", "no/such", "rep", "hidden/", "hidden", "repository/a/b", "repository/../publication/a"} {
		require.Equal(t, 404, s.Content(t, path).Code, path)
	}
	require.Contains(t, string(s.Content(t, "nothing/").Body), "not pointing to a publication")
	require.Equal(t, map[string]string{"er/": "er/"}, entries(string(s.Content(t, "deep").Body)), "after a redirect")
	require.NotContains(t, entries(string(s.Content(t, "").Body)), "hidden/")
	s.publish(t, object{"repository": repo.Href()})
	require.Equal(t, "3", string(s.Content(t, "repository/a").Body))
	require.Equal(t, "3", string(s.Content(t, "unpublished/a").Body))
}

func TestDistributionsTellSinceWhenTheyAreAsTheyAre(t *testing.T) {
	t.Parallel()
	s, _ := newBoxSite(t)
	up := pulptest.NewUpstream(t)
	repo, boxes := s.repository(t), s.boxes(t)
	s.Wait(t, s.syncBoxes(t, boxes, up, false, box(up, "a", "1", "a")))
	pub := s.publish(t, object{"repository": repo.Href()})
	for name, c := range map[string]struct {
		path string
		of   object
		want any
	}{
		"publication":   {fileDistributions, object{"publication": pub.Href()}, pub.Text("pulp_created")},
		"repository":    {fileDistributions, object{"repository": repo.Href()}, nil},
		"version":       {fileDistributions, object{"repository_version": repo.Href() + "versions/0/"}, nil},
		"nothing":       {fileDistributions, object{}, nil},
		"plain version": {"distributions/box/box/", object{"repository_version": s.latest(t, boxes)}, s.Get(t, s.latest(t, boxes)).Text("pulp_created")},
	} {
		made := s.Create(t, c.path, s.with([]object{c.of}, object{"base_path": s.name()}))
		require.Equal(t, c.want, made["no_content_change_since"], name)
	}
	require.Len(t, s.List(t, "distributions/"), 5)
}

func TestBlobThatIsGoneIsAnErrorAndNoPanic(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	s.fill(t, "d", "a")
	require.NoError(t, os.RemoveAll(filepath.Join(s.Dir, "media", "artifact")))
	a := s.Content(t, "d/a")
	require.Equal(t, 500, a.Code)
	require.Contains(t, s.Log.String(), "open artifact")
	require.NotContains(t, s.Log.String(), "panic")
	require.NotContains(t, string(a.Body), s.Dir)
}

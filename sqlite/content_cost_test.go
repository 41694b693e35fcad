package sqlite_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/pulptest"
	"github.com/gopulp/pulp/sqlite"
)

// A warehouse measures what an App's repositories cost in pages of the database. Tasks run while
// they are asked for, and nothing happens beside.
type warehouse struct {
	*pulptest.App
	db *sqlite.DB
}

func newWarehouse(t *testing.T) *warehouse {
	app := pulptest.New(t, pulptest.Inline(), pulptest.Plugins(file.Plugin()),
		pulptest.SQLite(sqlite.Synchronous(sqlite.Off), sqlite.Readers(1)))
	return &warehouse{app, app.DB().(*sqlite.DB)}
}

// longManifest serves manifests of as many lines as the last part of the path says.
func longManifest(w http.ResponseWriter, r *http.Request) {
	lines, _ := strconv.Atoi(path.Base(r.URL.Path))
	out := bufio.NewWriter(w)
	defer out.Flush()
	for i := range lines {
		fmt.Fprintf(out, "dir%d/a name of usual length %d of %d.bin,%064x,%d\n", i%1000, i, lines, uint64(i)*0x9E3779B97F4A7C15+uint64(lines), i)
	}
}

// fill makes a repository of n units that are known and not here.
func (w *warehouse) fill(t *testing.T, upstream string, n int) (repo pulptest.Object) {
	name := fmt.Sprintf("r%d", n)
	remote := w.Create(t, "remotes/file/file/", pulptest.Object{"name": name, "url": fmt.Sprintf("%s/%d", upstream, n), "policy": "on_demand"})
	repo = w.Create(t, "repositories/file/file/", pulptest.Object{"name": name})
	w.Completes(t, repo.Href()+"sync/", pulptest.Object{"remote": remote.Href()})
	require.Equal(t, n, w.present(t, repo.Href()+"versions/1/"))
	return repo
}

func (w *warehouse) present(t *testing.T, version string) int {
	return w.Get(t, version).Object("content_summary", "present", "file.file").Number("count")
}

// pages is how many pages something looks at that is done a few times; the first time does not
// count, because it prepares statements.
func (w *warehouse) pages(t *testing.T, do func(i int)) int {
	const times = 5
	do(0)
	before, err := w.db.AllPages()
	require.NoError(t, err)
	for i := range times {
		do(i + 1)
	}
	after, err := w.db.AllPages()
	require.NoError(t, err)
	return (after - before) / times
}

// measure returns what steps on a repository cost that holds n units.
func (w *warehouse) measure(t *testing.T, repo pulptest.Object, n int) map[string]int {
	var units [6]string
	at := func(i int) string { return fmt.Sprintf("new of %d/%d", n, i) }
	for i := range units {
		form := pulptest.Form{"relative_path": fmt.Sprintf("new-of-%d/%d", n, i), "file": []byte(at(i))}
		units[i] = w.Do(t, "POST", "content/file/files/upload/", form).Object(t).Href()
	}
	version := func(i int) string { return fmt.Sprintf("%sversions/%d/", repo.Href(), i) }
	list := func(query ...string) {
		a := w.Do(t, "GET", "content/file/files/?limit=1&"+joined(query), nil)
		require.Equal(t, 200, a.Code, "%s", a.Body)
		require.Len(t, a.Object(t).Objects("results"), 1, "%v", query)
	}
	costs := map[string]int{"add a unit": w.pages(t, func(i int) {
		w.Completes(t, repo.Href()+"modify/", pulptest.Object{"add_content_units": units[i : i+1]})
	})}
	last := version(7) // the sync's, and six of one unit each
	require.Equal(t, n+6, w.present(t, last))
	w.Create(t, "publications/file/file/", pulptest.Object{"repository": repo.Href()})
	w.Create(t, "distributions/file/file/", pulptest.Object{"name": repo.Text("name"), "base_path": repo.Text("name"), "repository": repo.Href()})
	in := pulptest.Param("repository_version", last)
	costs["get a file"] = w.pages(t, func(i int) {
		require.Equal(t, at(i), string(w.Content(t, fmt.Sprintf("%s/new-of-%d/%d", repo.Text("name"), n, i)).Body))
	})
	costs["read a version"] = w.pages(t, func(int) { w.Get(t, last) })
	costs["next page"] = w.pages(t, func(i int) { list(in, fmt.Sprintf("offset=%d", n/2+i)) })
	costs["find in a version"] = w.pages(t, func(i int) { list(in, fmt.Sprintf("relative_path=new-of-%d/%d", n, i)) })
	costs["compare"] = w.pages(t, func(i int) { list(pulptest.Param("repository_version_added", version(i+2))) })
	costs["delete a version"] = w.pages(t, func(i int) {
		w.Delete(t, version([]int{3, 5, 2, 4, 1, 6}[i]))
		require.Equal(t, n+6, w.present(t, last))
	})
	require.Equal(t, n+6, w.Get(t, last).Object("content_summary", "added", "file.file").Number("count"))
	return costs
}

func joined(query []string) (out string) {
	for _, q := range query {
		out += q + "&"
	}
	return out
}

// compareCosts says that no step costs more because a repository is large.
func (w *warehouse) compareCosts(t *testing.T, upstream string, large pulptest.Object, n int) {
	few, many := w.measure(t, w.fill(t, upstream, 10), 10), w.measure(t, large, n)
	for what, cost := range many {
		t.Logf("%s: %d pages in a repository of %d, %d in one of 10", what, cost, n, few[what])
		// Trees become a level or two higher; looking through the repository would be pages by the hundred.
		require.LessOrEqual(t, cost, few[what]*3/2+10, what)
	}
}

func TestChangesOfALargeRepositoryCostWhatTheyCostInASmallOne(t *testing.T) {
	t.Parallel()
	up := httptest.NewServer(http.HandlerFunc(longManifest))
	defer up.Close()
	w := newWarehouse(t)
	n := scale(1000, 5000, 100_000)
	w.compareCosts(t, up.URL, w.fill(t, up.URL, n), n)
}

package deb_test

import (
	"crypto/rand"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// A client that has begun to read a package reads it to its end, whatever is deleted meanwhile.
func TestAPackageIsReadToItsEndWhileItsVersionIsDeleted(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	random := make([]byte, 8<<20) // more than the connection takes at once
	_, _ = rand.Read(random)
	file := pack(archive(t, "./control", "Package: hello\nVersion: 1.0\nArchitecture: all\n"), archive(t, "./data", string(random)))
	repo := published(t, app, "ours", file)
	const path = "ours/pool/upload/h/hello/hello_1.0_all.deb"
	res, err := http.Get(app.ContentURL(path))
	require.NoError(t, err)
	defer res.Body.Close()
	begun := make([]byte, 1000)
	_, err = io.ReadFull(res.Body, begun)
	require.NoError(t, err)

	app.Completes(t, repo.Href()+"modify/", object{"remove_content_units": []string{"*"}})
	app.Delete(t, repo.Href()+"versions/1/")
	app.Completes(t, "orphans/cleanup/", object{"orphan_protection_time": 0})
	require.Empty(t, app.List(t, "content/deb/packages/"))
	rest, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, file, append(begun, rest...))
	require.Equal(t, 404, app.Content(t, path).Code, "who asks now is told")
	require.Equal(t, 200, app.Content(t, "ours/dists/default/InRelease").Code, "the version after it is published")
}

package goproxy_test

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// A client that has begun to read a zip reads it to its end, whatever is deleted meanwhile.
func TestAZipIsReadToItsEndWhileItsVersionIsDeleted(t *testing.T) {
	t.Parallel()
	s := newSite(t, false, nil)
	random := make([]byte, 8<<20) // more than the connection takes at once
	_, _ = rand.Read(random)
	files := hello("v1.0.0")
	files["data"] = hex.EncodeToString(random)
	file := zipOf(t, "example.com/Hello@v1.0.0/", files)
	s.Wait(t, s.upload(t, file))
	const path = "go/example.com/!hello/@v/v1.0.0.zip"
	res, err := http.Get(s.ContentURL(path))
	require.NoError(t, err)
	defer res.Body.Close()
	begun := make([]byte, 1000)
	_, err = io.ReadFull(res.Body, begun)
	require.NoError(t, err)

	s.Completes(t, s.repo.Href()+"modify/", object{"remove_content_units": []string{"*"}})
	s.Delete(t, s.repo.Href()+"versions/1/")
	s.Completes(t, "orphans/cleanup/", object{"orphan_protection_time": 0})
	require.Empty(t, s.List(t, "content/goproxy/modules/"))
	rest, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, file, append(begun, rest...))
	require.Equal(t, 404, s.Content(t, path).Code, "who asks now is told")
	require.Equal(t, 404, s.Content(t, "go/example.com/!hello/@v/list").Code)
}

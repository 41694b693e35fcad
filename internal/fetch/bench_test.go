package fetch_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopulp/pulp/internal/blob"
	"github.com/gopulp/pulp/internal/fetch"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// BenchmarkThousandFiles gets 1,000 files of 4 KiB: by a loop such as a script has, and verified into a blob store, safe on disk.
func BenchmarkThousandFiles(b *testing.B) {
	s := serve(b, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat(r.URL.Path, 4096/len(r.URL.Path)+1)[:4096])
	})
	urls := make([]string, 1000)
	sums := make([]string, len(urls))
	for i := range urls {
		path := "/" + hex256(string(rune(i)))
		urls[i] = s.URL + path
		sums[i] = hex256(strings.Repeat(path, 4096/len(path)+1)[:4096])
	}
	b.Run("plain loop", func(b *testing.B) {
		for b.Loop() {
			plainLoop(b, urls, b.TempDir())
		}
	})
	b.Run("Fetch and CommitAll", func(b *testing.B) {
		for b.Loop() {
			fetchAll(b, urls, sums, b.TempDir())
		}
	})
}

func plainLoop(b *testing.B, urls []string, dir string) {
	for _, u := range urls {
		resp, err := http.Get(u)
		require.NoError(b, err)
		data, err := io.ReadAll(resp.Body)
		require.NoError(b, err)
		resp.Body.Close()
		sum := sha256.Sum256(data)
		require.NoError(b, os.WriteFile(filepath.Join(dir, hex.EncodeToString(sum[:])), data, 0o600))
	}
}

func fetchAll(b *testing.B, urls, sums []string, dir string) {
	store, err := blob.Open(dir)
	require.NoError(b, err)
	defer store.Close()
	c := client(b, fetch.Config{})
	for at := 0; at < len(urls); at += 500 {
		ws := make([]*blob.Writer, 500)
		var g errgroup.Group
		g.SetLimit(10)
		for i := range ws {
			g.Go(func() error {
				req := fetch.Request{URLs: []string{urls[at+i]}, Size: 4096, Digests: map[string]string{"sha256": sums[at+i]}}
				_, err := c.Fetch(b.Context(), req, func() (_ fetch.Sink, err error) {
					ws[i], err = store.Create(b.Context(), blob.Default)
					return ws[i], err
				})
				return err
			})
		}
		require.NoError(b, g.Wait())
		require.NoError(b, store.CommitAll(b.Context(), ws))
	}
}

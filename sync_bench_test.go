package pulp_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
	"github.com/gopulp/pulp/sqlite"
)

// A depot is a quick upstream: n small files, and their manifest.
type depot struct {
	*httptest.Server
	paths    []string
	files    map[string][]byte
	manifest []byte
}

func newDepot(b *testing.B, n int) *depot {
	d := &depot{files: make(map[string][]byte, n)}
	var manifest strings.Builder
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		path := fmt.Sprintf("d%d/f%d", i%100, i)
		body := make([]byte, 200+r.IntN(4000))
		for j := range body {
			body[j] = byte(r.Uint32())
		}
		d.files["/"+path] = body
		d.paths = append(d.paths, path)
		fmt.Fprintln(&manifest, pulptest.Line(path, body))
	}
	d.manifest = []byte(manifest.String())
	d.files["/"+pulptest.ManifestName] = d.manifest
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := d.files[r.URL.Path]
		w.Header()["Content-Length"] = []string{fmt.Sprint(len(body))}
		w.Write(body)
	}))
	b.Cleanup(d.Close)
	return d
}

// loop is what anybody would write: download, hash, compare nothing, write. Each file and
// its directory are safe on the disk before the next one, as a sync makes its own.
func (d *depot) loop(b *testing.B, dir string, workers int) time.Duration {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
	defer client.CloseIdleConnections()
	begin := time.Now()
	paths := make(chan string)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for path := range paths {
				if err := download(client, d.URL+"/"+path, dir); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for _, path := range d.paths {
		paths <- path
	}
	close(paths)
	all.Wait()
	return time.Since(begin)
}

func download(client *http.Client, url, dir string) error {
	res, err := client.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	f, err := os.CreateTemp(dir, "")
	if err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, h), res.Body); err != nil {
		return err
	}
	name := fmt.Sprintf("%x", h.Sum(nil))
	sub := filepath.Join(dir, name[:2])
	if err := os.MkdirAll(sub, 0o755); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(sub, name[2:])); err != nil {
		return err
	}
	d, err := os.Open(sub)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// BenchmarkSync syncs 10,000 small files with commits that wait for the disk, and reports how
// fast that is in comparison with a plain loop of as many workers, and of one.
func BenchmarkSync(b *testing.B) {
	d := newDepot(b, 10_000)
	var ours, many, one time.Duration
	for b.Loop() {
		s := newFiles(b, pulptest.SQLite(sqlite.Synchronous(sqlite.Full)))
		repo := s.repository(b)
		remote := s.Create(b, fileRemotes, object{"name": "up", "url": d.URL + "/" + pulptest.ManifestName})
		begin := time.Now()
		s.sync(b, repo, remote)
		ours += time.Since(begin)
		require.Equal(b, 10_000, s.Get(b, s.latest(b, repo)).Object("content_summary", "present", "file.file").Number("count"))
		s.Stop()
		many += d.loop(b, b.TempDir(), 10)
		one += d.loop(b, b.TempDir(), 1)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours.Seconds()/float64(b.N), "s/sync")
	b.ReportMetric(many.Seconds()/ours.Seconds(), "of-loop-10")
	b.ReportMetric(one.Seconds()/ours.Seconds(), "of-loop-1")
}

// BenchmarkContent gets a file of 1 MiB through the content path of a distribution, in
// comparison with http.FileServer.
func BenchmarkContent(b *testing.B) {
	s := newFiles(b)
	body := strings.Repeat("0123456789abcdef", 1<<16)
	repo := s.repository(b, object{"autopublish": true})
	s.modify(b, repo, object{"add_content_units": []string{s.unit(b, "dir/big", body)}})
	s.distribute(b, "d", object{"repository": repo.Href()})
	dir := b.TempDir()
	require.NoError(b, os.WriteFile(filepath.Join(dir, "big"), []byte(body), 0o600))
	plain := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer plain.Close()
	client := &http.Client{}
	get := func(url string) time.Duration {
		begin := time.Now()
		res, err := client.Get(url)
		require.NoError(b, err)
		n, err := io.Copy(io.Discard, res.Body)
		require.NoError(b, err)
		res.Body.Close()
		require.EqualValues(b, len(body), n)
		return time.Since(begin)
	}
	var ours, theirs time.Duration
	for b.Loop() {
		ours += get(s.ContentURL("d/dir/big"))
		theirs += get(plain.URL + "/big")
	}
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "of-FileServer")
}

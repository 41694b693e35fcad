package pulp_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
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

// fileOf is the body of the i-th file of 1 KiB, no two of which are the same.
func fileOf(i int) []byte {
	return fmt.Appendf(make([]byte, 0, 1024), "%01024d", i)
}

// smallFiles serves n files of 1 KiB and their manifest.
func smallFiles(tb testing.TB, n int) *httptest.Server {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, pulptest.ManifestName) {
			out := bufio.NewWriter(w)
			defer out.Flush()
			for i := range n {
				fmt.Fprintln(out, pulptest.Line(fmt.Sprintf("d%d/f%d", i%100, i), fileOf(i)))
			}
			return
		}
		var i int
		if _, err := fmt.Sscanf(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:], "f%d", &i); err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header()["Content-Length"] = []string{"1024"}
		_, _ = w.Write(fileOf(i)) // to a client that has gone
	}))
	tb.Cleanup(up.Close)
	return up
}

// plainSync is what a plain program does to have n files for good: download, hash, write, fsync,
// rename, and fsync of the directories at the end.
func plainSync(b *testing.B, url string, n, workers int) time.Duration {
	dir := b.TempDir()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
	defer client.CloseIdleConnections()
	begin := time.Now()
	files := make(chan int)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := range files {
				if err := plainFile(client, fmt.Sprintf("%s/d%d/f%d", url, i%100, i), dir); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range n {
		files <- i
	}
	close(files)
	all.Wait()
	dirs, err := filepath.Glob(dir + "/*")
	require.NoError(b, err)
	for _, name := range append(dirs, dir) {
		d, err := os.Open(name)
		require.NoError(b, err)
		require.NoError(b, d.Sync())
		d.Close()
	}
	return time.Since(begin)
}

func plainFile(client *http.Client, url, dir string) error {
	res, err := client.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	f, err := os.CreateTemp(dir, "")
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, h), res.Body); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	name := fmt.Sprintf("%x", h.Sum(nil))
	sub := filepath.Join(dir, name[:2])
	if err := os.MkdirAll(sub, 0o755); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(sub, name[2:]))
}

// BenchmarkSyncSmallFiles syncs files of 1 KiB, with commits that wait for the disk, and reports
// the rate as a part of that of a plain program with as many workers: 10,000 of them, or 100,000
// with PULP_TEST_HEAVY=1.
func BenchmarkSyncSmallFiles(b *testing.B) {
	n := 10_000
	if pulptest.Heavy() {
		n = 100_000
	}
	up := smallFiles(b, n)
	var ours, plain time.Duration
	for b.Loop() {
		s := newFiles(b, pulptest.Inline(), pulptest.SQLite(sqlite.Synchronous(sqlite.Full)))
		repo := s.repository(b)
		remote := s.Create(b, fileRemotes, object{"name": "up", "url": up.URL + "/" + pulptest.ManifestName})
		begin := time.Now()
		s.sync(b, repo, remote)
		ours += time.Since(begin)
		require.Equal(b, n, s.Get(b, s.latest(b, repo)).Object("content_summary", "present", "file.file").Number("count"))
		s.Stop()
		plain += plainSync(b, up.URL, n, 10)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(n)*float64(b.N)/ours.Seconds(), "files/s")
	b.ReportMetric(plain.Seconds()/ours.Seconds(), "of-plain")
}

// BenchmarkSyncLines syncs a manifest on demand, which downloads nothing: 100,000 lines, or a
// million with PULP_TEST_HEAVY=1. -cpuprofile says where the time goes.
func BenchmarkSyncLines(b *testing.B) {
	lines := 100_000
	if pulptest.Heavy() {
		lines = 1_000_000
	}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		out := bufio.NewWriter(w)
		defer out.Flush()
		for i := range lines {
			fmt.Fprintf(out, "dir%d/some file with a name of usual length %d.bin,%064x,%d\n", i%1000, i, uint64(i)*0x9E3779B97F4A7C15, i)
		}
	}))
	defer up.Close()
	var first, again time.Duration
	for b.Loop() {
		s := newFiles(b, pulptest.Inline())
		repo := s.repository(b)
		remote := s.Create(b, fileRemotes, object{"name": "up", "url": up.URL + "/" + pulptest.ManifestName, "policy": "on_demand"})
		begin := time.Now()
		s.sync(b, repo, remote)
		first += time.Since(begin)
		begin = time.Now()
		s.sync(b, repo, remote, object{"optimize": false})
		again += time.Since(begin)
		s.Stop()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(lines)*float64(b.N)/first.Seconds(), "new-units/s")
	b.ReportMetric(float64(lines)*float64(b.N)/again.Seconds(), "known-units/s")
}

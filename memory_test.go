package pulp_test

import (
	"bufio"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

// This test is not parallel, so that it measures itself alone.
func TestLongManifestTakesLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("long, and it measures the race detector's memory")
	}
	lines := 20_000
	if pulptest.Heavy() {
		lines = 200_000
	}
	s, up := newFiles(t), pulptest.NewUpstream(t)
	var peak atomic.Uint64
	sample := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.HeapAlloc > peak.Load() {
			peak.Store(m.HeapAlloc)
		}
	}
	done := make(chan struct{})
	up.Answer(pulptest.ManifestName, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		out := bufio.NewWriter(w)
		for i := range lines {
			fmt.Fprintf(out, "dir%d/some file with a name of usual length %d.bin,%064x,%d\n", i%1000, i, i, i)
		}
		out.Flush()
		close(done)
	})
	repo, remote := s.repository(t), s.remote(t, up, object{"policy": "on_demand"})
	runtime.GC()
	sample()
	before := peak.Load()
	task := s.Start(t, "POST", repo.Href()+"sync/", object{"remote": remote.Href()})
	<-done
	for sampling := time.Tick(50 * time.Millisecond); s.State(t, task) == "running"; <-sampling {
		sample()
	}
	ended := s.Wait(t, task)
	require.Equal(t, "completed", ended.Text("state"), "%v", ended["error"])
	summary := s.Get(t, s.latest(t, repo)).Object("content_summary")
	require.Equal(t, lines, summary.Object("present", "file.file").Number("count"))
	require.Less(t, peak.Load()-before, uint64(100<<20), "memory does not grow with the number of lines")
	for _, l := range strings.Split(s.Log.String(), "\n") {
		if i := strings.Index(l, "held="); i > 0 && len(l[i:]) > 10 && !strings.Contains(l[i:i+12], "ms") {
			t.Log(l)
		}
	}
	t.Logf("%d lines, at most %d MiB more", lines, (peak.Load()-before)>>20)
}

func TestMetadataHasALimit(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	up.Answer(pulptest.ManifestName, func(w http.ResponseWriter, r *http.Request, _ []byte) {
		w.Header().Set("Content-Length", "1000000000000")
		w.Write([]byte(strings.Repeat("# nothing\n", 100)))
	})
	repo, remote := s.repository(t), s.remote(t, up)
	err := s.Failed(t, s.Start(t, "POST", repo.Href()+"sync/", object{"remote": remote.Href()}))
	require.Equal(t, "PLP0004", err.Text("error_code"))
	s.nothingCameOf(t, repo)
}

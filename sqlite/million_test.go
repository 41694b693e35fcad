package sqlite_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

// millionFrom is the variable that tells the process that does the work where the manifests are.
const (
	millionFrom = "PULP_TEST_MILLION_FROM"
	million     = 1_000_000
	mostMemory  = 256 << 20 // bytes that the process may ever have in memory
)

// A process of its own does all that one does with a repository, with a million units, and must
// never have more than 256 MiB in memory, SQLite's pages and its own test included.
func TestAMillionUnitsFitIntoLittleMemory(t *testing.T) {
	if !pulptest.Heavy() || testing.Short() {
		t.Skip("takes minutes; PULP_TEST_HEAVY=1 runs it")
	}
	t.Parallel()
	up := httptest.NewServer(http.HandlerFunc(longManifest))
	defer up.Close()
	child := exec.Command(os.Args[0], "-test.run=^TestMillionUnitsProcess$", "-test.v", "-test.timeout=30m")
	child.Env = append(os.Environ(), millionFrom+"="+up.URL)
	var out bytes.Buffer
	child.Stdout, child.Stderr = &out, &out
	err := child.Run()
	t.Logf("%s", out.String())
	require.NoError(t, err)
	require.Contains(t, out.String(), "--- PASS: TestMillionUnitsProcess")
	peak := peakOf(t, child.ProcessState, out.String())
	t.Logf("at most %d MiB in memory", peak>>20)
	require.Less(t, peak, int64(mostMemory))
}

// TestMillionUnitsProcess is what the other process runs.
func TestMillionUnitsProcess(t *testing.T) {
	from := os.Getenv(millionFrom)
	if from == "" {
		t.Skip("is run by TestAMillionUnitsFitIntoLittleMemory")
	}
	w, begin := newWarehouse(t), time.Now()
	step := func(what string) {
		t.Logf("%s: %.1f s; so far at most %s", what, time.Since(begin).Seconds(), peakNow())
		begin = time.Now()
	}
	repo := w.fill(t, from, million)
	step("sync")
	w.compareCosts(t, from, repo, million) // publishes, too
	step("change, publish, list and serve")
	last := repo.Href() + "versions/7/"
	for offset := 0; offset < million; offset += million / 4 {
		page := w.Get(t, "content/file/files/?limit=1000&offset="+strconv.Itoa(offset)+"&"+pulptest.Param("repository_version", last))
		require.Len(t, page.Objects("results"), 1000)
	}
	step("jump through pages")
	w.Delete(t, repo.Href())
	require.Equal(t, 404, w.Do(t, "GET", repo.Href(), nil).Code)
	w.Delete(t, w.List(t, "remotes/file/file/", "name=r1000000")[0].Href())
	step("delete the repository and the remote")
	for table, left := range map[string]int{"repository_content": 16, "remote_artifact": 10} {
		var n int
		require.NoError(t, w.DB().Reader().DB.QueryRow("SELECT count(*) FROM "+table).Scan(&n))
		require.Equal(t, left, n, table)
	}
	w.Completes(t, "orphans/cleanup/", pulptest.Object{"orphan_protection_time": 0})
	step("purge")
	var n int
	require.NoError(t, w.DB().Reader().DB.QueryRow("SELECT count(*) FROM content").Scan(&n))
	require.Equal(t, 16, n)
}

const highWater = "VmHWM:"

// peakNow is the line of Linux that says how much memory this process ever had; empty elsewhere.
func peakNow() string {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), highWater)
	line, _, _ := strings.Cut(rest, "\n")
	return highWater + line
}

// peakOf is how many bytes a process that has ended ever had in memory: as it said last itself, or
// as the system says.
func peakOf(t *testing.T, ended *os.ProcessState, said string) int64 {
	if runtime.GOOS != "linux" {
		return maxRSS(ended)
	}
	last := said[strings.LastIndex(said, highWater)+len(highWater):]
	kib, err := strconv.ParseInt(strings.Fields(last)[0], 10, 64)
	require.NoError(t, err)
	return kib << 10
}

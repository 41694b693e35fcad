package pulp_test

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

func TestHostileUpstreamsFailTheSyncAndLeaveNothing(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	loop := pulptest.NewUpstream(t)
	loop.Answer("loop", func(w http.ResponseWriter, r *http.Request, _ []byte) { http.Redirect(w, r, "/loop", http.StatusFound) })
	for name, c := range map[string]struct {
		lie  pulptest.Lie
		says string
		code string
	}{
		"wrong bytes":      {pulptest.WrongBytes, "sha256", "PLP0003"},
		"short":            {pulptest.Short, "bytes", "PLP0004"},
		"long":             {pulptest.Long, "bytes", "PLP0004"},
		"endless":          {pulptest.Endless, "bytes", "PLP0004"},
		"not found":        {pulptest.Status(404), "404", "PLP0025"},
		"server error":     {pulptest.Status(500), "500", "PLP0025"},
		"not allowed":      {pulptest.Status(403), "403", "PLP0025"},
		"redirect loop":    {pulptest.RedirectTo(loop.URL("loop")), "redirect", ""},
		"redirect to file": {pulptest.RedirectTo("file:///etc/passwd"), "file", "PLP0009"},
		"stalled":          {pulptest.Stall, "", "PLP0005"},
		"broken off":       {pulptest.Disconnect, "", "PLP0027"},
	} {
		t.Run(name, func(t *testing.T) {
			up := pulptest.NewUpstream(t)
			for i := range 40 {
				up.Put(fmt.Sprintf("d/%d", i), name+strings.Repeat("x", i+1))
			}
			up.Answer("d/17", c.lie)
			repo, remote := s.repository(t), s.remote(t, up, object{"sock_read_timeout": 3.0})
			err := s.Failed(t, s.Start(t, "POST", repo.Href()+"sync/", object{"remote": remote.Href()}))
			require.Contains(t, strings.ToLower(err.Text("description")), c.says)
			require.Contains(t, err.Text("description"), "d/17", "the error names the file")
			require.Equal(t, c.code, err.Text("error_code"), err)
			s.nothingCameOf(t, repo)

			up.Answer("d/17", nil)
			s.sync(t, repo, remote)
			require.Len(t, s.paths(t, repo.Href()+"versions/1/"), 40, "the next sync succeeds")
		})
	}
}

func TestSyncOutlivesWhatPasses(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	up.Put("a", "hello")
	up.Put("b", "world")
	up.Answer("a", pulptest.First(1, pulptest.Status(500)))
	up.Answer("b", pulptest.First(1, pulptest.Disconnect))
	repo, remote := s.repository(t), s.remote(t, up, object{"max_retries": 2})
	s.sync(t, repo, remote)
	require.Equal(t, 2, up.Hits("a"))
	require.Equal(t, 2, up.Hits("b"))
	require.ElementsMatch(t, []string{"a", "b"}, s.paths(t, s.latest(t, repo)))
}

func TestBrokenManifestFailsTheSyncAndNamesTheLine(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	sum := strings.Repeat("0", 64)
	good := pulptest.Line("good", []byte("good")) + "\n\n# a comment\n"
	for name, bad := range map[string]string{
		"two fields": "a," + sum, "one field": "a", "no path": "," + sum + ",1", "no size": "a," + sum + ",", "negative size": "a," + sum + ",-1",
		"size in hex": "a," + sum + ",0x1", "huge size": "a," + sum + ",99999999999999999999", "no digest": "a,xyz,1", "short digest": "a,abc,1",
		"long digest": "a," + sum + "00,1", "up": "../a," + sum + ",1", "up inside": "b/../../a," + sum + ",1", "here": "./a," + sum + ",1",
		"absolute": "/a," + sum + ",1", "double slash": "a//b," + sum + ",1", "directory": "a/," + sum + ",1", "backslash": "a\\..\\b," + sum + ",1", "NUL": "a\x00b," + sum + ",1",
		"bell": "a\ab," + sum + ",1", "no text": "\xff\xfe," + sum + ",1", "huge line": strings.Repeat("a", 1<<20) + "," + sum + ",1",
	} {
		t.Run(name, func(t *testing.T) {
			up := pulptest.NewUpstream(t)
			up.Put("good", "good")
			up.SetManifest([]byte(good + bad + "\n"))
			for _, policy := range []string{"immediate", "on_demand"} {
				repo, remote := s.repository(t), s.remote(t, up, object{"policy": policy})
				err := s.Failed(t, s.Start(t, "POST", repo.Href()+"sync/", object{"remote": remote.Href()}))
				require.Contains(t, err.Text("description"), "line 4", name)
				require.Equal(t, "PLP0013", err.Text("error_code"))
				require.Less(t, len(err.Text("description")), 1000)
				s.nothingCameOf(t, repo)
			}
		})
	}
}

func TestManifestThatCannotBeHadFailsTheSync(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	for name, lie := range map[string]pulptest.Lie{"missing": pulptest.Status(404), "stalled": pulptest.Stall, "broken off": pulptest.Disconnect} {
		up := pulptest.NewUpstream(t)
		up.Put("a", "a")
		up.Answer(pulptest.ManifestName, lie)
		repo, remote := s.repository(t), s.remote(t, up, object{"sock_read_timeout": 2.0})
		require.NotEmpty(t, s.Fails(t, repo.Href()+"sync/", object{"remote": remote.Href()}), name)
		s.nothingCameOf(t, repo)
	}
}

func TestOnePathTwiceInAManifestIsAnError(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	up.Put("a", "1")
	repo, remote := s.repository(t), s.remote(t, up, object{"policy": "on_demand"})
	var many bytes.Buffer
	fmt.Fprintln(&many, pulptest.Line("a", []byte("1")))
	between := 3000 // more than one batch
	if testing.Short() {
		between = 100
	}
	for i := range between {
		fmt.Fprintln(&many, pulptest.Line(fmt.Sprint(i), []byte("x")))
	}
	fmt.Fprintln(&many, pulptest.Line("a", []byte("2")))
	for range 2 {
		up.SetManifest(many.Bytes())
		err := s.Failed(t, s.Start(t, "POST", repo.Href()+"sync/", object{"remote": remote.Href()}))
		require.Equal(t, "PLP0022", err.Text("error_code"))
		up.SetManifest(nil)
		s.sync(t, repo, remote) // now one of the two is there before
		require.Equal(t, []string{"a"}, s.paths(t, s.latest(t, repo)))
	}
}

// This test is not parallel, so that no other one's goroutines run beside it.
func TestFailedSyncsLeaveNoGoroutines(t *testing.T) {
	s, _ := newBoxSite(t)
	up := pulptest.NewUpstream(t)
	for i := range 600 {
		up.Put(fmt.Sprint(i), fmt.Sprint(i))
	}
	repo, remote := s.repository(t), s.remote(t, up)
	boxes := s.boxes(t)
	fail := func() {
		up.Answer("300", pulptest.WrongBytes)
		s.Fails(t, repo.Href()+"sync/", object{"remote": remote.Href()})
		s.Failed(t, s.syncBoxes(t, boxes, up, false, box(up, "a", "1", "a"), `{"Panic": true}`))
		up.SetManifest([]byte(string(up.Manifest()) + "broken\n"))
		s.Fails(t, repo.Href()+"sync/", object{"remote": remote.Href()})
		up.SetManifest(nil)
	}
	fail()
	before := ours()
	for range 3 {
		fail()
	}
	require.Eventually(t, func() bool { return ours() <= before }, 5*time.Second, 10*time.Millisecond, "goroutines are left")
	require.Empty(t, s.Temps(t))
}

// ours counts the goroutines that run code of this project's pipelines.
func ours() int {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	return strings.Count(string(buf), "pulp.(*pipeline)") + strings.Count(string(buf), "fetch.(*Client)")
}

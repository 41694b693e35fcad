package pulp_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

// lazy makes a published repository whose files are still upstream.
func (s *site) lazy(t *testing.T, base, policy string, up *pulptest.Upstream, fields ...object) {
	t.Helper()
	repo := s.repository(t, object{"autopublish": true})
	s.sync(t, repo, s.remote(t, up, append(fields, object{"policy": policy})...))
	s.distribute(t, base, object{"repository": repo.Href()})
}

func TestManyClientsOnDemandCostOneDownload(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	body := strings.Repeat("0123456789", 30_000)
	up.Put("big", body)
	s.lazy(t, "d", "on_demand", up)
	gate := up.Hold("big")
	answers := make(chan *pulptest.Answer, 100)
	var clients sync.WaitGroup
	for range 100 {
		clients.Go(func() {
			a, err := s.Try("GET", s.ContentURL("d/big"), nil)
			if err == nil {
				answers <- a
			}
		})
	}
	gate.Await(t, 1)
	gate.Open()
	clients.Wait()
	close(answers)
	require.Len(t, answers, 100)
	for a := range answers {
		require.Equal(t, 200, a.Code)
		require.True(t, string(a.Body) == body)
	}
	require.Equal(t, 1, up.Hits("big"))
	require.Equal(t, body[5:10], string(s.Content(t, "d/big", "Range", "bytes=5-9").Body))
	require.Equal(t, 1, up.Hits("big"))
	require.Empty(t, s.Temps(t))
	s.blobsAreTrue(t)
}

func TestClientThatLeavesDoesNotStopTheDownload(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	up.Put("a", "a")
	s.lazy(t, "d", "on_demand", up)
	gate := up.Hold("a")
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", s.ContentURL("d/a"), nil)
	require.NoError(t, err)
	left := make(chan error, 1)
	go func() {
		_, err := http.DefaultClient.Do(req)
		left <- err
	}()
	gate.Await(t, 1)
	leave()
	require.ErrorIs(t, <-left, context.Canceled)
	gate.Open()
	require.Eventually(t, func() bool {
		return s.count(t, "SELECT count(*) FROM content_artifact WHERE artifact_id IS NULL") == 0
	}, 10*time.Second, time.Millisecond)
	require.Equal(t, "a", string(s.Content(t, "d/a").Body))
	require.Equal(t, 1, up.Hits("a"))
}

func TestDownloadsEndWithTheApp(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	up.Put("a", "hello")
	s.lazy(t, "d", "on_demand", up)
	asked, ended := make(chan struct{}), make(chan struct{})
	up.Answer("a", func(w http.ResponseWriter, r *http.Request, body []byte) {
		close(asked)
		pulptest.Stall(w, r, body)
		close(ended)
	})
	go s.Try("GET", s.ContentURL("d/a"), nil)
	<-asked
	s.Stop()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		require.Fail(t, "a download goes on without its App")
	}
	require.Empty(t, s.Temps(t))
}

func TestWrongBytesAreNeverServedAndNotAskedForAgainSoon(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"on_demand", "streamed"} {
		s, up := newFiles(t), pulptest.NewUpstream(t)
		up.Put("a", "right")
		up.Put("b", "right, too")
		s.lazy(t, "d", policy, up)
		up.Answer("a", pulptest.WrongBytes)
		for range 3 {
			a := s.Content(t, "d/a")
			require.Equal(t, 404, a.Code)
			require.NotContains(t, string(a.Body), "sihg")
		}
		require.Equal(t, 1, up.Hits("a"), "cool-down")
		require.Equal(t, "right, too", string(s.Content(t, "d/b").Body))
		require.Empty(t, s.Temps(t))
		s.blobsAreTrue(t)
		require.Contains(t, s.Log.String(), "source failed")
	}
}

func TestOtherRemoteDeliversWhatOneDoesNot(t *testing.T) {
	t.Parallel()
	s, bad, good := newFiles(t), pulptest.NewUpstream(t), pulptest.NewUpstream(t)
	bad.Put("a", "a")
	good.Put("a", "a")
	s.lazy(t, "bad", "on_demand", bad)
	s.lazy(t, "good", "on_demand", good)
	bad.Answer("a", pulptest.WrongBytes)
	require.Equal(t, "a", string(s.Content(t, "bad/a").Body))
	require.Equal(t, 1, good.Hits("a"))
}

func TestHeadOfAFileOnDemandDownloadsNothing(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"on_demand", "streamed"} {
		s, up := newFiles(t), pulptest.NewUpstream(t)
		up.Put("a", "hello")
		s.lazy(t, "d", policy, up)
		a := s.Do(t, "HEAD", s.ContentURL("d/a"), nil)
		require.Equal(t, 200, a.Code)
		require.Equal(t, "5", a.Header.Get("Content-Length"))
		require.NotEmpty(t, a.Header.Get("ETag"))
		require.Equal(t, 0, up.Hits("a"))
		get := s.Content(t, "d/a")
		require.Equal(t, "hello", string(get.Body))
		require.Equal(t, a.Header.Get("ETag"), get.Header.Get("ETag"))
	}
}

func TestStreamedFilesAreFetchedForEachClientAndNotKept(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	up.Put("a", "hello")
	s.lazy(t, "d", "streamed", up)
	for i := range 3 {
		require.Equal(t, "hello", string(s.Content(t, "d/a").Body))
		require.Equal(t, i+1, up.Hits("a"))
	}
	require.Equal(t, "ell", string(s.Content(t, "d/a", "Range", "bytes=1-3").Body))
	require.Empty(t, s.Temps(t))
	require.Equal(t, 1, s.count(t, "SELECT count(*) FROM content_artifact WHERE artifact_id IS NULL"))
	require.Equal(t, 1, s.count(t, "SELECT count(*) FROM artifact"), "only the manifest")
}

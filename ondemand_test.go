package pulp_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

// streaming has files of more than 100,000 bytes streamed.
func streaming() pulptest.Option {
	return pulptest.Configure(func(c *pulp.Config) { c.StreamAbove = 100_000 })
}

// halfway sends the first part of the bytes, and the rest, as change makes it, when told to.
func halfway(more <-chan struct{}, change func(rest []byte) []byte) pulptest.Lie {
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		half := len(body) / 2
		w.Write(body[:half])
		http.NewResponseController(w).Flush()
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
		rest := change(append([]byte(nil), body[half:]...))
		w.Write(rest)
		if len(rest) < len(body)-half {
			panic(http.ErrAbortHandler)
		}
	}
}

func right(rest []byte) []byte { return rest }

func wrong(rest []byte) []byte {
	rest[len(rest)-1] ^= 1
	return rest
}

func cut(rest []byte) []byte { return rest[:len(rest)/2] }

var large = strings.Repeat("0123456789", 200_000)

// askLarge sends a request and returns its answer when the head is there.
func (s *site) askLarge(t *testing.T, path string, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.ContentURL(path), nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func TestLargeFilesReachTheirClientsWhileTheyCome(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"on_demand", "streamed"} {
		s, up := newFiles(t, streaming()), pulptest.NewUpstream(t)
		up.Put("big", large)
		s.lazy(t, "d", policy, up)
		more := make(chan struct{})
		up.Answer("big", halfway(more, right))
		clients := 3
		answers := make([]*http.Response, clients)
		for i := range answers {
			res := s.askLarge(t, "d/big")
			require.Equal(t, 200, res.StatusCode)
			require.EqualValues(t, len(large), res.ContentLength)
			begin := make([]byte, 500_000)
			_, err := io.ReadFull(res.Body, begin)
			require.NoError(t, err, "the upstream has sent only half")
			require.True(t, string(begin) == large[:len(begin)])
			answers[i] = res
		}
		close(more)
		for _, res := range answers {
			rest, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.True(t, string(rest) == large[500_000:])
		}
		kept := s.count(t, "SELECT count(*) FROM content_artifact WHERE artifact_id IS NOT NULL")
		if policy == "streamed" {
			require.Zero(t, kept)
			require.Equal(t, clients, up.Hits("big"))
		} else {
			require.True(t, string(s.Content(t, "d/big").Body) == large)
			require.Equal(t, 1, up.Hits("big"))
		}
		s.blobsAreTrue(t)
		require.Eventually(t, func() bool { return len(s.Temps(t)) == 0 }, 10*time.Second, time.Millisecond)
	}
}

func TestNoLargeFileEndsWellUnlessItIsRight(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"on_demand", "streamed"} {
		for name, change := range map[string]func([]byte) []byte{"wrong": wrong, "cut": cut} {
			s, up := newFiles(t, streaming()), pulptest.NewUpstream(t)
			up.Put("big", large)
			s.lazy(t, "d", policy, up, object{"max_retries": 0})
			more := make(chan struct{})
			up.Answer("big", halfway(more, change))
			var answers []*http.Response
			for range 2 {
				answers = append(answers, s.askLarge(t, "d/big"))
			}
			close(more)
			for _, res := range answers {
				require.Equal(t, 200, res.StatusCode)
				got, err := io.ReadAll(res.Body)
				require.ErrorIs(t, err, io.ErrUnexpectedEOF, name)
				require.Less(t, len(got), len(large))
			}
			up.Answer("big", nil)
			hits := up.Hits("big")
			require.Equal(t, 404, s.Content(t, "d/big").Code, "it is not asked again at once")
			require.Equal(t, hits, up.Hits("big"))
			s.blobsAreTrue(t)
			require.Eventually(t, func() bool { return len(s.Temps(t)) == 0 }, 10*time.Second, time.Millisecond)
		}
	}
}

// A part of a file can be checked by nobody, so it is sent only when the whole is known to be right.
func TestRangesOfLargeFilesWaitForTheWhole(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"on_demand", "streamed"} {
		s, bad, good := newFiles(t, streaming()), pulptest.NewUpstream(t), pulptest.NewUpstream(t)
		bad.Put("big", large)
		good.Put("big", large)
		s.lazy(t, "bad", policy, bad, object{"max_retries": 0})
		s.lazy(t, "good", policy, good)
		bad.Answer("big", func(w http.ResponseWriter, r *http.Request, body []byte) {
			pulptest.WrongBytes(w, r, body)
		})
		res := s.askLarge(t, "bad/big", "Range", "bytes=5-9")
		got, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, 206, res.StatusCode)
		require.Equal(t, "56789", string(got), "of the source that is right")
		require.Equal(t, 1, bad.Hits("big"))
		require.Equal(t, 1, good.Hits("big"))
	}
	s, up := newFiles(t, streaming()), pulptest.NewUpstream(t)
	up.Put("big", large)
	s.lazy(t, "d", "on_demand", up, object{"max_retries": 0})
	up.Answer("big", pulptest.WrongBytes)
	require.Equal(t, 404, s.Content(t, "d/big", "Range", "bytes=5-9").Code)
}

func TestClientsThatLeaveDoNotCutALargeFile(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t, streaming()), pulptest.NewUpstream(t)
	up.Put("big", large)
	s.lazy(t, "d", "on_demand", up)
	more := make(chan struct{})
	up.Answer("big", halfway(more, right))
	s.askLarge(t, "d/big").Body.Close()
	stays := s.askLarge(t, "d/big")
	close(more)
	got, err := io.ReadAll(stays.Body)
	require.NoError(t, err)
	require.True(t, string(got) == large)
	require.Equal(t, 1, up.Hits("big"))
}

func TestLargeDownloadsEndWithTheApp(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"on_demand", "streamed"} {
		s, up := newFiles(t, streaming()), pulptest.NewUpstream(t)
		up.Put("big", large)
		s.lazy(t, "d", policy, up)
		up.Answer("big", pulptest.Stall)
		res := s.askLarge(t, "d/big")
		var reading sync.WaitGroup
		reading.Go(func() {
			_, err := io.ReadAll(res.Body)
			if err == nil {
				t.Error("half a file was taken for whole")
			}
		})
		s.Stop()
		reading.Wait()
		require.Empty(t, s.Temps(t))
	}
}

func TestSourcesThatFailedAreLeftAloneForAMoment(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]pulptest.Lie{"down": pulptest.Status(503), "missing": pulptest.Status(404), "broken": pulptest.Disconnect} {
		for _, policy := range []string{"on_demand", "streamed"} {
			clock := pulptest.NewClock()
			s, up := newFiles(t, pulptest.Time(clock)), pulptest.NewUpstream(t)
			up.Put("a", "hello")
			up.Put("b", "others are not concerned")
			s.lazy(t, "d", policy, up, object{"max_retries": 0})
			up.Answer("a", lie)
			require.Equal(t, 404, s.Content(t, "d/a").Code)
			up.Answer("a", nil)
			require.Equal(t, 404, s.Content(t, "d/a").Code)
			require.Equal(t, 404, s.Do(t, "HEAD", s.ContentURL("d/a"), nil).Code)
			require.Equal(t, 1, up.Hits("a"), name)
			require.Equal(t, 200, s.Content(t, "d/b").Code)
			clock.Advance(30 * time.Second)
			require.Equal(t, "hello", string(s.Content(t, "d/a").Body))
			require.Equal(t, 2, up.Hits("a"))
		}
	}
}

func TestSourcesThatFailedTakeBoundedMemory(t *testing.T) {
	t.Parallel()
	require.Equal(t, 4096, pulp.DownAfter(10_000, time.Now()))
}

package fetch_test

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gopulp/pulp/internal/blob"
	"github.com/gopulp/pulp/internal/fetch"
	"github.com/stretchr/testify/require"
)

const body = "the right bytes"

func hex256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// right expects body.
func right(urls ...string) fetch.Request {
	return fetch.Request{URLs: urls, Size: int64(len(body)), Digests: map[string]string{"sha256": hex256(body)}}
}

// anything expects nothing in particular.
func anything(urls ...string) fetch.Request { return fetch.Request{URLs: urls, Size: -1} }

func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func client(t testing.TB, cfg fetch.Config) *fetch.Client {
	t.Helper()
	if cfg.RetryPause == 0 {
		cfg.RetryPause = time.Millisecond
	}
	c, err := fetch.New(cfg)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// A spy counts the Sinks that a Fetch uses and those it aborts.
type spy struct {
	*fetch.Buffer
	aborted bool
}

func (s *spy) Abort() error {
	s.aborted = true
	return s.Buffer.Abort()
}

// get fetches into memory, and checks that exactly the good Sink is left.
func get(t testing.TB, c *fetch.Client, req fetch.Request) (string, fetch.Result, error) {
	t.Helper()
	var all []*spy
	res, err := c.Fetch(t.Context(), req, func() (fetch.Sink, error) {
		s := &spy{Buffer: fetch.NewBuffer(blob.Default)}
		all = append(all, s)
		return s, nil
	})
	for i, s := range all {
		require.Equal(t, err != nil || i < len(all)-1, s.aborted, "sink %d of %d", i, len(all))
	}
	if err != nil {
		return "", res, err
	}
	return string(all[len(all)-1].Bytes()), res, nil
}

func origin(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u
}

func TestTheRightBytesArrive(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"tag"`)
		io.WriteString(w, body)
	})
	got, res, err := get(t, client(t, fetch.Config{}), right(s.URL+"/file"))
	require.NoError(t, err)
	require.Equal(t, body, got)
	require.Equal(t, s.URL+"/file", res.URL)
	require.Equal(t, `"tag"`, res.Header.Get("ETag"))
	require.Equal(t, hex256(body), res.Sums.SHA256)
	require.EqualValues(t, len(body), res.Sums.Size)
	require.Equal(t, 1, res.Tries)
}

func TestAFileGoesStraightIntoTheBlobStore(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) })
	store, err := blob.Open(t.TempDir())
	require.NoError(t, err)
	defer store.Close()
	var w *blob.Writer
	_, err = client(t, fetch.Config{}).Fetch(t.Context(), right(s.URL), func() (_ fetch.Sink, err error) {
		w, err = store.Create(t.Context(), blob.Default)
		return w, err
	})
	require.NoError(t, err)
	sums, err := w.Commit()
	require.NoError(t, err)
	require.Equal(t, hex256(body), sums.SHA256)
}

func TestADigestThatTheSinkDoesNotComputeIsVerifiedToo(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) })
	sum := md5.Sum([]byte(body))
	req := right(s.URL)
	req.Digests["md5"] = strings.ToUpper(hex.EncodeToString(sum[:]))
	_, _, err := get(t, client(t, fetch.Config{}), req)
	require.NoError(t, err)
	req.Digests["md5"] = strings.Repeat("0", 32)
	_, _, err = get(t, client(t, fetch.Config{}), req)
	require.ErrorIs(t, err, fetch.ErrDigest)
	req.Digests["crc32"] = "0"
	_, _, err = get(t, client(t, fetch.Config{}), req)
	require.ErrorContains(t, err, `unknown digest "crc32"`)
}

func TestWhatPassesIsRetriedWithAFreshSink(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch asked.Add(1) {
		case 1:
			w.WriteHeader(500)
		case 2:
			io.WriteString(w, "the wrong bytes")
		case 3:
			breakOff(w, body[:4], len(body))
		default:
			io.WriteString(w, body)
		}
	})
	got, res, err := get(t, client(t, fetch.Config{MaxRetries: fetch.DefaultMaxRetries}), right(s.URL))
	require.NoError(t, err)
	require.Equal(t, body, got)
	require.Equal(t, 4, res.Tries)
}

func TestURLsAreTriedInOrder(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bad":
			io.WriteString(w, "the wrong bytes")
		case "/good":
			io.WriteString(w, body)
		default:
			w.WriteHeader(404)
		}
	})
	c := client(t, fetch.Config{})
	got, res, err := get(t, c, right(s.URL+"/none", s.URL+"/bad", "gopher://x/", s.URL+"/good", s.URL+"/never"))
	require.NoError(t, err)
	require.Equal(t, body, got)
	require.Equal(t, s.URL+"/good", res.URL)

	_, _, err = get(t, c, right(s.URL+"/none", s.URL+"/bad", "gopher://x/"))
	for _, kind := range []error{fetch.ErrStatus, fetch.ErrDigest, fetch.ErrScheme} {
		require.ErrorIs(t, err, kind)
	}
	var status *fetch.StatusError
	require.ErrorAs(t, err, &status)
	require.Equal(t, 404, status.Code)
	_, _, err = get(t, c, fetch.Request{})
	require.ErrorContains(t, err, "no URL")
}

func TestUnknownSizesAreBounded(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path == "/endless" {
			endless(w, r)
		}
		w.Write(make([]byte, 100))
	})
	c := client(t, fetch.Config{MaxRetries: 5})
	for _, path := range []string{"/endless", "/announced"} {
		asked.Store(0)
		_, _, err := get(t, c, fetch.Request{URLs: []string{s.URL + path}, Size: -1, MaxSize: 99})
		require.ErrorIs(t, err, fetch.ErrSize)
		require.ErrorContains(t, err, "99")
		require.EqualValues(t, 1, asked.Load(), "a limit does not pass")
	}
	_, res, err := get(t, c, fetch.Request{URLs: []string{s.URL}, Size: -1, MaxSize: 100})
	require.NoError(t, err)
	require.EqualValues(t, 100, res.Sums.Size)
	_, _, err = get(t, c, fetch.Request{URLs: []string{s.URL}, Size: 100, MaxSize: 99})
	require.ErrorIs(t, err, fetch.ErrSize)
}

func TestATransportEncodingIsNeverUndone(t *testing.T) {
	t.Parallel()
	packed := "\x1f\x8b not really gzip"
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "identity" {
			w.WriteHeader(400)
		}
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, packed)
	})
	got, res, err := get(t, client(t, fetch.Config{}), anything(s.URL))
	require.NoError(t, err)
	require.Equal(t, packed, got)
	require.Equal(t, "gzip", res.Header.Get("Content-Encoding"))
}

func TestASinkThatFailsEndsTheFetch(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { asked.Add(1); io.WriteString(w, body) })
	c := client(t, fetch.Config{MaxRetries: 3})
	full := errors.New("disk full")
	for _, broken := range []fetch.Sink{brokenSink{fetch.NewBuffer(0), full, nil}, brokenSink{fetch.NewBuffer(0), nil, full}} {
		asked.Store(0)
		_, err := c.Fetch(t.Context(), right(s.URL, s.URL), func() (fetch.Sink, error) { return broken, nil })
		require.ErrorIs(t, err, full)
		require.EqualValues(t, 1, asked.Load())
	}
	_, err := c.Fetch(t.Context(), right(s.URL), func() (fetch.Sink, error) { return nil, full })
	require.ErrorIs(t, err, full)
}

type brokenSink struct {
	*fetch.Buffer
	write, close error
}

func (b brokenSink) Write(p []byte) (int, error) { return len(p), b.write }
func (b brokenSink) Close() error                { return b.close }

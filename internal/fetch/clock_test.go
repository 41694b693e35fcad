package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"github.com/gopulp/pulp/internal/fetch"
	"github.com/stretchr/testify/require"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// piped returns a Client whose servers all are handler, reached without a network, so that a test can run on the fake
// clock of its synctest bubble. The host never.test never answers a dial.
func piped(t *testing.T, cfg fetch.Config, handler http.HandlerFunc) *fetch.Client {
	conns := make(pipeListener)
	server := &http.Server{Handler: handler}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(conns) }()
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
	})
	c := client(t, cfg)
	fetch.DialWith(c, func(ctx context.Context, _, addr string) (net.Conn, error) {
		if addr == "never.test:80" {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		near, far := net.Pipe()
		conns <- far
		return near, nil
	})
	return c
}

// A pipeListener accepts what is sent to it.
type pipeListener chan net.Conn

func (l pipeListener) Accept() (net.Conn, error) {
	conn, ok := <-l
	if !ok {
		return nil, errors.New("closed")
	}
	return conn, nil
}

func (l pipeListener) Close() error   { close(l); return nil }
func (l pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]func() string{
		"seconds": func() string { return "30" },
		"date":    func() string { return time.Now().Add(30 * time.Second).UTC().Format(http.TimeFormat) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var times []time.Time
				c := piped(t, fetch.Config{MaxRetries: 1}, func(w http.ResponseWriter, r *http.Request) {
					times = append(times, time.Now())
					if len(times) == 1 {
						w.Header().Set("Retry-After", value())
						w.WriteHeader(429)
						return
					}
					io.WriteString(w, body)
				})
				_, _, err := get(t, c, right("http://pipe.test/"))
				require.NoError(t, err)
				require.Len(t, times, 2)
				require.InDelta(t, 30, times[1].Sub(times[0]).Seconds(), 1)
			})
		})
	}
}

func TestPausesGrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var times []time.Time
		c := piped(t, fetch.Config{MaxRetries: 3, RetryPause: time.Second}, func(w http.ResponseWriter, r *http.Request) {
			times = append(times, time.Now())
			w.WriteHeader(502)
		})
		_, _, err := get(t, c, right("http://pipe.test/"))
		require.ErrorIs(t, err, fetch.ErrStatus)
		require.ErrorContains(t, err, "(tried 4 times)")
		for i, seconds := range []float64{1, 2, 4} {
			require.InDelta(t, seconds, times[i+1].Sub(times[i]).Seconds(), seconds/2+0.01)
		}
	})
}

func TestTheRateIsEvenAndCountsRedirects(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var times []time.Time
		c := piped(t, fetch.Config{RateLimit: 4}, func(w http.ResponseWriter, r *http.Request) {
			times = append(times, time.Now())
			if r.URL.Path == "/from" {
				http.Redirect(w, r, "/to", http.StatusFound)
				return
			}
			io.WriteString(w, body)
		})
		for range 3 {
			_, _, err := get(t, c, right("http://pipe.test/from"))
			require.NoError(t, err)
		}
		require.Len(t, times, 6)
		for i := range 5 {
			require.Equal(t, 250*time.Millisecond, times[i+1].Sub(times[i]))
		}
	})
}

func TestASlowServer(t *testing.T) {
	t.Parallel()
	hang := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	stall := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		io.WriteString(w, body[:4])
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	trickle := func(w http.ResponseWriter, r *http.Request) {
		for i := range body {
			select {
			case <-time.After(9 * time.Second): // of the fake clock
			case <-r.Context().Done():
				return
			}
			io.WriteString(w, body[i:i+1])
			http.NewResponseController(w).Flush()
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		total   time.Duration
		takes   time.Duration
		detail  string // empty: it succeeds
	}{
		"no header":          {hang, 0, 10 * time.Second, "no answer after 10s"},
		"no more body":       {stall, 0, 10 * time.Second, "broke off after 4 of 15 bytes: no data after 10s"},
		"slow but alive":     {trickle, 0, 135 * time.Second, ""},
		"slow, with a limit": {trickle, time.Minute, time.Minute, "not complete after 1m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				cfg := fetch.Config{SockReadTimeout: 10 * time.Second, TotalTimeout: c.total}
				got, _, err := get(t, piped(t, cfg, c.handler), right("http://pipe.test/"))
				require.Equal(t, c.takes, time.Since(begin))
				if c.detail == "" {
					require.NoError(t, err)
					require.Equal(t, body, got)
					return
				}
				require.ErrorIs(t, err, fetch.ErrTimeout)
				require.ErrorContains(t, err, c.detail)
			})
		})
	}
}

func TestAConnectionThatIsNotMadeInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, fetch.Config{ConnectTimeout: 5 * time.Second}, nil)
		begin := time.Now()
		_, _, err := get(t, c, right("http://never.test/"))
		require.ErrorIs(t, err, fetch.ErrTimeout)
		require.ErrorContains(t, err, "no connection after 5s")
		require.Equal(t, 5*time.Second, time.Since(begin))
	})
}

func TestSlowStorageIsNotTheServersFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, fetch.Config{SockReadTimeout: 10 * time.Second}, func(w http.ResponseWriter, r *http.Request) {
			w.Write(bytes.Repeat([]byte("x"), 200<<10))
		})
		_, err := c.Fetch(t.Context(), anything("http://pipe.test/"), func() (fetch.Sink, error) {
			return slowSink{fetch.NewBuffer(0)}, nil
		})
		require.NoError(t, err)
	})
}

type slowSink struct{ *fetch.Buffer }

func (s slowSink) Write(p []byte) (int, error) {
	time.Sleep(time.Minute) // of the fake clock
	return s.Buffer.Write(p)
}

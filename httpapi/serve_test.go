package httpapi_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/sqlite"
)

// A serving is a Serve whose handler says on began that it has a request, and answers when go says so.
type serving struct {
	url     string
	stop    func()
	began   chan struct{}
	proceed chan struct{}
	ended   chan error
}

func newServing(t *testing.T, drain time.Duration) *serving {
	db, err := sqlite.Open(t.TempDir(), sqlite.Synchronous(sqlite.Off))
	require.NoError(t, err)
	app, err := pulp.Open(t.Context(), db, pulp.Config{AdminPassword: "secret", Drain: drain})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	s := &serving{"http://" + l.Addr().String(), stop, make(chan struct{}), make(chan struct{}), make(chan error, 1)}
	api := httpapi.Handler(app)
	go func() {
		s.ended <- httpapi.Serve(ctx, app, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.began <- struct{}{}
			select {
			case <-s.proceed:
			case <-r.Context().Done():
			}
			api.ServeHTTP(w, r)
		}))
	}()
	return s
}

// get asks for a path in the background.
func (s *serving) get(path string) <-chan error {
	out := make(chan error, 1)
	go func() {
		res, err := http.Get(s.url + path)
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		out <- err
	}()
	<-s.began
	return out
}

func TestServeLetsWhatIsUnderWayEnd(t *testing.T) {
	t.Parallel()
	s := newServing(t, time.Minute)
	answer := s.get("/pulp/api/v3/livez/")
	s.stop()
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", s.url[len("http://"):])
		if err == nil {
			c.Close()
		}
		return err != nil
	}, 10*time.Second, time.Millisecond, "nothing new is taken")
	close(s.proceed)
	require.NoError(t, <-answer)
	require.NoError(t, <-s.ended)
}

func TestServeCutsOffWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	s := newServing(t, time.Millisecond)
	answer := s.get("/pulp/api/v3/livez/")
	s.stop()
	require.NoError(t, <-s.ended)
	require.Error(t, <-answer)
}

func TestServeEndsWithItsListener(t *testing.T) {
	t.Parallel()
	app, end := exampleApp()
	defer end()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.ErrorContains(t, httpapi.Serve(t.Context(), app, l, nil), "serve: ")
}

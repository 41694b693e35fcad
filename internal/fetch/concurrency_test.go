package fetch_test

import (
	"context"
	"errors"
	"github.com/gopulp/pulp/internal/fetch"
	"github.com/stretchr/testify/require"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

func TestNoMoreThanConcurrencyRunAtOnce(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int64
	var once sync.Once
	full := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == 3 {
			once.Do(func() { close(full) })
		}
		<-full
		io.WriteString(w, body)
	})
	c := client(t, fetch.Config{Concurrency: 3})
	var all sync.WaitGroup
	errs := make([]error, 12)
	for i := range errs {
		all.Go(func() { _, _, errs[i] = get(t, c, right(s.URL)) })
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	require.EqualValues(t, 3, most.Load())
}

func TestAFetchBeyondConcurrencyWaits(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-leave
		io.WriteString(w, body)
	})
	c := client(t, fetch.Config{Concurrency: 1})
	done := make(chan error, 1)
	go func() {
		_, _, err := get(t, c, right(s.URL))
		done <- err
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() {
		_, err := c.Fetch(ctx, right(s.URL), func() (fetch.Sink, error) { return nil, errors.New("asked") })
		second <- err
	}()
	cancel()
	require.ErrorIs(t, <-second, context.Canceled)
	close(leave)
	require.NoError(t, <-done)
	select {
	case <-entered:
		t.Fatal("the second fetch reached the server")
	default:
	}
}

func TestACanceledFetchSaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("task was canceled")
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		cancel(why)
		<-r.Context().Done()
	})
	c := client(t, fetch.Config{MaxRetries: 3})
	_, err := c.Fetch(ctx, anything(s.URL, s.URL), func() (fetch.Sink, error) { return fetch.NewBuffer(0), nil })
	require.ErrorIs(t, err, why)
}

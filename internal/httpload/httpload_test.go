package httpload_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/internal/httpload"
)

func TestEachRequestIsSentOnceAndItsAnswerRead(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "x" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		fmt.Fprint(w, r.Method, r.URL.Path)
		if r.URL.Path == "/chunks" {
			w.(http.Flusher).Flush()
		}
		w.Write(body)
	}))
	defer s.Close()
	addr := s.Listener.Addr().String()

	c, err := httpload.Dial(addr, "x")
	require.NoError(t, err)
	defer c.Close()
	for range 2 {
		chunks, err := c.Do(httpload.Request{Method: "POST", Path: "/chunks", Body: "{}", Code: 200}, true)
		require.NoError(t, err)
		require.Equal(t, "POST/chunks{}", string(chunks))
		_, err = c.Do(httpload.Request{Method: "POST", Path: "/chunks", Body: "{}", Code: 200}, false)
		require.NoError(t, err)
		body, err := c.Do(httpload.Request{Method: "POST", Path: "/a", Body: "{}", Code: 200}, true)
		require.NoError(t, err)
		require.Equal(t, "POST/a{}", string(body))
	}
	_, err = c.Do(httpload.Request{Method: "GET", Path: "/a", Code: 201}, false)
	require.ErrorContains(t, err, "GET /a: 200 GET/a")

	asked.Store(0)
	requests := make([]httpload.Request, 100)
	for i := range requests {
		requests[i] = httpload.Request{Method: "GET", Path: "/", Code: 200}
	}
	require.Empty(t, httpload.SendAll(addr, "x", 7, requests))
	require.EqualValues(t, 100, asked.Load())
	require.Len(t, httpload.SendAll(addr, "y", 7, requests), 7)
}

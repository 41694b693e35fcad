package fetch_test

import (
	"fmt"
	"github.com/gopulp/pulp/internal/fetch"
	"github.com/stretchr/testify/require"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
)

// TestALyingServer lists what a server may do, the kind that comes of it, and how often it is asked with two retries.
func TestALyingServer(t *testing.T) {
	t.Parallel()
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", code) }
	}
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).Flush() // announces no length
			io.WriteString(w, s)
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		kind    error
		asked   int
		detail  string
	}{
		"wrong bytes":    {text("the wrong bytes"), fetch.ErrDigest, 3, "have " + hex256("the wrong bytes")},
		"short":          {text("the"), fetch.ErrSize, 3, "expected 15 bytes, only 3 came"},
		"empty":          {text(""), fetch.ErrSize, 3, "expected 15 bytes, only 0 came"},
		"long":           {text(body + "!"), fetch.ErrSize, 3, "expected 15 bytes, more came"},
		"announces more": {func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body+"!") }, fetch.ErrSize, 3, "announces 16"},
		"endless":        {endless, fetch.ErrSize, 3, "more came"},
		"gone midway":    {func(w http.ResponseWriter, r *http.Request) { breakOff(w, body[:4], len(body)) }, fetch.ErrConnection, 3, "broke off after 4 of 15 bytes"},
		"gone at once":   {func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, fetch.ErrConnection, 3, "EOF"},
		"not HTTP":       {func(w http.ResponseWriter, r *http.Request) { hijack(w, "220 mail.example.com ESMTP\r\n\r\n") }, fetch.ErrConnection, 3, ""},
		"404":            {status(404), fetch.ErrStatus, 1, "HTTP 404 Not Found"},
		"401":            {status(401), fetch.ErrStatus, 1, "HTTP 401"},
		"304":            {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(304) }, fetch.ErrStatus, 1, "HTTP 304"},
		"206":            {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(206); io.WriteString(w, body) }, fetch.ErrStatus, 1, "HTTP 206"},
		"500":            {status(500), fetch.ErrStatus, 3, "HTTP 500"},
		"503":            {status(503), fetch.ErrStatus, 3, "HTTP 503"},
		"429":            {status(429), fetch.ErrStatus, 3, "HTTP 429"},
		"429 for an hour": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(429)
		}, fetch.ErrStatus, 1, "asks to wait 1h0m0s"},
		"redirect loop": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }, fetch.ErrRedirect, 1, "loop"},
		"redirect chain": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusTemporaryRedirect)
		}, fetch.ErrRedirect, 11, "more than 10 times"},
		"redirect to file": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(302)
		},
			fetch.ErrScheme, 1, "file:///etc/passwd"},
		"redirect to nonsense": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://%zz")
			w.WriteHeader(301)
		},
			fetch.ErrRedirect, 1, "no URL"},
		"redirect nowhere": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(302) }, fetch.ErrStatus, 1, "HTTP 302"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			s := serve(t, func(w http.ResponseWriter, r *http.Request) { asked.Add(1); c.handler(w, r) })
			_, _, err := get(t, client(t, fetch.Config{MaxRetries: 2}), right(s.URL+"/"))
			require.ErrorIs(t, err, c.kind)
			require.ErrorContains(t, err, c.detail)
			require.ErrorContains(t, err, "fetch "+s.URL+"/")
			require.EqualValues(t, c.asked, asked.Load(), "%v", err)
		})
	}
}

func endless(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		w.Write(make([]byte, 32<<10))
	}
}

func breakOff(w http.ResponseWriter, part string, announced int) {
	w.Header().Set("Content-Length", fmt.Sprint(announced))
	io.WriteString(w, part)
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func hijack(w http.ResponseWriter, answer string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		io.WriteString(conn, answer)
		conn.Close()
	}
}

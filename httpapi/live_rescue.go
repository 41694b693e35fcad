package httpapi

import (
	"io"
	"net/http"
	"runtime/debug"

	"github.com/gopulp/pulp"
)

// rescueLive ends an answer whose handler failed or panicked.
func (s *server) rescueLive(w *liveWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	failed, is := v.(liveError)
	switch {
	case v == http.ErrAbortHandler: //nolint:errorlint // a panic's value, compared as net/http does
		panic(v)
	case !is:
		s.log.ErrorContext(r.Context(), "panic in a live route", "panic", v, "method", r.Method, "path", r.URL.Path,
			"correlation_id", pulp.CallerOf(r.Context()).CorrelationID, "stack", string(debug.Stack()))
	case w.wrote:
		s.judge(r, failed.err)
	}
	if w.wrote {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	for _, name := range []string{"Content-Length", "Content-Encoding", "ETag", "Last-Modified"} {
		h.Del(name) // they were for another answer
	}
	if !is {
		failed.err = &refusal{http.StatusInternalServerError, serverError}
	}
	s.failText(w, r, failed.err)
}

// A liveWriter remembers whether something was written.
type liveWriter struct {
	http.ResponseWriter
	wrote bool
}

// WriteHeader passes the code on; those below 200 are no answer yet.
func (w *liveWriter) WriteHeader(code int) {
	w.wrote = w.wrote || code >= http.StatusOK
	w.ResponseWriter.WriteHeader(code)
}

// Write passes bytes on.
func (w *liveWriter) Write(p []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(p)
}

// ReadFrom lets the system send files.
func (w *liveWriter) ReadFrom(r io.Reader) (int64, error) {
	w.wrote = true
	return io.Copy(w.ResponseWriter, r)
}

// Unwrap is for http.ResponseController.
func (w *liveWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

package pulptest

import (
	"bytes"
	"fmt"
	"net/http"
	"sync/atomic"
)

// A Lie answers a request for a file whose true bytes are body.
type Lie func(w http.ResponseWriter, r *http.Request, body []byte)

// WrongBytes sends as many bytes as are right, but other ones.
func WrongBytes(w http.ResponseWriter, _ *http.Request, body []byte) {
	wrong := bytes.Clone(body)
	for i := range wrong {
		wrong[i] ^= 1
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(wrong)))
	w.Write(wrong)
}

// Short sends all but the last byte, and says so.
func Short(w http.ResponseWriter, _ *http.Request, body []byte) { w.Write(body[:len(body)-1]) }

// Long sends a byte too much.
func Long(w http.ResponseWriter, _ *http.Request, body []byte) {
	w.Write(append(bytes.Clone(body), 'x'))
}

// Endless sends bytes until the client leaves.
func Endless(w http.ResponseWriter, r *http.Request, body []byte) {
	if len(body) == 0 {
		body = []byte("\n")
	}
	for r.Context().Err() == nil {
		if _, err := w.Write(bytes.Repeat(body, 1+4096/len(body))); err != nil {
			return
		}
	}
}

// Stall sends half of the bytes, then nothing more until the client leaves.
func Stall(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.Write(body[:len(body)/2])
	http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// Disconnect sends half of the bytes and breaks the connection.
func Disconnect(w http.ResponseWriter, _ *http.Request, body []byte) {
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.Write(body[:len(body)/2])
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// Status answers with a code instead of the file.
func Status(code int) Lie {
	return func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(code) }
}

// RedirectTo sends the client elsewhere.
func RedirectTo(url string) Lie {
	return func(w http.ResponseWriter, r *http.Request, _ []byte) { http.Redirect(w, r, url, http.StatusFound) }
}

// Truth sends the right bytes.
func Truth(w http.ResponseWriter, _ *http.Request, body []byte) { w.Write(body) }

// First tells a lie n times, and the truth from then on.
func First(n int, l Lie) Lie {
	var told atomic.Int64
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		if told.Add(1) > int64(n) {
			Truth(w, r, body)
			return
		}
		l(w, r, body)
	}
}

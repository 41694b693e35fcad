package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Unchanged answers, and is true, if the client has what would be made of the version that the request sees. form
// names what else the answer depends on: its media type, and the version of who makes it. Nothing needs to be looked up
// then, since a version never changes. It is for answers that depend on nothing else.
func (r *LiveRequest) Unchanged(w http.ResponseWriter, form string) bool {
	if r.Version == nil {
		return false
	}
	tag := tagOf([]byte(r.Version.PulpID.String() + " " + form))
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") != tag {
		return false
	}
	w.WriteHeader(http.StatusNotModified)
	return true
}

// Text answers with a text that was made for the request, or a part of it, or that the client has it already. Its
// ETag is that of [LiveRequest.Unchanged], if that was called, else its digest.
func (r *LiveRequest) Text(w http.ResponseWriter, mediaType string, text []byte) error {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	if h.Get("ETag") == "" {
		h.Set("ETag", tagOf(text))
	}
	http.ServeContent(w, r.Request, "", time.Time{}, bytes.NewReader(text))
	return nil
}

// JSON answers with what is made of a value, see [LiveRequest.Text].
func (r *LiveRequest) JSON(w http.ResponseWriter, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return r.Text(w, "application/json", append(text, '\n'))
}

// Inside answers with a text that read finds in the first file of a unit, see [pulp.Live.ServeUnit].
func (r *LiveRequest) Inside(w http.ResponseWriter, unit int64, mediaType string, read func(file io.ReaderAt, size int64) ([]byte, error)) error {
	served, err := r.ServeUnit(r.Context(), unit)
	if err != nil {
		return err
	}
	defer served.File.Close()
	text, err := read(served.File, served.File.Size)
	if err != nil {
		return fmt.Errorf("read what is in %s: %w", r.Path, err)
	}
	return r.Text(w, mediaType, text)
}

func tagOf(text []byte) string {
	sum := sha256.Sum256(text)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

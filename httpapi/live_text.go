package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
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

func tagOf(text []byte) string {
	sum := sha256.Sum256(text)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

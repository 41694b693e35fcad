package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/gopulp/pulp"
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

// A Page is an answer that can be written in several media types.
type Page interface {
	Render(w io.Writer, mediaType string) error
}

// Page answers with a page in the media type that the client likes best of some. find is not asked if a client has the
// page: without a remote it depends on nothing but the version that is served, the media type, and version, that
// of who makes it (see [LiveRequest.Unchanged]).
func (r *LiveRequest) Page(w http.ResponseWriter, version string, types []string, find func() (Page, error)) error {
	mediaType := r.Accepts(types...)
	w.Header().Set("Vary", "Accept")
	if r.Remote == nil && r.Unchanged(w, version+" "+mediaType) {
		return nil
	}
	page, err := find()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := page.Render(&text, mediaType); err != nil {
		return fmt.Errorf("write a page: %w", err)
	}
	if strings.Contains(mediaType, "html") {
		mediaType += "; charset=utf-8"
	}
	return r.Text(w, mediaType, text.Bytes())
}

// Redirect answers that what was asked for is at a path relative to that of the request: "../other/".
func (r *LiveRequest) Redirect(w http.ResponseWriter, to string) error {
	w.Header().Set("Location", "./"+to) // "a:b" would be a scheme else
	w.WriteHeader(http.StatusMovedPermanently)
	return nil
}

// Took has the repository take a unit that the client has sent, as [pulp.Live.Take] does, and answers with a JSON
// object that has the task's href as "task" beside what more has: by 200 if the unit is there, else by 202.
func (r *LiveRequest) Took(w http.ResponseWriter, u *pulp.Unit, wait time.Duration, more map[string]any) error {
	task, ended, err := r.Take(r.Context(), u, wait)
	if err != nil {
		return err
	}
	answer := map[string]any{"task": r.TaskHref(r.Context(), task)}
	maps.Copy(answer, more)
	w.Header().Set("Content-Type", jsonType)
	if !ended {
		w.WriteHeader(http.StatusAccepted)
	}
	return json.NewEncoder(w).Encode(answer)
}

func tagOf(text []byte) string {
	sum := sha256.Sum256(text)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

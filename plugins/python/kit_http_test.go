package python_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"

	"github.com/gopulp/pulp/pulptest"
)

// served answers with a text of a media type, and its entity tag.
func served(mediaType, text string) pulptest.Lie {
	return func(w http.ResponseWriter, r *http.Request, _ []byte) {
		tag := `"` + sum([]byte(text)) + `"`
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", mediaType)
		_, _ = io.WriteString(w, text)
	}
}

// send uploads a file as twine does; more are fields in the place of twine's.
func (s *site) send(filename string, file []byte, more object) (*pulptest.Answer, error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	fields := object{":action": "file_upload", "sha256_digest": sum(file), "protocol_version": "1", "name": "hello", "metadata_version": "2.1"}
	for k, v := range more {
		fields[k] = v
	}
	for k, v := range fields {
		_ = w.WriteField(k, fmt.Sprint(v)) // a buffer takes it
	}
	part, _ := w.CreateFormFile("content", filename)
	_, _ = part.Write(file)
	_ = w.Close()
	return s.Try("POST", s.url("legacy/"), &b, "Content-Type", w.FormDataContentType())
}

package httpapi

import (
	"context"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gopulp/pulp"
)

type serveFunc func(ctx context.Context, path string) (*pulp.Served, error)

// content answers a request for what lies below a distribution: below the content path, or below the prefix of a
// type of distributions, where there are no others.
func (s *server) content(w http.ResponseWriter, r *http.Request, root, path string) {
	if !plainPath(path) {
		readOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.failText(w, r, pulp.ErrNotFound) })).ServeHTTP(w, r)
		return
	}
	r = s.show(s.recognize(r))
	if s.live(w, r, root, path) {
		return
	}
	readOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if root != s.app.ContentPath() {
			s.failText(w, r, pulp.ErrNotFound)
			return
		}
		find := s.serve
		if r.Method == http.MethodHead {
			find = s.look
		}
		served, err := find(r.Context(), path)
		if err != nil {
			s.failText(w, r, err)
			return
		}
		s.send(w, r, served)
	})).ServeHTTP(w, r)
}

// send answers with what a path led to.
func (s *server) send(w http.ResponseWriter, r *http.Request, served *pulp.Served) {
	if served.Private {
		w.Header().Set("Cache-Control", "private") // what is shared must not answer for the guard
	}
	switch {
	case served.Redirect != "":
		redirect(w, r, s.app.ContentPath()+served.Redirect)
	case served.File != nil:
		defer served.File.Close()
		s.sendFile(w, r, served.File)
	default:
		s.sendListing(w, r, served.Listing)
	}
}

// plainPath accepts paths that mean the same to everybody on the way: no empty segments, no
// "." and "..", no NUL, and text. Nothing is cleaned: another path is another file.
func plainPath(path string) bool {
	if !utf8.ValidString(path) || strings.ContainsRune(path, 0) {
		return false
	}
	if path == "" {
		return true
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(path, "/"), "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}

// sendFile answers conditional requests and ranges, too. What a stranger uploaded must not
// act in the name of this host: browsers neither guess its type nor run its scripts.
func (s *server) sendFile(w http.ResponseWriter, r *http.Request, f *pulp.ServedFile) {
	if r.Header.Get("Range") != "" { // a part says nothing of whether the whole proves right
		if err := f.Whole(r.Context()); err != nil {
			s.failText(w, r, err)
			return
		}
	}
	h := w.Header()
	h.Set("Content-Type", mediaType(f.Name))
	h.Set("Content-Security-Policy", "sandbox")
	h.Set("ETag", `"`+f.SHA256+`"`)
	if f.Size < 0 { // only asked by HEAD
		w.WriteHeader(http.StatusOK)
		return
	}
	h["X-PULP-ARTIFACT-SIZE"] = []string{strconv.FormatInt(f.Size, 10)}
	// The file itself, not what wraps it: net/http has the system send an *os.File.
	var bytes io.ReadSeeker = f.ReadSeekCloser
	var read *failing
	if _, ok := bytes.(*os.File); !ok {
		read = &failing{ReadSeeker: bytes}
		bytes = read
	}
	http.ServeContent(w, r, "", f.Modified.Time(), bytes)
	if read != nil && read.err != nil {
		s.judge(r, read.err)
		panic(http.ErrAbortHandler) // else it could look like the end
	}
}

// failing remembers why reading failed.
type failing struct {
	io.ReadSeeker
	err error
}

func (r *failing) Read(p []byte) (int, error) {
	n, err := r.ReadSeeker.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

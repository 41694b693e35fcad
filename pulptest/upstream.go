package pulptest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// ManifestName is the path at which an [Upstream] describes its files.
const ManifestName = "PULP_MANIFEST"

// An Upstream is a server of files, as remotes point at. Beside its files it has a manifest at
// [ManifestName]: a line "path,sha256,size" for each. It may be changed at any time.
type Upstream struct {
	server *httptest.Server

	mu       sync.Mutex
	files    map[string][]byte
	manifest []byte // nil: made of the files
	answers  map[string]Lie
	gates    map[string]*Gate
	requests []*http.Request
	now, max int // requests under way
}

// NewUpstream starts an upstream without files, until the test ends.
func NewUpstream(t testing.TB) *Upstream {
	u := &Upstream{files: map[string][]byte{}, answers: map[string]Lie{}, gates: map[string]*Gate{}}
	u.server = httptest.NewServer(u)
	t.Cleanup(func() {
		u.OpenGates()
		u.server.CloseClientConnections()
		u.server.Close()
	})
	return u
}

// URL is where a path is. The empty path is the directory of all files.
func (u *Upstream) URL(path string) string { return u.server.URL + "/" + path }

// Put adds or replaces a file.
func (u *Upstream) Put(path, body string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.files[path] = []byte(body)
}

// Remove removes a file.
func (u *Upstream) Remove(path string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.files, path)
}

// Files returns all files.
func (u *Upstream) Files() map[string][]byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.files)
}

// Manifest is what stands at [ManifestName]: what SetManifest said, else the truth.
func (u *Upstream) Manifest() []byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.manifest != nil {
		return u.manifest
	}
	var b bytes.Buffer
	for _, path := range slices.Sorted(maps.Keys(u.files)) {
		fmt.Fprintln(&b, Line(path, u.files[path]))
	}
	return b.Bytes()
}

// SetManifest replaces the manifest; nil makes it the truth again.
func (u *Upstream) SetManifest(text []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.manifest = text
}

// Line is the line of a manifest that describes a file.
func Line(path string, body []byte) string {
	return fmt.Sprintf("%s,%x,%d", path, sha256.Sum256(body), len(body))
}

// Answer has requests for a path answered by a lie; nil answers with the truth again.
func (u *Upstream) Answer(path string, l Lie) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answers[path] = l
}

// Hold stops requests for a path at a gate, before they are answered.
func (u *Upstream) Hold(path string) *Gate {
	u.mu.Lock()
	defer u.mu.Unlock()
	g := NewGate()
	u.gates[path] = g
	return g
}

// OpenGates opens all gates.
func (u *Upstream) OpenGates() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, g := range u.gates {
		g.Open()
	}
}

// Hits is how often a path was asked for.
func (u *Upstream) Hits(path string) int {
	n := 0
	for _, r := range u.Requests() {
		if r.URL.Path == "/"+path {
			n++
		}
	}
	return n
}

// Requests are all requests so far, without their bodies.
func (u *Upstream) Requests() []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.requests)
}

// Busiest is the largest number of requests that were under way at the same time.
func (u *Upstream) Busiest() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.max
}

// ServeHTTP answers a request.
func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	u.begin(r)
	defer u.end()
	u.mu.Lock()
	gate, lie := u.gates[path], u.answers[path]
	body, known := u.files[path]
	u.mu.Unlock()
	if gate != nil && gate.Pass(r.Context()) != nil {
		return
	}
	if path == ManifestName {
		body, known = u.Manifest(), true
	}
	switch {
	case lie != nil:
		lie(w, r, body)
	case !known:
		http.NotFound(w, r)
	default:
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.Write(body)
	}
}

func (u *Upstream) begin(r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.requests = append(u.requests, r)
	u.now++
	u.max = max(u.max, u.now)
}

func (u *Upstream) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.now--
}

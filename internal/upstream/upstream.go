// Package upstream is a server to mirror from: files that are the same wherever and whenever they
// are made, and a manifest of them. Examples and tests need no network with it.
package upstream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// Manifest is the path of the list of all files, as the content type "file" knows it.
const Manifest = "PULP_MANIFEST"

// A File is one that an upstream offers.
type File struct {
	Path   string
	SHA256 string // in hex
	Size   int64
	bytes  []byte
}

// An Upstream offers files over HTTP. It is made by [New] and does not change.
type Upstream struct {
	// Files are in the order of the manifest.
	Files []File
	// BytesPerSecond is how fast all answers together are. Zero means as fast as can be.
	BytesPerSecond int
}

// New makes so many files of some 100 KiB to 1 MiB each.
func New(files int) *Upstream {
	u := &Upstream{}
	for i := range files {
		random := rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)})
		data := make([]byte, 100<<10+random.Uint64()%(900<<10))
		_, _ = random.Read(data) // it never fails
		sum := sha256.Sum256(data)
		path := fmt.Sprintf("%s/%02d.img", [...]string{"boot", "kernel", "rootfs"}[i%3], i)
		u.Files = append(u.Files, File{path, hex.EncodeToString(sum[:]), int64(len(data)), data})
	}
	return u
}

// Size is how many bytes all files have.
func (u *Upstream) Size() (n int64) {
	for _, f := range u.Files {
		n += f.Size
	}
	return n
}

// Handler serves the manifest and the files.
func (u *Upstream) Handler() http.Handler {
	limit := rate.NewLimiter(rate.Inf, 0)
	if u.BytesPerSecond > 0 {
		limit = rate.NewLimiter(rate.Limit(u.BytesPerSecond), piece)
	}
	files := map[string][]byte{Manifest: u.manifest()}
	for _, f := range u.Files {
		files[f.Path] = f.bytes
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, ok := files[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, &slowReader{bytes.NewReader(data), r.Context(), limit})
	})
}

func (u *Upstream) manifest() []byte {
	var b bytes.Buffer
	for _, f := range u.Files {
		fmt.Fprintf(&b, "%s,%s,%d\n", f.Path, f.SHA256, f.Size)
	}
	return b.Bytes()
}

// Start serves on a free port of this machine. It returns the URL of the manifest, and what ends
// the server.
func (u *Upstream) Start() (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("start upstream: %w", err)
	}
	server := &http.Server{Handler: u.Handler(), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // ends with ErrServerClosed
	}()
	stop = func() {
		_ = server.Close()
		<-done
	}
	return "http://" + l.Addr().String() + "/" + Manifest, stop, nil
}

// piece is how much is read between two looks at the limit.
const piece = 32 << 10

// A slowReader reads no faster than its limit allows.
type slowReader struct {
	*bytes.Reader
	ctx   context.Context
	limit *rate.Limiter
}

func (r *slowReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b[:min(len(b), piece)])
	if err == nil && r.limit.Limit() != rate.Inf {
		err = r.limit.WaitN(r.ctx, n)
	}
	return n, err
}

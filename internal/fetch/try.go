package fetch

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gopulp/pulp/internal/blob"
)

// An answer is what one URL leads to: an HTTP response with status 200, or an open file.
type answer struct {
	header http.Header
	size   int64 // as announced; -1 if not
	body   io.ReadCloser
}

// try asks once and compares what came with what was expected.
func (c *Client) try(w *watch, req Request, raw string, dst func() (Sink, error)) (res Result, err error) {
	u, err := parse(raw)
	if err != nil {
		return Result{}, err
	}
	if req.MaxSize > 0 && req.Size > req.MaxSize {
		return Result{}, tooLarge(req.Size, req.MaxSize)
	}
	ans, err := c.ask(w, u, req)
	if err != nil {
		return Result{}, err
	}
	defer ans.body.Close()
	if err := req.checkAnnounced(ans.size); err != nil {
		return Result{}, err
	}
	sink, err := dst()
	if err != nil {
		return Result{}, &sinkError{err}
	}
	sums, err := c.receive(w, req, ans, sink)
	if err != nil {
		return Result{}, errors.Join(err, sink.Abort())
	}
	return Result{URL: raw, Header: ans.header, Sums: sums}, nil
}

func (c *Client) ask(w *watch, u *url.URL, req Request) (answer, error) {
	if u.Scheme == "file" {
		return openFile(u, c.cfg.ImportPaths)
	}
	resp, err := c.follow(w, u, req)
	if err != nil {
		return answer{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return answer{}, statusError(w, resp, c.cfg.SockReadTimeout)
	}
	return answer{resp.Header, resp.ContentLength, resp.Body}, nil
}

// receive fills the sink and verifies it.
func (c *Client) receive(w *watch, req Request, ans answer, sink Sink) (blob.Sums, error) {
	wanted, err := req.digests()
	if err != nil {
		return blob.Sums{}, err
	}
	var more *blob.Hash // what the sink does not compute
	to := io.Writer(sink)
	if !sink.Digests().Has(wanted) {
		more = blob.NewHash(wanted)
		to = io.MultiWriter(sink, more)
	}
	n, err := c.pump(w, req, ans, to)
	if err != nil {
		return blob.Sums{}, err
	}
	if req.Size >= 0 && n < req.Size {
		return blob.Sums{}, fail(ErrSize, "expected %d bytes, only %d came", req.Size, n)
	}
	if err := sink.Close(); err != nil {
		return blob.Sums{}, &sinkError{err}
	}
	sums := sink.Sums()
	extra := blob.Sums{}
	if more != nil {
		extra = more.Sums()
	}
	return sums, req.verify(sums, extra)
}

// pump copies the body, never more than the limit.
func (c *Client) pump(w *watch, req Request, ans answer, to io.Writer) (int64, error) {
	buf := c.buffers.Get().(*[bufferSize]byte)
	defer c.buffers.Put(buf)
	limit, n := req.limit(), int64(0)
	for {
		k, err := w.read(ans.body, buf[:], c.cfg.SockReadTimeout)
		if n += int64(k); n > limit {
			return n, req.overflow(limit)
		}
		if k > 0 {
			if _, err := to.Write(buf[:k]); err != nil {
				return n, &sinkError{err}
			}
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, &readError{n, ans.size, err}
		}
	}
}

// bufferSize holds what a socket usually has at once.
const bufferSize = 64 << 10

func (r Request) checkAnnounced(size int64) error {
	if size < 0 || r.Size < 0 && size <= r.limit() || size == r.Size {
		return nil
	}
	if r.Size < 0 {
		return tooLarge(size, r.limit())
	}
	return fail(ErrSize, "expected %d bytes, the server announces %d", r.Size, size)
}

func (r Request) overflow(limit int64) error {
	if r.Size < 0 {
		return final(fail(ErrSize, "more than the %d bytes that are accepted", limit))
	}
	return fail(ErrSize, "expected %d bytes, more came", limit)
}

func tooLarge(size, limit int64) error {
	return final(fail(ErrSize, "%d bytes, only %d are accepted", size, limit))
}

// verify names the first digest, by name, that differs.
func (r Request) verify(sums, extra blob.Sums) error {
	for _, name := range slices.Sorted(maps.Keys(r.Digests)) {
		got := cmp.Or(sums.Digest(name), extra.Digest(name))
		if !strings.EqualFold(got, r.Digests[name]) {
			return fail(ErrDigest, "expected %s %s, the %d bytes that came have %s", name, r.Digests[name], sums.Size, got)
		}
	}
	return nil
}

// A sinkError is not the remote's fault and ends the Fetch.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return fmt.Sprintf("store what came: %v", e.err) }
func (e *sinkError) Unwrap() error { return e.err }

// A readError is a body that broke off.
type readError struct {
	got, announced int64
	err            error
}

func (e *readError) Error() string {
	if e.announced >= 0 {
		return fmt.Sprintf("broke off after %d of %d bytes: %v", e.got, e.announced, e.err)
	}
	return fmt.Sprintf("broke off after %d bytes: %v", e.got, e.err)
}

func (e *readError) Unwrap() error { return e.err }

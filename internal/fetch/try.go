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

// An answer is what one URL leads to: an HTTP response with the file or with the rest of it, or an open file.
type answer struct {
	header http.Header
	size   int64 // of the whole file, as announced; -1 if not
	body   io.ReadCloser
	rest   bool // the body is the rest of what came before
}

// try asks once and compares what came with what was expected. p has what the tries before it left, and what this one leaves.
func (c *Client) try(w *watch, req Request, raw string, p *partial, dst func() (Sink, error)) (res Result, err error) {
	u, err := parse(raw)
	if err != nil {
		return Result{}, err
	}
	if req.MaxSize > 0 && req.Size > req.MaxSize {
		return Result{}, tooLarge(req.Size, req.MaxSize)
	}
	ans, err := c.ask(w, u, req, p)
	if err != nil {
		return Result{}, err
	}
	defer ans.body.Close()
	if err := req.checkAnnounced(ans.size); err != nil {
		return Result{}, errors.Join(err, p.drop())
	}
	if !ans.rest {
		if err := p.begin(req, ans, dst); err != nil {
			return Result{}, err
		}
	}
	sums, err := c.receive(w, req, ans, p)
	if err != nil && p.resumable(err) {
		return Result{}, err
	}
	if err != nil {
		return Result{}, errors.Join(err, p.drop())
	}
	return Result{URL: raw, Header: ans.header, Sums: sums}, nil
}

func (c *Client) ask(w *watch, u *url.URL, req Request, p *partial) (answer, error) {
	if u.Scheme == "file" {
		return openFile(u, c.cfg.ImportPaths)
	}
	whole := req
	req.Header = p.header(req.Header)
	resp, err := c.follow(w, u, req)
	if err != nil {
		return answer{}, err
	}
	if size, ok := p.continues(resp); ok {
		return answer{resp.Header, size, resp.Body, true}, nil
	}
	if p.got > 0 && (resp.StatusCode == http.StatusPartialContent || resp.StatusCode == http.StatusRequestedRangeNotSatisfiable) {
		// It does not understand what it was asked for.
		resp.Body.Close()
		if err := p.drop(); err != nil {
			return answer{}, &sinkError{err}
		}
		return c.ask(w, u, whole, p)
	}
	if resp.StatusCode != http.StatusOK {
		return answer{}, statusError(w, resp, c.cfg.SockReadTimeout)
	}
	return answer{resp.Header, resp.ContentLength, resp.Body, false}, nil
}

// receive fills the sink and verifies it.
func (c *Client) receive(w *watch, req Request, ans answer, p *partial) (blob.Sums, error) {
	err := c.pump(w, req, ans, p)
	if err != nil {
		return blob.Sums{}, err
	}
	if req.Size >= 0 && p.got < req.Size {
		return blob.Sums{}, fail(ErrSize, "expected %d bytes, only %d came", req.Size, p.got)
	}
	if err := p.sink.Close(); err != nil {
		return blob.Sums{}, &sinkError{err}
	}
	sums := p.sink.Sums()
	extra := blob.Sums{}
	if p.more != nil {
		extra = p.more.Sums()
	}
	return sums, req.verify(sums, extra)
}

// pump copies the body, never more than the limit.
func (c *Client) pump(w *watch, req Request, ans answer, p *partial) error {
	buf := c.buffers.Get().(*[bufferSize]byte)
	defer c.buffers.Put(buf)
	limit, to := req.limit(), p.writer()
	for {
		k, err := w.read(ans.body, buf[:], c.cfg.SockReadTimeout)
		if p.got+int64(k) > limit {
			return req.overflow(limit)
		}
		if k > 0 {
			if _, err := to.Write(buf[:k]); err != nil {
				return &sinkError{err}
			}
			p.got += int64(k)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return &readError{p.got, ans.size, err}
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

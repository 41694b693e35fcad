// Package fetch gets remote files and hands over only what was asked for.
//
// A fetch ends well only when the size and every digest that the caller expects match; everything else that a remote can do —
// lie, stall, break off, never end, send elsewhere — comes back as an [*Error] of a closed kind, after the retries
// that make sense for it. Credentials go to the origin of the remote and nowhere else.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/gopulp/pulp/internal/blob"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

// A Client fetches files of one remote. It is safe for concurrent use. Make it with [New], and Close it.
type Client struct {
	cfg     Config
	proxy   *url.URL
	origin  *http.Transport // shows the client certificate
	others  *http.Transport // does not; the same one if there is none
	slots   *semaphore.Weighted
	rate    *rate.Limiter
	secrets *strings.Replacer
	buffers sync.Pool
}

// Close closes the connections that are not in use. Call it when the last Fetch has returned.
func (c *Client) Close() {
	c.origin.CloseIdleConnections()
	c.others.CloseIdleConnections()
}

// A Request says what to fetch.
type Request struct {
	// URLs are tried in order until one delivers.
	URLs []string
	// Size is the exact size in bytes; -1 if unknown. Zero expects an empty file.
	Size int64
	// Digests are expected values in hex by the names of [blob.ParseSet]. None means that any bytes will do.
	Digests map[string]string
	// MaxSize is the most bytes to accept. Zero means no limit when Size is known, and DefaultMaxSize when not.
	MaxSize int64
	// Header is sent to every server, also across redirects: for Accept or If-None-Match, not for secrets.
	Header http.Header
}

// DefaultMaxSize is the limit in bytes for a file of unknown size.
const DefaultMaxSize int64 = 4 << 30

// A Sink takes the bytes of one try. [*blob.Writer] and [*Buffer] are Sinks.
type Sink interface {
	// Write adds to the file, Close ends it. Their errors end the Fetch at once.
	io.WriteCloser
	// Digests is what the Sink computes anyway; Fetch computes the other expected ones.
	Digests() blob.Set
	// Sums is called after Close and returns size and digests of what was written.
	Sums() blob.Sums
	// Abort is called when the bytes are not wanted.
	Abort() error
}

// A Result is what a Fetch found.
type Result struct {
	URL    string      // the one of Request.URLs that delivered
	Header http.Header // of the answer; for a file only Last-Modified and Content-Length
	Sums   blob.Sums   // what the Sink computed
	Tries  int         // of this URL, the good one included
}

// Fetch writes the file into a Sink made by dst. dst is called for each try that begins with the first byte; the Sink that it returned last has
// the file, closed and with the expected size and digests. On an error no Sink is left: each was aborted.
//
// Each URL gets Config.MaxRetries retries with growing pauses for what may pass: timeouts, lost connections, wrong size or
// digest, HTTP 5xx and 429 (whose Retry-After is honoured up to a minute; a longer one gives the URL up). A transfer that broke off is resumed
// where it was, in the same Sink, if the server named the file by a strong entity tag that it still has, and a digest is
// expected that the whole is compared with; else each try starts from the first byte in a new Sink. The error is an [*Error]; for several URLs several joined; the error of dst, of the Sink, or of ctx as it is.
func (c *Client) Fetch(ctx context.Context, req Request, dst func() (Sink, error)) (Result, error) {
	if err := req.check(); err != nil {
		return Result{}, fmt.Errorf("fetch: %w", err)
	}
	var failures []error
	for _, raw := range req.URLs {
		res, err := c.retry(ctx, req, raw, dst)
		if err == nil {
			return res, nil
		}
		var failure *Error
		if !errors.As(err, &failure) {
			return Result{}, fmt.Errorf("fetch %s: %w", Redact(raw), err)
		}
		failures = append(failures, failure)
	}
	if len(failures) == 1 {
		return Result{}, failures[0]
	}
	return Result{}, fmt.Errorf("all %d URLs failed:\n%w", len(failures), errors.Join(failures...))
}

func (r Request) check() error {
	if len(r.URLs) == 0 {
		return errors.New("no URL to fetch from")
	}
	_, err := r.digests()
	return err
}

func (r Request) digests() (blob.Set, error) {
	names := make([]string, 0, len(r.Digests))
	for name := range r.Digests {
		names = append(names, name)
	}
	return blob.ParseSet(names...)
}

// limit is the number of bytes after which a body is cut.
func (r Request) limit() int64 {
	switch {
	case r.Size >= 0:
		return r.Size
	case r.MaxSize > 0:
		return r.MaxSize
	}
	return DefaultMaxSize
}

// retry tries one URL until it delivers, fails for good, or has had its tries.
func (c *Client) retry(ctx context.Context, req Request, raw string, dst func() (Sink, error)) (Result, error) {
	var p partial
	res, err := c.tries(ctx, req, raw, &p, dst)
	if err != nil {
		if left := p.drop(); left != nil {
			err = errors.Join(err, left)
		}
	}
	return res, err
}

func (c *Client) tries(ctx context.Context, req Request, raw string, p *partial, dst func() (Sink, error)) (Result, error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.Multiplier, pauses.MaxInterval = c.cfg.RetryPause, 2, max(maxPause, c.cfg.RetryPause)
	for try := 1; ; try++ {
		res, err := c.slot(ctx, req, raw, p, dst)
		if err == nil {
			res.Tries = try
			return res, nil
		}
		if ctx.Err() != nil {
			return Result{}, context.Cause(ctx)
		}
		var failure *Error
		if !errors.As(err, &failure) {
			return Result{}, err
		}
		failure.Tries = try
		pause := max(pauses.NextBackOff(), failure.after)
		if failure.final || try > c.cfg.MaxRetries {
			return Result{}, failure
		}
		if err := sleep(ctx, pause); err != nil {
			return Result{}, err
		}
	}
}

// maxPause is the longest pause between two tries, and the longest Retry-After that is waited for.
const maxPause = time.Minute

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// slot runs one try when less than Config.Concurrency are running.
func (c *Client) slot(ctx context.Context, req Request, raw string, p *partial, dst func() (Sink, error)) (Result, error) {
	if err := c.slots.Acquire(ctx, 1); err != nil {
		return Result{}, err
	}
	defer c.slots.Release(1)
	w := newWatch(ctx, c.cfg.TotalTimeout)
	defer w.stop()
	res, err := c.try(w, req, raw, p, dst)
	if err != nil {
		return Result{}, c.explain(w, raw, err)
	}
	return res, nil
}

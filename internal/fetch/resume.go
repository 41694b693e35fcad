package fetch

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gopulp/pulp/internal/blob"
)

// A partial is what the tries of one URL have brought so far. A try that breaks off leaves it for the next one, which asks
// only for the rest, if the server named the file by a strong entity tag and the caller has a digest to compare the whole with.
type partial struct {
	sink Sink
	more *blob.Hash // the expected digests that the sink does not compute; nil if it computes all
	got  int64
	tag  string // that the file had; empty if the rest cannot be asked for
}

// begin makes a new sink for a file from its first byte.
func (p *partial) begin(req Request, ans answer, dst func() (Sink, error)) error {
	if err := p.drop(); err != nil {
		return &sinkError{err}
	}
	wanted, err := req.digests()
	if err != nil {
		return err
	}
	if p.sink, err = dst(); err != nil {
		p.sink = nil
		return &sinkError{err}
	}
	if !p.sink.Digests().Has(wanted) {
		p.more = blob.NewHash(wanted)
	}
	if tag := ans.header.Get("ETag"); len(req.Digests) > 0 && strings.HasPrefix(tag, `"`) {
		p.tag = tag
	}
	return nil
}

// drop forgets what has come.
func (p *partial) drop() error {
	sink := p.sink
	*p = partial{}
	if sink == nil {
		return nil
	}
	return sink.Abort()
}

func (p *partial) writer() io.Writer {
	if p.more == nil {
		return p.sink
	}
	return io.MultiWriter(p.sink, p.more)
}

// resumable says whether the next try may ask for the rest after err.
func (p *partial) resumable(err error) bool {
	var body *readError
	return p.tag != "" && p.got > 0 && errors.As(err, &body)
}

// header is that of the request, with the wish to get only the rest if the file is still the same.
func (p *partial) header(h http.Header) http.Header {
	if p.tag == "" || p.got == 0 {
		return h
	}
	h = h.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Range", fmt.Sprintf("bytes=%d-", p.got))
	h.Set("If-Range", p.tag)
	return h
}

// continues says whether an answer is the rest that was asked for, and how large the whole file is; -1 if it does not say.
func (p *partial) continues(resp *http.Response) (size int64, ok bool) {
	if resp.StatusCode != http.StatusPartialContent || p.tag == "" || p.got == 0 || resp.Header.Get("ETag") != p.tag {
		return 0, false
	}
	var from, to int64
	text := resp.Header.Get("Content-Range")
	if n, err := fmt.Sscanf(text, "bytes %d-%d/%d", &from, &to, &size); n != 3 || err != nil {
		size = -1
		if n, err := fmt.Sscanf(text, "bytes %d-%d/*", &from, &to); n != 2 || err != nil {
			return 0, false
		}
	}
	return size, from == p.got && to >= from && (size < 0 || to == size-1)
}

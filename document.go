package pulp

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"sync"
	"time"

	"github.com/gopulp/pulp/internal/fetch"
)

// documentFresh is how long a document of a remote is taken for unchanged.
const documentFresh = time.Minute

// A Document is a document of a remote's metadata, read whole.
type Document struct {
	Text []byte
	// Type is its media type as the server says, without parameters: "text/html".
	Type string
	// URL is where it is.
	URL string

	tag string // by which the server knows what it sent; empty if it does not
}

// Link is where a link in it leads: ref is absolute or relative to its URL, and its fragment is
// dropped. It is an error if it leads to no server of http or https, so that none leads to files of ours.
func (p *Document) Link(ref string) (string, error) {
	base, err := url.Parse(p.URL)
	if err != nil {
		return "", fmt.Errorf("read link: %w", err)
	}
	u, err := base.Parse(ref)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return "", fmt.Errorf("%.200q is no link to a file on a server", ref)
	}
	u.Fragment, u.RawFragment = "", ""
	return u.String(), nil
}

// document downloads a document, at most limit bytes of it. What the server sent as old is not sent again.
func (a *App) document(ctx context.Context, c *fetch.Client, from, accept string, limit int64, old *Document) (*Document, error) {
	header := map[string][]string{"Accept": {accept}}
	if old != nil && old.tag != "" {
		header["If-None-Match"] = []string{old.tag}
	}
	in, got, err := a.fetch(ctx, c, fetch.Request{URLs: []string{from}, Size: -1, MaxSize: limit, Header: header})
	var status *fetch.StatusError
	if errors.As(err, &status) && status.Code == 304 && old != nil {
		return old, nil
	}
	if err != nil {
		return nil, err
	}
	defer in.Discard()
	text, err := in.Bytes()
	kind, _, _ := mime.ParseMediaType(got.Header.Get("Content-Type"))
	return &Document{Text: text, Type: kind, URL: got.URL, tag: got.Header.Get("ETag")}, err
}

// documents are documents of remotes.
type documents struct {
	mu    sync.Mutex
	byKey map[string]keptDocument
	size  int
}

type keptDocument struct {
	*Document
	until time.Time
}

// mostDocuments bounds the memory of documents, in bytes.
const mostDocuments = 32 << 20

// at returns the document of a key, if there is one, and whether it need not be asked for again.
func (s *documents) at(key string, now time.Time) (p *Document, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.byKey[key]
	return one.Document, one.Document != nil && now.Before(one.until)
}

// keep keeps a document until a time, and as what stands in for a later one; nil forgets that of the key.
func (s *documents) keep(key string, p *Document, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.byKey[key].Document; old != nil {
		s.size -= len(old.Text)
	}
	if delete(s.byKey, key); p == nil {
		return
	}
	if s.byKey == nil || s.size+len(p.Text) > mostDocuments {
		s.byKey, s.size = map[string]keptDocument{}, 0
	}
	s.byKey[key] = keptDocument{p, until}
	s.size += len(p.Text)
}

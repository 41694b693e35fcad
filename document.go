package pulp

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/uptrace/bun"

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

// obtain downloads a file, verified by what is known of it, unless it is here already.
func (a *App) obtain(ctx context.Context, c *fetch.Client, f Remotely) (*Incoming, error) {
	if f.SHA256 != "" {
		m, err := NewModel[Artifact]().First(ctx, a.db.Reader(), func(q *bun.SelectQuery) *bun.SelectQuery {
			return q.Where("a.domain_id = ? AND a.sha256 = ?", a.domain.ID, strings.ToLower(f.SHA256))
		})
		if err == nil {
			return a.stored(m), nil
		}
		if !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	in, _, err := a.fetch(ctx, c, f.request())
	return in, err
}

// request asks for the file, and for nothing else.
func (f *Remotely) request() fetch.Request {
	req := fetch.Request{URLs: []string{f.URL}, Size: f.Size}
	if f.SHA256 != "" {
		req.Digests = map[string]string{"sha256": f.SHA256}
	}
	return req
}

// Document downloads a document of metadata, of at most limit bytes, in one of the types that accept names.
// ErrNotFound says that the remote has none.
func (s *Sync) Document(ctx context.Context, from, accept string, limit int64) (*Document, error) {
	done := s.j.Progress("sync.downloading.metadata", "Downloading Metadata", 0)
	p, err := s.app.document(ctx, s.client.Client, from, accept, limit, nil)
	if missing(err) {
		err = fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err != nil {
		return nil, fmt.Errorf("download metadata: %w", err)
	}
	done.Add(1)
	return p, nil
}

// Obtain is [Sync.Download] for a file whose SHA256 or Size (-1 if it is not) is known: any other bytes are
// an error. It may be called by several goroutines.
func (s *Sync) Obtain(ctx context.Context, f Remotely) (*Incoming, error) {
	in, err := s.app.obtain(ctx, s.client.Client, f)
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", lastPart(f.URL), err)
	}
	s.downloads.Add(1)
	s.receivedMu.Lock()
	defer s.receivedMu.Unlock()
	s.received = append(s.received, in)
	return in, nil
}

// Document gets a document of the remote's metadata, of at most limit bytes, in one of the types that accept
// names, once for all who need it at the same time. For a minute it is answered from memory; after that the
// remote is asked whether it has changed. As long as the remote does not deliver, the last one that it
// delivered is returned. Errors are those of [Live.Fetch].
func (l *Live) Document(ctx context.Context, from, accept string, limit int64) (*Document, error) {
	key := l.key("document " + accept + " " + from)
	old, fresh := l.app.documents.at(key, l.app.clock())
	if fresh {
		return old, nil
	}
	return Pulled(ctx, l, "document "+accept+" "+from, func(ctx context.Context) (*Document, error) {
		p, err := fetched(ctx, l, from, func(c *fetch.Client) (*Document, error) { return l.app.document(ctx, c, from, accept, limit, old) })
		switch now := l.app.clock(); {
		case err == nil:
			l.app.documents.keep(key, p, now.Add(documentFresh))
		case errors.Is(err, ErrNotFound):
			l.app.documents.keep(key, nil, now)
		case old != nil && errors.Is(err, ErrRemote):
			l.app.documents.keep(key, old, now.Add(brokenFor))
			return old, nil
		}
		return p, err
	})
}

// Obtain downloads a file from the URL that f has, wherever that is, and refuses other bytes than those of
// its SHA256 and its Size (-1 if it is not known). A file that is here already is not downloaded. Whoever calls
// it discards the file in the end. Errors are those of [Live.Fetch].
func (l *Live) Obtain(ctx context.Context, f Remotely) (*Incoming, error) {
	return fetched(ctx, l, f.URL, func(c *fetch.Client) (*Incoming, error) { return l.app.obtain(ctx, c, f) })
}

// BadRemote is the error of a request's remote that delivers what it must not, of kind [ErrRemote].
func BadRemote(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrRemote, fmt.Errorf(format, args...))
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

package pulp

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/fetch"
)

// An Upstream is a remote, and what downloads from it: a [Sync], or a [Live] request that is answered from there.
// Its methods may be called by several goroutines. ErrNotFound says that the remote has no such thing, and of a Live
// ErrRemote that it does not deliver.
type Upstream interface {
	// Below is the URL of a file below the remote's. path is plain text: what it holds is percent-encoded where
	// needed. It is empty, and leads nowhere, where there is no remote, or the path does not stay below it.
	Below(path string) string
	// Document downloads a document of metadata, of at most limit bytes, in one of the types that accept names.
	Document(ctx context.Context, url, accept string, limit int64) (*Document, error)
	// Obtain downloads a file from its URL, wherever that is. Other bytes than those of its SHA256 and its Size (-1 if
	// it is not known) are an error; where neither is known, nothing but the connection has verified them. A file that
	// is here already is not downloaded.
	Obtain(ctx context.Context, f Remotely) (*Incoming, error)
}

var (
	_ Upstream = (*Sync)(nil)
	_ Upstream = (*Live)(nil)
)

// Below is that of [Upstream].
func (s *Sync) Below(path string) string { return below(s.url, path) }

// Below is that of [Upstream].
func (l *Live) Below(path string) string {
	if l.Remote == nil {
		return ""
	}
	return below(l.Remote.URL, path)
}

func below(root, path string) string {
	url, _ := fetch.Resolve(strings.TrimSuffix(root, "/")+"/", path) // empty with an error
	return url
}

// Document is that of [Upstream].
func (s *Sync) Document(ctx context.Context, from, accept string, limit int64) (*Document, error) {
	done := s.j.Progress("sync.downloading.metadata", "Downloading Metadata", 0)
	p, err := s.app.document(ctx, s.client.Client, from, accept, limit, nil)
	if err != nil {
		return nil, fmt.Errorf("download metadata: %w", notFound(err))
	}
	done.Add(1)
	return p, nil
}

// Obtain is that of [Upstream]. When the sync ends the file is removed, unless it is that of a unit that was put.
func (s *Sync) Obtain(ctx context.Context, f Remotely) (*Incoming, error) {
	in, err := s.app.obtain(ctx, s.client.Client, f)
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", lastPart(f.URL), notFound(err))
	}
	s.downloads.Add(1)
	s.receivedMu.Lock()
	defer s.receivedMu.Unlock()
	s.received = append(s.received, in)
	return in, nil
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
	req := fetch.Request{URLs: []string{f.URL}, Size: f.Size, MaxSize: f.Limit}
	if f.SHA256 != "" {
		req.Digests = map[string]string{"sha256": f.SHA256}
	}
	return req
}

// Document is that of [Upstream]: once for all who need it at the same time. For a minute it is answered from memory;
// after that the remote is asked whether it has changed. As long as the remote does not deliver, the last one that it
// delivered is returned.
func (l *Live) Document(ctx context.Context, from, accept string, limit int64) (*Document, error) {
	key := l.key("document " + accept + " " + from)
	old, fresh := l.app.documents.at(key, l.app.clock())
	if fresh {
		return old, nil
	}
	return Pulled(ctx, l, "document "+accept+" "+from, func(ctx context.Context) (*Document, error) {
		p, err := fetched(ctx, l.app, l.Remote, from, func(c *fetch.Client) (*Document, error) { return l.app.document(ctx, c, from, accept, limit, old) })
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

// Obtain is that of [Upstream]. Whoever calls it discards the file in the end.
func (l *Live) Obtain(ctx context.Context, f Remotely) (*Incoming, error) {
	return fetched(ctx, l.app, l.Remote, f.URL, func(c *fetch.Client) (*Incoming, error) { return l.app.obtain(ctx, c, f) })
}

// fetched has get download from a remote, and says of what kind its error is.
func fetched[T any](ctx context.Context, a *App, remote *Remote[None], url string, get func(c *fetch.Client) (T, error)) (out T, err error) {
	if remote == nil {
		return out, fmt.Errorf("the distribution has no remote: %w", ErrNotFound)
	}
	c, err := a.clientOf(remote)
	if err != nil {
		return out, err
	}
	defer c.Close()
	out, err = get(c.Client)
	switch {
	case err == nil:
		return out, nil
	case ctx.Err() != nil:
		return out, context.Cause(ctx)
	case missing(err):
		return out, notFound(err)
	case ourFault(err):
		return out, fmt.Errorf("fetch %s: %w", fetch.Redact(url), err)
	}
	return out, fmt.Errorf("%w: %w", ErrRemote, err)
}

// notFound adds the kind of an error that is so.
func notFound(err error) error {
	if missing(err) {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}

// missing says whether a server said that it has no such file.
func missing(err error) bool {
	var status *fetch.StatusError
	return errors.As(err, &status) && (status.Code == 404 || status.Code == 410)
}

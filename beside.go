package pulp

import (
	"context"
	"fmt"
	"time"

	"github.com/gopulp/pulp/internal/fetch"
)

// Beside gets a document that a remote has beside the first file of a unit, at the file's URL with suffix behind it,
// of at most limit bytes, and with that sha256: metadata of a file that is not here and need not come for it. The
// remote is the one that has the file, whether the distribution names it or not. Nothing is kept but in
// memory. ErrNotFound says that no remote delivers it, or that the file is here anyway.
func (l *Live) Beside(ctx context.Context, unit int64, suffix, sha256 string, limit int64) ([]byte, error) {
	a, key := l.app, "beside "+sha256
	if old, _ := a.documents.at(key, a.clock()); old != nil {
		return old.Text, nil
	}
	f, err := a.oneFile(ctx, unitFileSQL, unit)
	if err == nil && (f == nil || f.sha256 != "") {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	ch := a.flights.do(ctx, key, func(ctx context.Context) (any, error) {
		text, err := a.beside(ctx, f, suffix, fetch.Request{Size: -1, MaxSize: limit, Digests: map[string]string{"sha256": sha256}})
		if err == nil {
			a.documents.keep(key, &Document{Text: text}, time.Time{})
		}
		return text, err
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case res := <-ch:
		text, _ := res.Val.([]byte)
		return text, res.Err
	}
}

// beside asks the sources of a file in turn for what they have beside it.
func (a *App) beside(ctx context.Context, f *shelvedFile, suffix string, req fetch.Request) ([]byte, error) {
	sources, err := a.sources(ctx, f)
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		s.url += suffix
		if a.misses.at(s.miss(), a.clock()) != nil {
			continue
		}
		remote, err := a.remoteOf(ctx, s.remote)
		if err != nil {
			return nil, err
		}
		text, err := a.bytesFrom(ctx, remote, s.url, req)
		switch {
		case err == nil:
			return text, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case ourFault(err):
			return nil, fmt.Errorf("fetch %s: %w", fetch.Redact(s.url), err)
		}
		a.log.WarnContext(ctx, "on demand: source failed", "url", fetch.Redact(s.url), "err", err)
		a.misses.keep(s.miss(), ErrRemote, a.clock(), downFor)
	}
	return nil, notDelivered(f)
}

// bytesFrom downloads a small file from a remote's server.
func (a *App) bytesFrom(ctx context.Context, remote *Remote[None], url string, req fetch.Request) ([]byte, error) {
	c, err := a.clientOf(remote)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	req.URLs = []string{url}
	in, _, err := a.fetch(ctx, c.Client, req)
	if err != nil {
		return nil, err
	}
	defer in.Discard()
	return in.Bytes()
}

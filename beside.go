package pulp

import (
	"context"
	"errors"
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
	got, err := l.Pull(ctx, key, func(ctx context.Context) (any, error) {
		text, err := a.beside(ctx, f, suffix, fetch.Request{Size: -1, MaxSize: limit, Digests: map[string]string{"sha256": sha256}})
		if err == nil {
			a.documents.keep(key, &Document{Text: text}, time.Time{})
		}
		return text, err
	})
	text, _ := got.([]byte)
	return text, err
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
		req.URLs = []string{s.url}
		text, err := fetched(ctx, a, remote, s.url, func(c *fetch.Client) ([]byte, error) { return a.small(ctx, c, req) })
		if err == nil || !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrRemote) {
			return text, err
		}
		a.log.WarnContext(ctx, "on demand: source failed", "url", fetch.Redact(s.url), "err", err)
		a.misses.keep(s.miss(), ErrRemote, a.clock(), downFor)
	}
	return nil, notDelivered(f)
}

// small downloads a file into memory.
func (a *App) small(ctx context.Context, c *fetch.Client, req fetch.Request) ([]byte, error) {
	in, _, err := a.fetch(ctx, c, req)
	if err != nil {
		return nil, err
	}
	defer in.Discard()
	return in.Bytes()
}

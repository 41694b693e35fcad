package pulp

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gopulp/pulp/internal/fetch"
)

// How long a failure is answered from memory: that a remote has no such thing, and that it did not
// deliver.
const (
	missingFor = time.Minute
	brokenFor  = 5 * time.Second
)

// Fetch downloads a file from below the remote's URL, with the remote's credentials, and at most
// limit bytes of it; zero means 4 GiB. path is plain text: what it holds is percent-encoded where
// needed. Whoever calls it discards the file in the end. Its bytes have been verified by nothing
// but the connection.
//
// ErrNotFound says that the remote has no such file, ErrRemote that it does not deliver.
func (l *Live) Fetch(ctx context.Context, path string, limit int64) (*Incoming, error) {
	if l.Remote == nil {
		return nil, fmt.Errorf("the distribution has no remote: %w", ErrNotFound)
	}
	url, err := fetch.Resolve(strings.TrimSuffix(l.Remote.URL, "/")+"/", path)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", path, ErrNotFound)
	}
	return fetched(ctx, l, url, func(c *fetch.Client) (*Incoming, error) {
		in, _, err := l.app.fetch(ctx, c, fetch.Request{URLs: []string{url}, Size: -1, MaxSize: limit})
		return in, err
	})
}

// fetched has get download from the remote, and says of what kind its error is.
func fetched[T any](ctx context.Context, l *Live, url string, get func(c *fetch.Client) (T, error)) (out T, err error) {
	if l.Remote == nil {
		return out, fmt.Errorf("the distribution has no remote: %w", ErrNotFound)
	}
	c, err := l.app.clientOf(l.Remote)
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
		return out, fmt.Errorf("%w: %w", ErrNotFound, err)
	case ourFault(err):
		return out, fmt.Errorf("fetch %s: %w", fetch.Redact(url), err)
	}
	return out, fmt.Errorf("%w: %w", ErrRemote, err)
}

// missing says whether a server said that it has no such file.
func missing(err error) bool {
	var status *fetch.StatusError
	return errors.As(err, &status) && (status.Code == 404 || status.Code == 410)
}

// Pull has get called once for all requests of the distribution that need the same thing, named by
// key, at the same time, and returns what it returned. get's context does not end with the request,
// only with the App: what one client began is there for the next one.
//
// That there is no such thing (ErrNotFound) is remembered for a minute, that the remote does not
// deliver (ErrRemote) for five seconds; until then get is not called again for the key. A change
// of the distribution forgets it.
func (l *Live) Pull(ctx context.Context, key string, get func(ctx context.Context) (any, error)) (any, error) {
	key = l.key(key)
	now := l.app.clock()
	if err := l.app.misses.at(key, now); err != nil {
		return nil, err
	}
	ch := l.app.flights.do(ctx, key, func(ctx context.Context) (any, error) {
		out, err := calmly(ctx, l.app, get)
		switch {
		case errors.Is(err, ErrNotFound):
			l.app.misses.keep(key, err, now, missingFor)
		case errors.Is(err, ErrRemote):
			l.app.misses.keep(key, err, now, brokenFor)
		}
		return out, err
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case res := <-ch:
		return res.Val, res.Err
	}
}

// key names something of the distribution as it is now.
func (l *Live) key(name string) string {
	return fmt.Sprintf("live/%d/%d/%s", l.d.id, l.d.changed, name)
}

// Pulled is [Live.Pull] for what has a type. Without a remote it is ErrNotFound.
func Pulled[T any](ctx context.Context, l *Live, key string, get func(ctx context.Context) (T, error)) (out T, err error) {
	if l.Remote == nil {
		return out, ErrNotFound
	}
	got, err := l.Pull(ctx, key, func(ctx context.Context) (any, error) { return get(ctx) })
	out, _ = got.(T)
	return out, err
}

// calmly makes an error of a panic: it would end the process, being on no request's goroutine.
func calmly(ctx context.Context, a *App, get func(ctx context.Context) (any, error)) (out any, err error) {
	defer func() {
		if r := recover(); r != nil {
			a.log.ErrorContext(ctx, "pull panicked", "panic", r, "stack", string(debug.Stack()))
			out, err = nil, errPanicked
		}
	}()
	return get(ctx)
}

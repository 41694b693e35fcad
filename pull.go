package pulp

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// How long a failure is answered from memory: that a remote has no such thing, and that it did not
// deliver.
const (
	missingFor = time.Minute
	brokenFor  = 5 * time.Second
)

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

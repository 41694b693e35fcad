package fetch

import (
	"context"
	"fmt"
	"io"
	"net/http/httptrace"
	"sync"
	"time"
)

// A watch ends one try when it takes too long. It runs only while we wait for the remote: neither for the disk nor
// for the rate limit.
type watch struct {
	ctx    context.Context // of the try; its cause is an *overdue if the watch has ended it
	cancel context.CancelCauseFunc
	total  context.CancelFunc
	at     string // where redirects have led, as Redact prints it; empty: nowhere
	mu     sync.Mutex
	timer  *time.Timer
}

// An overdue says what took too long.
type overdue struct {
	what  string
	after time.Duration
}

func (o *overdue) Error() string { return fmt.Sprintf("%s after %s", o.what, o.after) }

func newWatch(ctx context.Context, total time.Duration) *watch {
	w := &watch{total: func() {}}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	if total > 0 {
		w.ctx, w.total = context.WithTimeoutCause(w.ctx, total, &overdue{"not complete", total})
	}
	return w
}

func (w *watch) stop() {
	w.rest()
	w.total()
	w.cancel(nil)
}

// expect ends the try unless rest or expect is called within d.
func (w *watch) expect(d time.Duration, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer = time.AfterFunc(d, func() { w.cancel(&overdue{what, d}) })
}

func (w *watch) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer = nil
}

// read is one Read of a body that must not take longer than idle.
func (w *watch) read(body io.Reader, p []byte, idle time.Duration) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	w.expect(idle, "no data")
	defer w.rest()
	return body.Read(p)
}

// phases watches a request: first for a connection, then for the header of its answer.
func (w *watch) phases(connect, idle time.Duration) context.Context {
	return httptrace.WithClientTrace(w.ctx, &httptrace.ClientTrace{
		GetConn: func(string) { w.expect(connect, "no connection") },
		GotConn: func(httptrace.GotConnInfo) { w.expect(idle, "no answer") },
	})
}

// cause is why the try was ended; nil if it was not.
func (w *watch) cause() error { return context.Cause(w.ctx) }

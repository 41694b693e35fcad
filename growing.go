package pulp

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"

	"github.com/gopulp/pulp/internal/blob"
	"github.com/gopulp/pulp/internal/fetch"
)

// errCutShort is what readers get of bytes that came, but not all of them or not the right ones.
var errCutShort = errors.New("the remote broke off, or sent wrong bytes")

// large says whether a file is passed on while it comes. Its size must be known: else neither is it
// known to be large, nor could a client of HTTP/1.0 tell a cut from the end. Windows neither renames
// nor removes a file that is open.
func (a *App) large(sources []source) bool {
	if a.cfg.StreamAbove < 0 || runtime.GOOS == "windows" {
		return false
	}
	for _, s := range sources {
		if s.size <= a.cfg.StreamAbove {
			return false
		}
	}
	return len(sources) > 0
}

// growing is a large file that is being fetched, and may be followed by any number of readers. Each
// try from its first byte is a flow of its own, and a reader stays with the one whose bytes it
// has: the bytes of two are never mixed.
type growing struct {
	mu   sync.Mutex
	news chan struct{} // closed when anything below, or of its flows, has changed
	now  *flow         // the present try; nil before and between tries
	lost *flow         // the try before, whose readers do not know yet that it failed
	done bool
	got  *kept
	err  error // why there is nothing in the end
}

func newGrowing() *growing { return &growing{news: make(chan struct{})} }

// change does f and wakes who waits.
func (g *growing) change(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
	close(g.news)
	g.news = make(chan struct{})
}

// wait waits until ready, which is called under mu, is true.
func (g *growing) wait(ctx context.Context, ready func() bool) error {
	for {
		g.mu.Lock()
		ok, news := ready(), g.news
		g.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-news:
		}
	}
}

// flow is what a try is written to: w, which readers of g follow; w alone if there is no g.
func (g *growing) flow(w *blob.Writer, s source) (fetch.Sink, error) {
	if g == nil {
		return w, nil
	}
	file, err := w.Follow()
	if err != nil {
		return nil, errors.Join(err, w.Abort())
	}
	f := &flow{Writer: w, g: g, size: s.size, sha256: s.sha256, file: file, users: 1}
	g.change(func() {
		g.confess()
		g.now = f
	})
	return f, nil
}

// verified says that the present try has all bytes, and the right ones.
func (g *growing) verified() {
	if g != nil {
		g.change(func() { g.now.whole = true })
	}
}

// end says that nothing more comes.
func (g *growing) end(got *kept, err error) {
	g.change(func() {
		g.done, g.got, g.err = true, got, err
		g.confess()
		if g.now != nil {
			g.now.finish()
			g.now = nil
		}
	})
}

// confess tells the readers of a try that it failed: not before another one has begun or what went wrong
// is remembered, so that who asks again at once does not begin the same anew.
func (g *growing) confess() {
	if g.lost != nil {
		g.lost.finish()
		g.lost = nil
	}
}

// join waits for the first bytes and returns their flow, which the caller leaves; or for the end, and
// returns what is there then.
func (g *growing) join(ctx context.Context) (f *flow, got *kept, err error) {
	lost := g.wait(ctx, func() bool {
		if g.now != nil && g.now.here > 0 {
			f = g.now
			f.users++
			return true
		}
		got, err = g.got, g.err
		return g.done
	})
	if lost != nil {
		return nil, nil, lost
	}
	return f, got, err
}

// A flow is one try to get a file: the sink of the download, and what is read of it meanwhile.
type flow struct {
	*blob.Writer
	g      *growing
	size   int64
	sha256 string
	file   *os.File // closed by the last of its users

	// All below is under g.mu.
	users int   // its readers, and the download
	here  int64 // bytes that can be read
	gone  bool  // they were not the right ones, or not all
	whole bool  // they are all here and right
}

// Write adds bytes, and tells of those that can be read.
func (f *flow) Write(p []byte) (int, error) {
	n, err := f.Writer.Write(p)
	if here := f.Flushed(); err == nil && here != f.here { // only this goroutine changes it
		f.g.change(func() { f.here = here })
	}
	return n, err
}

// Close ends the writing: all bytes can be read, but for the last one, which waits for verified.
func (f *flow) Close() error {
	err := f.Writer.Close()
	if err == nil {
		f.g.change(func() { f.here = f.Flushed() })
	}
	return err
}

// Abort says that these bytes are worth nothing.
func (f *flow) Abort() error {
	f.g.change(func() {
		if f.g.now == f {
			f.g.now, f.g.lost = nil, f
		}
	})
	return f.Writer.Abort()
}

// finish is called once, under g.mu, when the download is done with the flow.
func (f *flow) finish() {
	f.gone = !f.whole
	f.drop()
}

// drop is called under g.mu by each user when it leaves.
func (f *flow) drop() {
	if f.users--; f.users == 0 {
		f.file.Close() // it was only read
	}
}

// leave ends the reading.
func (f *flow) leave() {
	f.g.mu.Lock()
	defer f.g.mu.Unlock()
	f.drop()
}

// from waits for bytes beyond at, and returns how far can be read. The last byte is not among them
// before all have been verified, so that nobody takes a wrong file for a whole one.
func (f *flow) from(ctx context.Context, at int64) (end int64, err error) {
	err = f.g.wait(ctx, func() bool {
		if end = f.here; !f.whole {
			end = min(end, f.size-1)
		}
		return f.gone || end > at
	})
	if err == nil && end <= at || err == nil && f.cut() {
		return 0, errCutShort
	}
	return end, err
}

func (f *flow) cut() bool {
	f.g.mu.Lock()
	defer f.g.mu.Unlock()
	return f.gone
}

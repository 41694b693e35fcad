package pulp

import (
	"context"
	"sync"

	"golang.org/x/sync/singleflight"
)

// flights are the downloads for clients that are under way: one for each file, however many
// clients wait for it, and whether they stay or not. They end with the App.
type flights struct {
	group   singleflight.Group
	ended   context.Context
	end     context.CancelCauseFunc
	mu      sync.Mutex
	growing map[string]*growing // large files on their way, under mu
	running sync.WaitGroup      // Add under mu, and only before the end
}

func newFlights() *flights {
	f := &flights{growing: map[string]*growing{}}
	f.ended, f.end = context.WithCancelCause(context.Background())
	return f
}

// do gets a file, or joins those who wait for it. get's context has the values of ctx, but ends
// only with the App.
func (f *flights) do(ctx context.Context, file string, get func(ctx context.Context) (any, error)) <-chan singleflight.Result {
	return f.group.DoChan(file, func() (any, error) {
		if !f.begin() {
			return nil, ErrClosed
		}
		defer f.running.Done()
		ctx, cancel := f.outlive(context.WithoutCancel(ctx))
		defer cancel()
		return get(ctx)
	})
}

// outlive returns a context that ends with ctx and with the App.
func (f *flights) outlive(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(f.ended, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// grow is do for a large file, which those who ask for it read while it comes.
func (f *flights) grow(ctx context.Context, file string, get func(ctx context.Context, g *growing) (*kept, error)) *growing {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g := f.growing[file]; g != nil {
		return g
	}
	g := newGrowing()
	if f.ended.Err() != nil {
		g.end(nil, ErrClosed)
		return g
	}
	f.growing[file] = g
	f.running.Go(func() {
		ctx, cancel := f.outlive(context.WithoutCancel(ctx))
		defer cancel()
		got, err := get(ctx, g)
		f.mu.Lock()
		delete(f.growing, file) // who asks from now on looks for the artifact first
		f.mu.Unlock()
		g.end(got, err)
	})
	return g
}

// alone is grow for one reader, with whose ctx it ends. Who leaves before that calls stop.
func (f *flights) alone(ctx context.Context, get func(ctx context.Context, g *growing) (*kept, error)) (g *growing, stop func()) {
	g = newGrowing()
	if !f.begin() {
		g.end(nil, ErrClosed)
		return g, func() {}
	}
	ctx, cancel := f.outlive(ctx)
	go func() {
		defer f.running.Done()
		g.end(get(ctx, g))
	}()
	return g, cancel
}

func (f *flights) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended.Err() != nil {
		return false
	}
	f.running.Add(1)
	return true
}

// close ends all downloads and waits for them.
func (f *flights) close() {
	f.mu.Lock()
	f.end(ErrClosed)
	f.mu.Unlock()
	f.running.Wait()
}

package pulp

import (
	"context"
	"sync"

	"golang.org/x/sync/singleflight"
)

// flights are the downloads on demand that are under way: one for each file, however many
// clients wait for it, and whether they stay or not. They end with the App.
type flights struct {
	group   singleflight.Group
	ended   context.Context
	end     context.CancelCauseFunc
	mu      sync.Mutex
	running sync.WaitGroup // Add under mu, and only before the end
}

func newFlights() *flights {
	f := &flights{}
	f.ended, f.end = context.WithCancelCause(context.Background())
	return f
}

// do gets a file, or joins those who wait for it. get's context has the values of ctx, but ends
// only with the App.
func (f *flights) do(ctx context.Context, file string, get func(ctx context.Context) (*kept, error)) <-chan singleflight.Result {
	return f.group.DoChan(file, func() (any, error) {
		if !f.begin() {
			return nil, ErrClosed
		}
		defer f.running.Done()
		ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		defer cancel(nil)
		defer context.AfterFunc(f.ended, func() { cancel(ErrClosed) })()
		return get(ctx)
	})
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

package pulp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// following reads a file while it comes. Where it would have to say that the file ends, it waits
// until all bytes are verified, and fails if they are not the right ones.
type following struct {
	ctx   context.Context // of the request: a Read has none of its own
	flow  *flow
	at    int64
	left  sync.Once
	stop  func()                                         // ends a download for one reader; nil for others
	again func(ctx context.Context, f *ServedFile) error // opens the file anew, from the next try
}

// openGrowing opens a growing file when its first bytes, or all of them, are here.
func (a *App) openGrowing(ctx context.Context, g *growing, f *ServedFile) error {
	flow, got, err := g.join(ctx)
	switch {
	case err != nil:
		return err
	case flow == nil:
		return a.openKept(got, f)
	}
	f.SHA256, f.Size = flow.sha256, flow.size
	f.ReadSeekCloser = &following{ctx: ctx, flow: flow, again: func(ctx context.Context, f *ServedFile) error { return a.openGrowing(ctx, g, f) }}
	return nil
}

// passOn fetches a large file, which is not kept, for one reader.
func (a *App) passOn(ctx context.Context, sf *shelvedFile, sources []source, f *ServedFile) error {
	g, stop := a.flights.alone(ctx, func(ctx context.Context, g *growing) (*kept, error) {
		for _, s := range sources {
			in, err := a.askFrom(ctx, sf, s, g)
			if err != nil {
				return nil, err
			}
			if in != nil {
				defer in.Discard()
				<-ctx.Done() // until the reader has it
				return nil, context.Cause(ctx)
			}
		}
		return nil, notDelivered(sf)
	})
	if err := a.openGrowing(ctx, g, f); err != nil {
		stop()
		return err
	}
	f.ReadSeekCloser.(*following).stop = stop
	return nil
}

// Whole waits until all bytes of the file are here and verified; before, they may prove wrong while
// they are read. It is for who wants only some of them. If a remote fails meanwhile, others are
// tried. It must be called before the first Read, and its error is one of [App.Serve].
func (f *ServedFile) Whole(ctx context.Context) error {
	for {
		r, ok := f.ReadSeekCloser.(*following)
		if !ok {
			return nil
		}
		_, err := r.flow.from(ctx, r.flow.size-1)
		if !errors.Is(err, errCutShort) {
			return err
		}
		if err := r.again(ctx, f); err != nil {
			return err
		}
		r.leave()
		if next, ok := f.ReadSeekCloser.(*following); ok {
			next.stop = r.stop
		}
	}
}

// Read waits for bytes that are not here yet.
func (r *following) Read(p []byte) (int, error) {
	if r.at >= r.flow.size {
		return 0, io.EOF
	}
	end, err := r.flow.from(r.ctx, r.at)
	if err != nil {
		return 0, fmt.Errorf("pass on what is being fetched: %w", err)
	}
	n, err := r.flow.file.ReadAt(p[:min(int64(len(p)), end-r.at)], r.at)
	r.at += int64(n)
	return n, err
}

// Seek waits for nothing.
func (r *following) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.flow.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	r.at = offset
	return offset, nil
}

// Close leaves the download to the others who follow it.
func (r *following) Close() error {
	r.leave()
	if r.stop != nil {
		r.stop()
	}
	return nil
}

func (r *following) leave() { r.left.Do(r.flow.leave) }

package pulp

import (
	"context"
	"io"

	"github.com/gopulp/pulp/internal/blob"
)

// Storage keeps artifacts.
type Storage interface{}

// Dir keeps artifacts in a directory.
func Dir(path string) (Storage, error) { return nil, nil }

// Incoming is a file that came in with a request or from a remote: its bytes are stored and
// hashed, but nothing knows them yet.
type Incoming struct {
	blob.Sums
	Name string // the client's name for it, if it gave one
}

// Discard removes the bytes, unless they have been kept. It may be called at any time.
func (f *Incoming) Discard() {}

// Receive stores what r yields until its end.
func (a *App) Receive(ctx context.Context, r io.Reader) (*Incoming, error) {
	return nil, nil
}

package pulp

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gopulp/pulp/internal/oslock"
)

// holdRemoval keeps everybody else who shares the database from removing bytes until release is
// called: for who removes some, and for who needs that nobody does.
func (a *App) holdRemoval(ctx context.Context) (release func(), err error) {
	if err := a.removing.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	if !a.db.Shared() {
		return func() { a.removing.Release(1) }, nil
	}
	f, err := os.OpenFile(filepath.Join(a.db.Dir(), "pulp.remove"), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		if err = oslock.Wait(ctx, f, true); err != nil {
			f.Close()
		}
	}
	if err != nil {
		a.removing.Release(1)
		return nil, fmt.Errorf("wait for who removes files: %w", err)
	}
	return func() {
		f.Close() // which unlocks it
		a.removing.Release(1)
	}, nil
}

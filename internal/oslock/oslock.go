// Package oslock locks files between processes. A lock belongs to an open file and ends, at the
// latest, with the process that opened it, however that ends.
package oslock

import (
	"context"
	"errors"
	"os"
	"time"
)

// ErrHeld says that somebody else holds the lock.
var ErrHeld = errors.New("lock is held")

// often is how often Wait looks.
const often = time.Millisecond

// Wait is [Try] that waits until ctx ends.
func Wait(ctx context.Context, f *os.File, exclusive bool) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		err := Try(f, exclusive)
		if !errors.Is(err, ErrHeld) {
			return err
		}
		timer.Reset(often)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return errors.Join(ErrHeld, ctx.Err())
		}
	}
}

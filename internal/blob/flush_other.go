//go:build !linux

package blob

import (
	"errors"
	"os"
)

// A flusher syncs the whole file system of a store, which only Linux can.
type flusher struct{}

func newFlusher(*os.Root) *flusher { return nil }

func (*flusher) run() error { return errors.ErrUnsupported }

func (*flusher) close() error { return nil }

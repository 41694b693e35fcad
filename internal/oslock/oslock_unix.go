//go:build unix

package oslock

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Try locks f for this open file, exclusively or shared, until it is unlocked or closed.
// It returns ErrHeld instead of waiting.
func Try(f *os.File, exclusive bool) error {
	err := flock(f, mode(exclusive)|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrHeld
	}
	return err
}

// Unlock gives a lock up that Try took.
func Unlock(f *os.File) error { return flock(f, unix.LOCK_UN) }

func mode(exclusive bool) int {
	if exclusive {
		return unix.LOCK_EX
	}
	return unix.LOCK_SH
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			return err
		}
	}
}

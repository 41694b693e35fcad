package oslock

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// Windows keeps everybody else from reading locked bytes, so the byte that is locked lies
// far behind the pid that the file holds.
const lockedByte = 1 << 30

// Try locks f for this open file, exclusively or shared, until it is unlocked or closed.
// It returns ErrHeld instead of waiting.
func Try(f *os.File, exclusive bool) error {
	err := lockByte(f, exclusive, windows.LOCKFILE_FAIL_IMMEDIATELY)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return ErrHeld
	}
	return err
}

// Unlock gives a lock up that Try took.
func Unlock(f *os.File) error {
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &windows.Overlapped{Offset: lockedByte})
}

func lockByte(f *os.File, exclusive bool, flags uint32) error {
	if exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{Offset: lockedByte})
}

package sqlite

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// Windows keeps everybody else from reading locked bytes, so the byte that is locked lies
// far behind the pid that the file holds.
const lockedByte = 1 << 30

// tryLock locks f for this open file, exclusively or shared, until it is unlocked or closed.
// It returns errHeld instead of waiting.
func tryLock(f *os.File, exclusive bool) error {
	err := lockByte(f, exclusive, windows.LOCKFILE_FAIL_IMMEDIATELY)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errHeld
	}
	return err
}

func unlock(f *os.File) error {
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &windows.Overlapped{Offset: lockedByte})
}

func lockByte(f *os.File, exclusive bool, flags uint32) error {
	if exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{Offset: lockedByte})
}

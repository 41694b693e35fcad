package blob

import (
	"errors"
	"os"
)

// SyncOneByOne makes s commit as it does where a file system cannot be synced as a whole.
func SyncOneByOne(s *Store) { s.flush = nil }

// BreakFile makes the next write of w to disk fail, as a full disk does.
func BreakFile(w *Writer) error {
	return errors.Join(w.file.Close(), func() (err error) {
		w.file, err = os.Open(os.DevNull) // not writable
		return err
	}())
}

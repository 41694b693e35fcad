package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gopulp/pulp/internal/oslock"
)

// A dirLock is a lock of the operating system on a data directory, so it dies with its
// process. Exclusive, it proves that every other process that ever used the directory is
// gone; shared, that all who use it said Shared.
type dirLock struct{ file *os.File }

// lockDir locks dir, or returns ErrLocked with what the reader of the error can do.
func lockDir(dir string, shared bool) (*dirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "pulp.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := oslock.Try(f, !shared); err != nil {
		defer f.Close()
		if errors.Is(err, oslock.ErrHeld) {
			return nil, fmt.Errorf("%w%s: stop that process, or use another directory", ErrLocked, holder(f))
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	l := &dirLock{f}
	if err := l.sign(shared); err != nil {
		return nil, errors.Join(fmt.Errorf("lock: %w", err), l.unlock())
	}
	return l, nil
}

// sign writes the pid of an exclusive holder into the file, for the error that others get.
// Shared holders are many: they only take away the name of a former one.
func (l *dirLock) sign(shared bool) error {
	if err := l.file.Truncate(0); err != nil || shared {
		return err
	}
	_, err := l.file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// holder names the process that signed the lock file, if one did.
func holder(f *os.File) string {
	text, err := io.ReadAll(io.LimitReader(f, 20))
	pid := strings.TrimSpace(string(text))
	if err != nil || pid == "" {
		return ""
	}
	return " by process " + pid
}

// unlock gives the directory free. Closing the file would not be enough: a process that this one
// is just starting has it open, too, until it becomes another program.
func (l *dirLock) unlock() error { return errors.Join(oslock.Unlock(l.file), l.file.Close()) }

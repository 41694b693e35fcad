package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/gopulp/pulp/internal/oslock"
)

// longestWelcome is how long a process stays outside for the sake of others. The others look
// every millisecond, so that this is only reached when they are stopped or starved.
const longestWelcome = 20 * time.Millisecond

// A door is where the processes that share a database take turns. SQLite's write lock has
// no queue: a process that commits batch after batch would hardly ever leave it free at the
// moment when another one looks. So whoever meets the lock holds a shared lock on the file
// pulp.wait as long as it waits, and whoever is about to open the next batch sees that and
// stays outside for a moment.
//
// A nil door, that of a database which is not shared, is always open.
type door struct{ file *os.File }

func newDoor(dir string, shared bool) (*door, error) {
	if !shared {
		return nil, nil
	}
	f, err := os.OpenFile(filepath.Join(dir, "pulp.wait"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return &door{f}, nil
}

// letIn waits while another process waits.
func (d *door) letIn(ctx context.Context) {
	if d == nil {
		return
	}
	for start := time.Now(); time.Since(start) < longestWelcome; {
		if oslock.Try(d.file, true) == nil {
			oslock.Unlock(d.file)
			return
		}
		if pause(ctx, 500*time.Microsecond) != nil {
			return
		}
	}
}

// knock tells the other processes that this one waits, until leave is called. It reports false
// if one of them is looking just now, and should be called again then: it does not wait for that
// one, which may have been stopped there.
func (d *door) knock() (known bool, err error) {
	if d == nil {
		return true, nil
	}
	err = oslock.Try(d.file, false)
	if errors.Is(err, oslock.ErrHeld) {
		return false, nil
	}
	return err == nil, err
}

func (d *door) leave() {
	if d != nil {
		oslock.Unlock(d.file)
	}
}

func (d *door) close() error {
	if d == nil {
		return nil
	}
	return d.file.Close()
}

// pause waits for d, or returns the context's error if that ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package blob

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// A flusher syncs the whole file system of a store with one call. Callers that come while a sync runs share the next one.
//
// The kernel reports a lost write to one sync only, which need not be that of the file's owner. So after the first error a flusher
// never works again, and its callers sync file by file, where the kernel still reports the loss to each file's owner.
type flusher struct {
	dir     *os.File
	mu      sync.Mutex
	next    *round
	running sync.Mutex
	broken  error // guarded by running
}

type round struct {
	done chan struct{}
	err  error
}

var errNoFlush = errors.New("file systems are not synced as a whole here")

// newFlusher returns nil where the kernel (before 5.8) does not report lost writes.
func newFlusher(root *os.Root) *flusher {
	var name unix.Utsname
	if unix.Uname(&name) != nil || !atLeast(unix.ByteSliceToString(name.Release[:]), 5, 8) {
		return nil
	}
	dir, err := root.Open(".")
	if err != nil {
		return nil
	}
	return &flusher{dir: dir}
}

func atLeast(release string, major, minor int) bool {
	first, rest, _ := strings.Cut(release, ".")
	second, _, _ := strings.Cut(rest, ".")
	x, err := strconv.Atoi(first)
	if err != nil || x != major {
		return err == nil && x > major
	}
	y, err := strconv.Atoi(strings.TrimRight(second, "-+abcdefghijklmnopqrstuvwxyz"))
	return err == nil && y >= minor
}

// run returns nil once a sync that began after the call has succeeded.
func (f *flusher) run() error {
	if f == nil {
		return errNoFlush
	}
	f.mu.Lock()
	if r := f.next; r != nil {
		f.mu.Unlock()
		<-r.done
		return r.err
	}
	r := &round{done: make(chan struct{})}
	f.next = r
	f.mu.Unlock()

	f.running.Lock()
	f.mu.Lock()
	f.next = nil // who comes from here on is not covered by this sync
	f.mu.Unlock()
	if f.broken == nil {
		f.broken = f.sync()
	}
	r.err = f.broken
	f.running.Unlock()
	close(r.done)
	return r.err
}

func (f *flusher) sync() error {
	conn, err := f.dir.SyscallConn()
	if err != nil {
		return err
	}
	failure := conn.Control(func(fd uintptr) {
		for err = unix.Syncfs(int(fd)); err == unix.EINTR; {
			err = unix.Syncfs(int(fd))
		}
	})
	return errors.Join(failure, err)
}

func (f *flusher) close() error {
	if f == nil {
		return nil
	}
	return f.dir.Close()
}

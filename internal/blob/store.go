// Package blob keeps bytes on disk under the name of their SHA-256.
//
// A store is a directory:
//
//	artifact/ab/cdef…   a committed blob: first two hex digits / the other 62; complete, synced, never changed
//	tmp/…               what is being written; swept by [Open]
//
// Bytes are written to a temp file and hashed on the way, can be looked at there, and become visible by a rename
// once they are safely on disk:
//
//	Create ─► Write… ─► Close ─► (Open, inspect) ─► Commit: sync file · rename · sync directory
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// ErrCorrupt means that a blob's bytes are not those that its name stands for.
var ErrCorrupt = errors.New("blob is corrupt")

// A Store is a directory of blobs. It is safe for concurrent use. No operation reaches a file outside its directory,
// whatever links lie in it.
type Store struct {
	path    string
	root    *os.Root
	buffers sync.Pool
	flush   *flusher // nil: files are synced one by one
	making  sync.Mutex
	fans    map[string]bool // directories below artifact that are on disk; guarded by making
	placing sync.RWMutex    // held by those who hold, see there
	shared  bool            // with other processes
	pending atomic.Int64    // bytes in files that are neither committed nor aborted
}

// Info describes a blob. ModTime is when it was last committed, also if its bytes were here already.
type Info struct {
	SHA256  string
	Size    int64
	ModTime time.Time
}

// Open opens the store in dir and makes it if there is none. It removes all temp files, so it is for a process that has
// the directory for itself; see [OpenShared]. Close the Store when it is no longer used.
func Open(dir string) (*Store, error) { return open(dir, 0) }

// OpenShared is Open for a directory that other processes use as well: it removes only temp files that
// nobody has written to for a day.
func OpenShared(dir string) (*Store, error) {
	s, err := open(dir, 24*time.Hour)
	if err == nil {
		s.shared = true
	}
	return s, err
}

func open(dir string, age time.Duration) (*Store, error) {
	path, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(path, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob store: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open blob store: %w", err)
	}
	s := &Store{path: path, root: root, fans: map[string]bool{}}
	s.buffers.New = func() any { return new([chunkSize]byte) }
	if err := errors.Join(s.layout(), s.sweep(age)); err != nil {
		return nil, errors.Join(fmt.Errorf("open blob store %s: %w", path, err), s.Close())
	}
	s.flush = newFlusher(root)
	return s, nil
}

// Close frees the directory. Writers and files that are still open stay usable, all else fails afterwards.
func (s *Store) Close() error {
	return errors.Join(s.flush.close(), s.root.Close())
}

// Open opens a blob for reading; the caller closes it. It returns fs.ErrNotExist if there is none, and fs.ErrInvalid if
// sha256 is not 64 lower hex digits.
func (s *Store) Open(sha256 string) (*os.File, error) {
	name, err := blobName(sha256)
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	f, err := s.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	return f, nil
}

// Stat describes a blob; errors are those of Open.
func (s *Store) Stat(sha256 string) (Info, error) {
	name, err := blobName(sha256)
	if err != nil {
		return Info{}, fmt.Errorf("stat blob: %w", err)
	}
	info, err := s.root.Lstat(name)
	if err != nil {
		return Info{}, fmt.Errorf("stat blob: %w", err)
	}
	return Info{SHA256: sha256, Size: info.Size(), ModTime: info.ModTime()}, nil
}

// Remove removes a blob; errors are those of Open. Whoever has it open can read on, except on Windows, where
// removing an open file may fail.
func (s *Store) Remove(sha256 string) error {
	name, err := blobName(sha256)
	if err == nil {
		err = s.root.Remove(name)
	}
	if err != nil {
		return fmt.Errorf("remove blob: %w", err)
	}
	return nil
}

// RemoveBefore removes a blob if nobody has committed its bytes since cutoff, and reports whether it did. A commit of the
// same bytes by this Store, or by any of those who said [OpenShared], either comes before it and keeps the blob, or after it
// and brings the blob back. A blob that does not exist is no error.
func (s *Store) RemoveBefore(sha256 string, cutoff time.Time) (bool, error) {
	release, err := s.hold(true)
	if err != nil {
		return false, fmt.Errorf("remove blob: %w", err)
	}
	defer release()
	info, err := s.Stat(sha256)
	if err == nil && !info.ModTime.Before(cutoff) {
		return false, nil
	}
	if err == nil {
		err = s.Remove(sha256)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Walk yields every blob once, in the order of the first two digits. Blobs that come or go meanwhile may be missed;
// files that are no blobs are passed over. An error is yielded as the last pair; ctx ends the walk with its error.
func (s *Store) Walk(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for i := range 256 {
			more, err := s.walkDir(ctx, fmt.Sprintf("%02x", i), yield)
			if err != nil {
				yield(Info{}, fmt.Errorf("walk blobs: %w", err))
			}
			if err != nil || !more {
				return
			}
		}
	}
}

func (s *Store) walkDir(ctx context.Context, fan string, yield func(Info, error) bool) (more bool, err error) {
	d, err := s.root.Open(artifactDir + "/" + fan)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer d.Close()
	for {
		names, end := d.Readdirnames(1024)
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			info, err := s.Stat(fan + name)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
				continue
			}
			if err != nil || !yield(info, nil) {
				return false, err
			}
		}
		if end == io.EOF {
			return true, nil
		}
		if end != nil {
			return false, end
		}
	}
}

// Verify reads a blob and compares its digest with its name. It returns [ErrCorrupt] if they differ, ctx's error when
// ctx ends, and else the errors of Open.
func (s *Store) Verify(ctx context.Context, sha256 string) error {
	f, err := s.Open(sha256)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	defer f.Close()
	sums, err := Sum(whileAlive{ctx, f}, SHA256)
	if err != nil {
		return fmt.Errorf("verify blob %s: %w", sha256, err)
	}
	if sums.SHA256 != sha256 {
		return fmt.Errorf("verify blob %s: its %d bytes have digest %s: %w", sha256, sums.Size, sums.SHA256, ErrCorrupt)
	}
	return nil
}

// whileAlive reads until ctx ends.
type whileAlive struct {
	ctx context.Context
	r   io.Reader
}

func (w whileAlive) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.r.Read(p)
}

// Pending is how many bytes the Writers of this Store have written that are neither committed nor aborted.
func (s *Store) Pending() int64 { return s.pending.Load() }

// Usage returns the bytes of the file system that the store lies on: its size, what is taken by anyone, and what this
// process may still write. Reserved space makes used + free smaller than total. It is errors.ErrUnsupported where
// the system cannot tell.
func (s *Store) Usage() (total, used, free int64, err error) {
	total, used, free, err = usage(s.path)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("usage of %s: %w", s.path, err)
	}
	return total, used, free, nil
}

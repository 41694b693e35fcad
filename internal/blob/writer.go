package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// chunkSize is how much a Writer collects before it hashes and writes: large enough to hash in parallel.
const chunkSize = 256 << 10

// A Writer takes the bytes of one blob. Nothing is visible in the Store before Commit. A Writer that fails removes its temp
// file and answers everything with the same error from then on. It is for one goroutine; end its life with Commit,
// [Store.CommitAll] or Abort.
type Writer struct {
	store   *Store
	ctx     context.Context
	set     Set
	hash    *Hash
	temp    string // below the store
	file    *os.File
	chunk   *[chunkSize]byte
	filled  int
	spilled int64             // of what is pending in the store
	room    func(n int) error // asked before n bytes are written; nil allows all
	sums    Sums              // once closed
	state   state
	err     error
}

type state int

const (
	writing state = iota
	closed
	committed
	failed // err says why
)

// Create begins a blob whose digests in set are computed; sha256 always is. Write fails with ctx's error once ctx has ended;
// the other methods do not look at it.
func (s *Store) Create(ctx context.Context, set Set) (*Writer, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("create blob: %w", err)
	}
	temp := tmpDir + "/" + rand.Text()
	file, err := s.root.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create blob: %w", err)
	}
	w := &Writer{store: s, ctx: ctx, set: set | SHA256, hash: NewHash(set), temp: temp, file: file}
	w.chunk = s.buffers.Get().(*[chunkSize]byte)
	return w, nil
}

// Within has room asked before each chunk of n bytes is written; its error fails the Writer.
func (w *Writer) Within(room func(n int) error) { w.room = room }

// Write adds p. After an error the temp file is gone.
func (w *Writer) Write(p []byte) (int, error) {
	if w.state != writing {
		return 0, w.unusable("write blob")
	}
	n := 0
	for n < len(p) {
		fits := copy(w.chunk[w.filled:], p[n:])
		n, w.filled = n+fits, w.filled+fits
		if w.filled < chunkSize {
			continue
		}
		if err := w.spill(); err != nil {
			return n - fits, w.fail("write blob", err)
		}
	}
	return n, nil
}

// spill hashes the chunk while it is written.
func (w *Writer) spill() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	p := w.chunk[:w.filled]
	if w.room != nil {
		if err := w.room(len(p)); err != nil {
			return err
		}
	}
	w.store.pending.Add(int64(len(p)))
	w.spilled += int64(len(p))
	w.filled = 0
	if len(p) < parallelFrom {
		w.hash.Write(p)
		_, err := w.file.Write(p)
		return err
	}
	var err error
	var write sync.WaitGroup
	write.Go(func() { _, err = w.file.Write(p) })
	w.hash.Write(p)
	write.Wait()
	return err
}

// Size is the number of bytes written so far.
func (w *Writer) Size() int64 {
	if w.state == writing {
		return w.hash.size + int64(w.filled)
	}
	return w.sums.Size
}

// Flushed is the number of bytes that a file of [Writer.Follow] has so far.
func (w *Writer) Flushed() int64 {
	if w.state == writing {
		return w.hash.size
	}
	return w.sums.Size
}

// Follow opens what is being written for reading, from the first byte, while the writing goes on. The caller closes the
// file, on Windows before the commit or Abort; elsewhere it can be read beyond them.
func (w *Writer) Follow() (*os.File, error) {
	if w.state != writing && w.state != closed {
		return nil, w.unusable("follow blob")
	}
	f, err := w.store.root.Open(w.temp)
	if err != nil {
		return nil, fmt.Errorf("follow blob: %w", err)
	}
	return f, nil
}

// Digests is the Set that the Writer computes.
func (w *Writer) Digests() Set { return w.set }

// Close ends the writing and frees memory and file descriptor; the temp file stays for Open, Commit or Abort. Calling it is
// only needed when the commit comes much later; closing twice is no error.
func (w *Writer) Close() error {
	switch w.state {
	case failed:
		return w.unusable("close blob")
	case closed, committed:
		return nil
	}
	if w.filled > 0 {
		if err := w.spill(); err != nil {
			return w.fail("close blob", err)
		}
	}
	if err := w.file.Close(); err != nil {
		return w.fail("close blob", err)
	}
	w.sums, w.state = w.hash.Sums(), closed
	w.release()
	return nil
}

// Sums closes the Writer and returns size and digests of what was written: zero if the Writer has failed.
func (w *Writer) Sums() Sums {
	if w.Close() != nil {
		return Sums{}
	}
	return w.sums
}

// Open closes the Writer and opens what was written for reading, before or after the commit. The caller closes the file, on
// Windows before the commit.
func (w *Writer) Open() (*os.File, error) {
	if err := w.Close(); err != nil {
		return nil, err
	}
	if w.state == committed {
		return w.store.Open(w.sums.SHA256)
	}
	f, err := w.store.root.Open(w.temp)
	if err != nil {
		return nil, fmt.Errorf("open uncommitted blob: %w", err)
	}
	return f, nil
}

// Commit makes the bytes a blob of the Store: when it returns without error they survive a crash. If the Store has them
// already (a blob of that name and size), it keeps those; to replace a damaged blob, remove it first. After an error the
// temp file is gone and nothing is visible, unless only the last sync failed: then the complete blob may be there,
// but may not survive a crash. Committing twice is no error. For many blobs, [Store.CommitAll] is far faster.
func (w *Writer) Commit() (Sums, error) {
	if err := w.store.commit([]*Writer{w}); err != nil {
		return Sums{}, err
	}
	return w.sums, nil
}

// Abort removes what was written. After a commit it does nothing; it may be called at any time and any number of times.
func (w *Writer) Abort() error {
	if w.state == failed || w.state == committed {
		return nil
	}
	return w.discard(errors.New("the writer was aborted"))
}

// fail gives up for err, which all later calls report as well.
func (w *Writer) fail(verb string, err error) error {
	return errors.Join(fmt.Errorf("%s: %w", verb, err), w.discard(err))
}

func (w *Writer) discard(why error) error {
	var failure error
	if w.state == writing {
		if err := w.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			failure = err
		}
	}
	if err := w.store.root.Remove(w.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		failure = errors.Join(failure, err)
	}
	w.settle()
	w.state, w.err, w.sums = failed, why, Sums{}
	w.release()
	return failure
}

// settle says that what was written is pending no more.
func (w *Writer) settle() {
	w.store.pending.Add(-w.spilled)
	w.spilled = 0
}

func (w *Writer) release() {
	if w.chunk != nil {
		w.store.buffers.Put(w.chunk)
	}
	w.chunk, w.hash, w.file, w.filled = nil, nil, nil, 0
}

func (w *Writer) unusable(verb string) error {
	if w.err != nil {
		return fmt.Errorf("%s: %w", verb, w.err)
	}
	return fmt.Errorf("%s: the writer is closed: %w", verb, os.ErrClosed)
}

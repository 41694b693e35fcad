package pulp

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gopulp/pulp/internal/blob"
	"github.com/gopulp/pulp/internal/fetch"
)

// Storage is where the bytes of artifacts lie, each under its sha256. [Dir] and
// [SharedDir] make one.
type Storage interface {
	// blobs is the directory in which files are received and, for this kind of storage, kept.
	blobs() *blob.Store
}

type dirStorage struct{ store *blob.Store }

func (d dirStorage) blobs() *blob.Store { return d.store }

// Dir keeps artifacts in a directory, which it makes if need be. No other process may use the
// directory; see [SharedDir].
func Dir(path string) (Storage, error) { return dir(blob.Open(path)) }

// SharedDir is Dir for processes that share a database and a directory. What a killed process
// was receiving stays there for a day.
func SharedDir(path string) (Storage, error) { return dir(blob.OpenShared(path)) }

func dir(s *blob.Store, err error) (Storage, error) {
	if err != nil {
		return nil, fmt.Errorf("open storage: %w", err)
	}
	return dirStorage{s}, nil
}

// Incoming is a file that came in with a request or from a remote: its bytes are stored and
// hashed, but nothing knows them yet.
type Incoming struct {
	blob.Sums
	// Name is what the client called it; empty if it did not.
	Name  string
	w     *blob.Writer
	opens func() (*os.File, error) // of a file that is not w's
}

// Discard removes the bytes, unless they have been kept. It may be called at any time, and
// again.
func (f *Incoming) Discard() {
	if f != nil && f.w != nil {
		_ = f.w.Abort() // what is left is swept
	}
}

// Open returns the bytes, from their beginning.
func (f *Incoming) Open() (*os.File, error) {
	if f.opens != nil {
		return f.opens()
	}
	return f.w.Open()
}

// Bytes reads the file whole: it is for small ones, see [Remotely].Limit.
func (f *Incoming) Bytes() ([]byte, error) {
	file, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("read received file: %w", err)
	}
	defer file.Close()
	return io.ReadAll(file)
}

// Receive stores what r yields until its end. Whoever calls it discards the file in the end; that
// does nothing once a unit with it has been saved.
func (a *App) Receive(ctx context.Context, r io.Reader) (*Incoming, error) {
	return a.spool(ctx, func(w io.Writer) error {
		_, err := io.Copy(w, r)
		return err
	})
}

// spool stores what write writes.
func (a *App) spool(ctx context.Context, write func(w io.Writer) error) (*Incoming, error) {
	w, err := a.create(ctx, -1)
	if err != nil {
		return nil, fmt.Errorf("receive file: %w", err)
	}
	f := &Incoming{w: w}
	if err = write(w); err == nil {
		err = w.Close()
	}
	if err != nil {
		f.Discard()
		return nil, fmt.Errorf("receive file: %w", err)
	}
	f.Sums = w.Sums()
	return f, nil
}

// fetch downloads a file into the storage, verified but not yet kept.
func (a *App) fetch(ctx context.Context, c *fetch.Client, req fetch.Request) (*Incoming, fetch.Result, error) {
	return a.fetchInto(ctx, c, req, func(w *blob.Writer) (fetch.Sink, error) { return w, nil })
}

// fetchInto is fetch for who wants to see the bytes on their way: into wraps the file of each try.
func (a *App) fetchInto(ctx context.Context, c *fetch.Client, req fetch.Request, into func(*blob.Writer) (fetch.Sink, error)) (*Incoming, fetch.Result, error) {
	// Nobody is asked for what does not fit.
	if err := a.room(ctx, max(req.Size, 0)); err != nil {
		return nil, fetch.Result{}, err
	}
	began := time.Now()
	var w *blob.Writer
	res, err := c.Fetch(ctx, req, func() (fetch.Sink, error) {
		next, err := a.create(ctx, req.Size)
		if err != nil {
			return nil, err
		}
		w = next
		return into(next)
	})
	if err != nil {
		a.downloaded(Download{URL: fetch.Redact(req.URLs[0]), Took: time.Since(began), Err: err})
		return nil, res, taskFailure(err)
	}
	a.downloaded(Download{URL: fetch.Redact(res.URL), Bytes: w.Sums().Size, Took: time.Since(began)})
	return &Incoming{w: w, Sums: w.Sums()}, res, nil
}

// keep makes the bytes of files durable under their names. Blob first, then row.
func (a *App) keep(ctx context.Context, files ...*Incoming) error {
	ws := make([]*blob.Writer, 0, len(files))
	for _, f := range files {
		if f.w != nil { // else it is an artifact already
			ws = append(ws, f.w)
		}
	}
	if err := a.storage.blobs().CommitAll(ctx, ws); err != nil {
		return fmt.Errorf("keep files: %w", err)
	}
	return nil
}

package pulp

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/gopulp/pulp/internal/blob"
	"github.com/gopulp/pulp/internal/fetch"
)

// A fullError says why no more bytes are stored.
type fullError struct{ text string }

func (e *fullError) Error() string  { return e.text }
func (e *fullError) Detail() string { return e.text }
func (e *fullError) Unwrap() error  { return ErrFull }

// defaultMinFree is what is left free if nothing else is said: a hundredth of the disk, but no
// more than is needed to end what is under way and to clean up.
func defaultMinFree(total int64) int64 { return min(total/100, 100<<20) }

const storedSQL = "SELECT bytes FROM stored WHERE id = 1"

// storedBytes is how many bytes artifacts and pieces of uploads have.
func (a *App) storedBytes(ctx context.Context) (n int64, err error) {
	if err := a.db.Reader().DB.QueryRowContext(ctx, storedSQL).Scan(&n); err != nil {
		return 0, fmt.Errorf("read how much is stored: %w", err)
	}
	return n, nil
}

// room says whether n more bytes may be written to the storage; the error is ErrFull.
func (a *App) room(ctx context.Context, n int64) error {
	store := a.storage.blobs()
	if limit := a.cfg.Quota; limit > 0 {
		used, err := a.storedBytes(ctx)
		if err != nil {
			return err
		}
		if used += store.Pending(); used+n > limit {
			return &fullError{fmt.Sprintf("The storage is full: its quota is %d bytes, and %d are taken. Delete what is not needed, clean up orphans, or raise the quota.", limit, used)}
		}
	}
	if a.cfg.MinFree < 0 {
		return nil
	}
	total, _, free, err := store.Usage()
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	least := a.cfg.MinFree
	if least == 0 {
		least = defaultMinFree(total)
	}
	if free-n < least {
		return &fullError{fmt.Sprintf("The disk is almost full: %d bytes are free, and %d of them are kept free. Delete what is not needed, clean up orphans, or make the disk larger.", free, least)}
	}
	return nil
}

// create begins a file in the storage of which size bytes are known to come, or -1.
func (a *App) create(ctx context.Context, size int64) (*blob.Writer, error) {
	if err := a.room(ctx, max(size, 0)); err != nil {
		return nil, err
	}
	w, err := a.storage.blobs().Create(ctx, a.digests)
	if err == nil {
		w.Within(func(n int) error { return a.room(ctx, int64(n)) })
	}
	return w, err
}

// diskFull says whether an error is that of a full disk, as the system or our own limits tell it.
func diskFull(err error) bool {
	return errors.Is(err, ErrFull) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// ourFault says of an error of a download that no other source would deliver either.
func ourFault(err error) bool {
	var theirs *fetch.Error
	return diskFull(err) || !errors.As(err, &theirs)
}

package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// flushFrom is the number of files from which one sync of the file system is cheaper than one per file.
	flushFrom = 8
	// syncers is how many files are synced at once; file systems fold concurrent syncs into one journal commit.
	syncers = 16
)

// CommitAll commits all Writers, which belong to this Store, as [Writer.Commit] does, and shares the syncs among them: two for
// the batch instead of two for each blob. Writers that were committed before are no error. The error is that of the first blob that
// failed; the others are committed. Abort is safe for all of them. ctx is looked at once, before anything is made visible.
func (s *Store) CommitAll(ctx context.Context, ws []*Writer) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit blobs: %w", err)
	}
	return s.commit(ws)
}

// commit syncs the files, renames them, syncs the directories. The bytes are on disk before a name shows them, so after a
// crash a blob is complete or absent.
func (s *Store) commit(ws []*Writer) error {
	todo := slices.DeleteFunc(slices.Clone(ws), func(w *Writer) bool { return w.state == committed })
	errs := make([]error, len(todo))
	for i, w := range todo {
		errs[i] = w.Close()
	}
	s.syncTemps(todo, errs)
	s.placeAll(todo, errs)
	for i, w := range todo {
		if errs[i] == nil {
			w.state = committed
			w.settle()
		} else if w.state != failed {
			errs[i] = w.fail("commit blob", errs[i])
		}
	}
	return summary(errs)
}

// summary is the first error, and how many there are: what befalls one file of a batch usually befalls them all.
func summary(errs []error) error {
	all := len(errs)
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) < 2 {
		return errors.Join(errs...)
	}
	return fmt.Errorf("%d of %d blobs not committed, the first: %w", len(errs), all, errs[0])
}

// syncTemps brings the temp files of those ws without an error to disk and notes who failed.
func (s *Store) syncTemps(ws []*Writer, errs []error) {
	if len(ws) >= flushFrom && s.flush.run() == nil {
		return
	}
	var g errgroup.Group
	g.SetLimit(syncers)
	for i, w := range ws {
		if errs[i] == nil {
			g.Go(func() error { errs[i] = s.syncFile(w.temp); return nil })
		}
	}
	g.Wait()
}

// placeAll gives those ws without an error their names, brings these to disk and notes who failed.
func (s *Store) placeAll(ws []*Writer, errs []error) {
	fans := map[string]error{}
	for i, w := range ws {
		if errs[i] == nil {
			fans[fanDir(w.sums.SHA256)] = nil
		}
	}
	made := s.ensure(fans)
	for i, w := range ws {
		if errs[i] == nil {
			errs[i] = made
		}
		if errs[i] == nil {
			errs[i] = s.place(w)
		}
	}
	s.syncFans(fans)
	for i, w := range ws {
		if errs[i] == nil {
			errs[i] = fans[fanDir(w.sums.SHA256)]
		}
	}
}

// syncFans brings the entries of the directories to disk and notes which failed.
func (s *Store) syncFans(fans map[string]error) {
	if len(fans) >= flushFrom && s.flush.run() == nil {
		return
	}
	var g errgroup.Group
	g.SetLimit(syncers)
	names := make([]string, 0, len(fans))
	for fan := range fans {
		names = append(names, fan)
	}
	errs := make([]error, len(names))
	for i, fan := range names {
		g.Go(func() error { errs[i] = s.syncDir(fan); return nil })
	}
	g.Wait()
	for i, fan := range names {
		fans[fan] = errs[i]
	}
}

// place gives the temp file its final name. Bytes that are here already stay, and count as committed now; a damaged blob of
// another size is replaced.
func (s *Store) place(w *Writer) error {
	name, err := blobName(w.sums.SHA256)
	if err != nil {
		return err
	}
	release, err := s.hold(false)
	if err != nil {
		return err
	}
	defer release()
	if s.keep(name, w) == nil {
		return nil
	}
	err = s.root.Rename(w.temp, name)
	if err != nil && s.keep(name, w) == nil {
		return nil // Windows does not replace a file that someone has open
	}
	return err
}

var errDiffers = errors.New("no such blob")

// keep adopts the blob under name if it can be that of w.
func (s *Store) keep(name string, w *Writer) error {
	info, err := s.root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() != w.sums.Size {
		return errDiffers
	}
	now := time.Now()
	if err := s.root.Chtimes(name, now, now); err != nil {
		return err // gone meanwhile
	}
	if err := s.root.Remove(w.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

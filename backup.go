package pulp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gopulp/pulp/internal/blob"
)

// A Backup says what [App.Backup] found.
type Backup struct {
	Files   int64    // how many files the storage had
	Copied  int64    // how many of them were not in the copy yet
	Bytes   int64    // how many bytes that were
	Damaged []string // digests of files whose bytes are not what they were; they were left out
}

// Backup copies all that the App keeps to a directory, while everything goes on: the database as
// it is at one moment, then the files, then the key. Nothing deletes files meanwhile. A
// directory with an earlier copy gets what is new; until the end it stays the earlier copy.
// [Open] opens the copy as it is; it holds the key, so it is as secret as the data directory.
//
// Each file is compared with its digest on the way. Damaged ones are left out, which is an error
// at the end; the copy is whole but for them, and repair fetches them again.
func (a *App) Backup(ctx context.Context, dir string) (*Backup, error) {
	b, err := a.backup(ctx, dir)
	if err == nil && len(b.Damaged) > 0 {
		err = fmt.Errorf("%d files were left out because they are damaged, the first: %s", len(b.Damaged), b.Damaged[0])
	}
	if err != nil {
		err = fmt.Errorf("back up to %s: %w", dir, err)
	}
	return b, err
}

func (a *App) backup(ctx context.Context, dir string) (*Backup, error) {
	release, err := a.holdRemoval(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := a.makeBackupDir(dir); err != nil {
		return nil, err
	}
	draft := filepath.Join(dir, "pulp.db.part")
	if err := os.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// The database first: all files that it names are there, and stay.
	if err := a.db.Backup(ctx, draft); err != nil {
		return nil, err
	}
	b := &Backup{}
	if err := a.copyFiles(ctx, filepath.Join(dir, "media"), b); err != nil {
		return b, err
	}
	if err := copyFile(filepath.Join(a.db.Dir(), "pulp.key"), filepath.Join(dir, "pulp.key")); err != nil {
		return b, fmt.Errorf("copy key: %w", err)
	}
	// A log that somebody who opened the earlier copy left would be taken for one of this copy.
	for _, end := range []string{"-wal", "-shm"} {
		if err := os.Remove(filepath.Join(dir, "pulp.db"+end)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
	}
	return b, os.Rename(draft, filepath.Join(dir, "pulp.db"))
}

// makeBackupDir makes the directory of a copy, which must not be the original's.
func (a *App) makeBackupDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	to, err := os.Stat(dir)
	if err != nil {
		return err
	}
	own, err := os.Stat(a.db.Dir())
	if err == nil && os.SameFile(to, own) {
		err = errors.New("that is the data directory itself")
	}
	return err
}

// copyFiles copies the blobs that another storage does not have.
func (a *App) copyFiles(ctx context.Context, dir string, b *Backup) error {
	to, err := blob.Open(dir)
	if err != nil {
		return err
	}
	defer to.Close()
	var batch []*blob.Writer
	defer func() {
		for _, w := range batch {
			_ = w.Abort() // nothing, if it was committed
		}
	}()
	from := a.storage.blobs()
	for info, err := range from.Walk(ctx) {
		if err != nil {
			return err
		}
		b.Files++
		if there, err := to.Stat(info.SHA256); err == nil && there.Size == info.Size {
			continue
		}
		w, err := copyBlob(ctx, to, from, info)
		switch {
		case errors.Is(err, blob.ErrCorrupt):
			b.Damaged = append(b.Damaged, info.SHA256)
			continue
		case err != nil:
			return err
		}
		b.Copied++
		b.Bytes += info.Size
		if batch = append(batch, w); len(batch) == backupBatch {
			if err := to.CommitAll(ctx, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return to.CommitAll(ctx, batch)
}

// backupBatch is how many files share their way to the disk.
const backupBatch = 200

// copyBlob writes a blob to another store, uncommitted. ErrCorrupt says that its bytes are wrong.
func copyBlob(ctx context.Context, to, from *blob.Store, info blob.Info) (*blob.Writer, error) {
	f, err := from.Open(info.SHA256)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	w, err := to.Create(ctx, blob.SHA256)
	if err != nil {
		return nil, err
	}
	if _, err = io.Copy(w, f); err == nil {
		err = w.Close()
	}
	if err == nil && w.Sums().SHA256 != info.SHA256 {
		err = fmt.Errorf("file %s: %w", info.SHA256, blob.ErrCorrupt)
	}
	if err != nil {
		return nil, errors.Join(err, w.Abort())
	}
	return w, nil
}

// copyFile copies a small file, whole or not at all.
func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	draft := to + ".part"
	f, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(draft, to)
}

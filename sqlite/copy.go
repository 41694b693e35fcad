package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// draftEnd is the end of the name of a copy that is not whole yet.
const draftEnd = ".part"

// copyBefore copies the database to a file of its own, as it was before the migration named
// first. The copy gets its name only when it is whole and on the disk.
func (db *DB) copyBefore(ctx context.Context, l *ledger, first string) error {
	target := fmt.Sprintf("%s.before-%s-%s", db.file, l.owner, first)
	draft := target + "." + rand.Text() + draftEnd // another process may be at it, too
	if err := db.removeDrafts(); err != nil {
		return fmt.Errorf("copy before migrating: %w", err)
	}
	defer os.Remove(draft) // gone already if all went well
	if err := db.vacuumInto(ctx, draft); err != nil {
		return fmt.Errorf("copy to %s before migrating: %w", target, err)
	}
	// Another process may have migrated in the meantime. Then the draft is of a database
	// that has the migration, and must not take the place of that process's copy.
	applied, err := l.open(ctx)
	if err != nil {
		return err
	}
	if slices.Contains(applied, first) {
		return nil
	}
	if err := os.Rename(draft, target); err != nil {
		return fmt.Errorf("copy before migrating: %w", err)
	}
	return syncDir(db.dir)
}

// removeDrafts removes what killed processes left, if no other process can be at work there.
func (db *DB) removeDrafts() error {
	if db.shared {
		return nil
	}
	entries, err := os.ReadDir(db.dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(db.file)+".before-") && strings.HasSuffix(e.Name(), draftEnd) {
			err = errors.Join(err, os.Remove(filepath.Join(db.dir, e.Name())))
		}
	}
	return err
}

// vacuumInto writes a compact copy of the database to file. SQLite does this from one
// snapshot, but not inside of a transaction.
func (db *DB) vacuumInto(ctx context.Context, file string) error {
	err := db.engine.alone(ctx, func(l *link) error {
		_, err := l.raw.ExecContext(context.Background(), "VACUUM INTO ?", []driver.NamedValue{{Ordinal: 1, Value: file}})
		return err
	})
	if err != nil {
		return err
	}
	return settle(file)
}

package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// copyBefore copies the database to a file of its own, as it was before the migration named
// first. The copy gets its name only when it is whole and on the disk.
func (db *DB) copyBefore(ctx context.Context, l *ledger, first string) error {
	target := fmt.Sprintf("%s.before-%s-%s", db.file, l.owner, first)
	draft := target + ".part"
	if err := os.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
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

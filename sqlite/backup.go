package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
)

// Backup writes a copy of the database, as it is at one moment, to a file that does not exist
// yet. Writers and readers go on meanwhile. When it returns nil, the copy is whole and on the
// disk; when it fails, there is no file.
func (db *DB) Backup(ctx context.Context, file string) error {
	if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(fmt.Errorf("back up to %s: the file exists", file), err)
	}
	err := db.backup(ctx, file)
	if err == nil {
		err = settle(file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("back up to %s: %w", file, err), removeIfThere(file))
	}
	return nil
}

// backup uses a connection of its own, which reads, as far as the database is concerned; so it
// may be interrupted, and keeps nobody waiting.
func (db *DB) backup(ctx context.Context, file string) error {
	l, err := dial(ctx, db.config, db.file, busyTimeout(db.busyTimeout), "temp_store=MEMORY")
	if err != nil {
		return err
	}
	_, err = l.raw.ExecContext(ctx, "VACUUM INTO ?", []driver.NamedValue{{Ordinal: 1, Value: file}})
	return errors.Join(err, l.Close())
}

// settle brings a file to the disk, for its owner's eyes only.
func settle(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Sync(), f.Close())
}

func removeIfThere(file string) error {
	if err := os.Remove(file); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Check reads the whole database and says what is wrong with it: pages that do not fit
// together, entries that an index lacks, references that lead nowhere.
func (db *DB) Check(ctx context.Context) error {
	var faults []error
	var found string
	rows, err := db.reader.DB.QueryContext(ctx, "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'"+
		" UNION ALL SELECT 'row ' || rowid || ' of ' || \"table\" || ' refers to a row of ' || parent || ' that is not there' FROM pragma_foreign_key_check LIMIT 20")
	if err != nil {
		return fmt.Errorf("check database: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&found); err != nil {
			return fmt.Errorf("check database: %w", err)
		}
		faults = append(faults, errors.New(found))
	}
	if err := errors.Join(append(faults, rows.Err())...); err != nil {
		return fmt.Errorf("check database: %w", err)
	}
	return nil
}

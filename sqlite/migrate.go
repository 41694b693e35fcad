package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/uptrace/bun/migrate"
)

// Migrate applies those of an owner's migrations that the database does not have yet, in the
// order of their names. name is the owner: "core", or a plugin that keeps side tables. files
// holds them in its root, named as bun/migrate does: 0001_words.up.sql or
// 0001_words.tx.up.sql, which mean the same here; other files are left alone, but for
// schema.sql: what all migrations together amount to. If it is there, an owner that is new to
// the database begins with it, and none of the migrations runs, which is faster. That both come
// to the same is for the owner's tests to say.
//
// Each file is a transaction that also records it in the table pulp_migration_<name>. So a
// crash or an error, which names the file, leaves the database after the last whole
// migration, and the next Migrate goes on from there.
//
// Before a database is changed that has migrations of this owner, it is copied to
// <file>.before-<name>-<first new migration>; an older copy of that name is replaced.
//
// [ErrNewerSchema] is returned if the database has a migration that files lacks.
func (db *DB) Migrate(ctx context.Context, name string, files fs.FS) error {
	if err := db.migrate(ctx, name, files); err != nil {
		return fmt.Errorf("migrate %s: %w", name, err)
	}
	return nil
}

// Bun finds, checks and sorts the files, and its table is used as it is. Its Migrator is not:
// it records a migration in another transaction than it applies it in, and its lock is a row
// that a crash leaves behind. Here the writer's transaction is the lock, also between
// processes, and the record is part of it.
func (db *DB) migrate(ctx context.Context, name string, files fs.FS) error {
	if !ownerName.MatchString(name) {
		return fmt.Errorf("the name may hold a-z, 0-9, _ and - only")
	}
	found := migrate.NewMigrations()
	if err := found.Discover(files); err != nil {
		return err
	}
	known := slices.DeleteFunc(found.Sorted(), func(m migrate.Migration) bool { return m.Up == nil })
	l := &ledger{db: db, owner: name, table: `"pulp_migration_` + name + `"`}
	applied, err := l.open(ctx)
	if err != nil {
		return err
	}
	missing, err := compare(known, applied)
	if err != nil || len(missing) == 0 {
		return err
	}
	if len(applied) > 0 {
		if err := db.copyBefore(ctx, l, missing[0].Name); err != nil {
			return err
		}
	} else if missing, err = l.begin(ctx, files, missing); err != nil {
		return err
	}
	for _, m := range missing {
		if err := l.apply(ctx, files, m); err != nil {
			return err
		}
	}
	return nil
}

var ownerName = regexp.MustCompile(`^[a-z0-9_-]+$`)

// compare returns the migrations that are not applied yet.
func compare(known migrate.MigrationSlice, applied []string) (missing migrate.MigrationSlice, err error) {
	for _, name := range applied {
		if !slices.ContainsFunc(known, func(m migrate.Migration) bool { return m.Name == name }) {
			return nil, fmt.Errorf("%w: migration %s is unknown here: use the newer program that applied it",
				ErrNewerSchema, name)
		}
	}
	for _, m := range known {
		if !slices.Contains(applied, m.Name) {
			missing = append(missing, m)
		}
	}
	return missing, nil
}

// A ledger is the table in which an owner's migrations are recorded.
type ledger struct {
	db           *DB
	owner, table string
}

// The statements of a ledger; %s is its table. The table is bun/migrate's.
const (
	createLedger = `CREATE TABLE IF NOT EXISTS %s (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		name VARCHAR,
		group_id INTEGER,
		migrated_at TIMESTAMP NOT NULL DEFAULT current_timestamp
	)`
	selectApplied = `SELECT name FROM %s ORDER BY name`
	countApplied  = `SELECT count(*) FROM %s WHERE name = ?`
	insertApplied = `INSERT INTO %s (name, group_id) SELECT ?, coalesce(max(group_id), 0) + 1 FROM %[1]s`
)

func (l *ledger) text(statement string) string { return fmt.Sprintf(statement, l.table) }

// open makes the table if there is none, and returns the names that it holds.
func (l *ledger) open(ctx context.Context) (applied []string, err error) {
	err = l.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, l.text(createLedger)); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, l.text(selectApplied))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			applied = append(applied, name)
		}
		return rows.Err()
	})
	return applied, err
}

// begin makes the schema of a new owner at once, if there is a text of it, and returns the
// migrations that are still missing.
func (l *ledger) begin(ctx context.Context, files fs.FS, all migrate.MigrationSlice) (missing migrate.MigrationSlice, err error) {
	text, err := fs.ReadFile(files, wholeSchema)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	err = l.tx(ctx, func(tx *sql.Tx) error {
		if done, err := l.has(ctx, tx, all[0].Name); err != nil || done {
			missing = all
			return err
		}
		if _, err := tx.ExecContext(ctx, string(text)); err != nil {
			return err
		}
		for _, m := range all {
			if _, err := tx.ExecContext(ctx, l.text(insertApplied), m.Name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", wholeSchema, err)
	}
	return missing, nil
}

const wholeSchema = "schema.sql"

// apply runs one migration and records it, unless another process was faster.
func (l *ledger) apply(ctx context.Context, files fs.FS, m migrate.Migration) error {
	file, text, err := source(files, m)
	if err != nil {
		return err
	}
	err = l.tx(ctx, func(tx *sql.Tx) error {
		done, err := l.has(ctx, tx, m.Name)
		if err != nil || done {
			return err
		}
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, l.text(insertApplied), m.Name)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func (l *ledger) has(ctx context.Context, tx *sql.Tx, name string) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, l.text(countApplied), name).Scan(&n)
	return n > 0, err
}

// tx runs f in a transaction about which no warning is due when it is slow.
func (l *ledger) tx(ctx context.Context, f func(*sql.Tx) error) error {
	conn, err := l.db.writer.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	patience := func(slow bool) error {
		return conn.Raw(func(c any) error { c.(*session).slow = slow; return nil })
	}
	if err := patience(true); err != nil {
		return err
	}
	defer patience(false)
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// source reads the file of a migration.
func source(files fs.FS, m migrate.Migration) (file, text string, err error) {
	stem := m.Name + "_" + m.Comment
	for _, file = range []string{stem + ".tx.up.sql", stem + ".up.sql"} {
		data, err := fs.ReadFile(files, file)
		if err == nil {
			return file, string(data), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return file, "", err
		}
	}
	return "", "", fmt.Errorf("%s: not in the root of the files", strings.TrimSuffix(stem, "_"))
}

package sqlite

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
)

//go:embed schema/*.sql
var schema embed.FS

// coreFiles is the folder of the engine's schema.
type coreFiles struct{}

func (coreFiles) Open(name string) (fs.File, error) { return schema.Open(path.Join("schema", name)) }

// A DB is an open database. It may be used by any number of goroutines.
type DB struct {
	config
	dir, file string
	lock      *dirLock
	engine    *engine
	watch     *watch
	writer    *bun.DB
	reader    *bun.DB
	close     func() error
}

// Open opens the database at path and migrates it to this program's schema.
//
// path is the data directory, in which the database is pulp.db, or the database itself if
// it ends in .db or .sqlite; then the directory it lies in is the data directory. What does
// not exist is made, directories with mode 0700.
//
// The data directory is locked until Close or the end of the process: [ErrLocked] says that
// somebody else has it. [ErrNewerSchema] says that a newer program was here.
func Open(path string, options ...Option) (*DB, error) {
	db := &DB{config: configure(options)}
	db.close = sync.OnceValue(db.shut)
	if err := db.open(path); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	return db, nil
}

func (db *DB) open(path string) (err error) {
	if db.dir, db.file, err = locate(path); err != nil {
		return err
	}
	if db.lock, err = lockDir(db.dir, db.shared); err != nil {
		return err
	}
	if warning := checkDriver(linkedModules()); warning != "" {
		db.log.Warn(warning)
	}
	if err := makeFile(db.file); err != nil {
		return err
	}
	if db.engine, err = newEngine(db.config, db.dir, db.file); err != nil {
		return err
	}
	db.writer = bun.NewDB(openPool(&writer{db.engine}, 0), sqlitedialect.New())
	db.reader = bun.NewDB(openPool(&readers{db.config, db.file}, db.readers), sqlitedialect.New())
	if db.shared {
		if db.watch, err = startWatch(db.config, db.file, db.engine.listeners.callAll); err != nil {
			return err
		}
	}
	return db.Migrate(context.Background(), "core", db.core)
}

// locate finds the data directory and the database file of a path, and makes the directory.
func locate(path string) (dir, file string, err error) {
	if path == "" {
		return "", "", errors.New("no path given")
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", "", err
	}
	dir, file = path, filepath.Join(path, "pulp.db")
	if ext := filepath.Ext(path); ext == ".db" || ext == ".sqlite" {
		dir, file = filepath.Dir(path), path
	}
	return dir, file, os.MkdirAll(dir, 0o700)
}

// makeFile makes the database file, if need be, so that only its owner can read it: it holds
// hashes of passwords. SQLite gives its log the same mode.
func makeFile(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// Writer returns the database for everything that writes. Each BeginTx waits for its turn,
// and a commit is shared with other callers; see the package documentation. Statements
// outside a transaction are transactions of their own.
//
// A query's rows are read to the end before the query returns, so that no statement is left
// open in the batch: read large sets through Reader.
//
// The connection behind it is one for all: a PRAGMA or a TEMP table of one caller is
// everybody's. Statements that begin or end a transaction get [ErrTxControl].
//
// While a transaction is open on a goroutine, a statement of the same goroutine outside of
// it waits for its own transaction to end; use the transaction, or tx.BeginTx for a savepoint.
func (db *DB) Writer() *bun.DB { return db.writer }

// Reader returns a pool of connections that cannot write. A read sees every commit that has
// returned; the reads of one transaction see the same state. Readers and the writer never
// wait for each other.
func (db *DB) Reader() *bun.DB { return db.reader }

// Dir returns the data directory.
func (db *DB) Dir() string { return db.dir }

// Shared says whether other processes may have the data directory open, too.
func (db *DB) Shared() bool { return db.shared }

// Close ends all connections and gives the data directory free. Callers that wait for their
// turn get [ErrClosed]; a transaction that is open is rolled back once its running statement
// has ended; one that was released is committed. Closing twice is allowed.
func (db *DB) Close() error { return db.close() }

func (db *DB) shut() error {
	errs := []error{db.watch.close()}
	if db.writer != nil {
		errs = append(errs, db.writer.Close())
	}
	// The writer goes last: the last connection to leave folds the log into the file.
	if db.reader != nil {
		errs = append(errs, db.reader.Close())
	}
	if db.engine != nil {
		errs = append(errs, db.engine.close())
	}
	if db.lock != nil {
		errs = append(errs, db.lock.unlock())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close %s: %w", db.file, err)
	}
	return nil
}

package sqlite

import (
	"context"
	"database/sql/driver"
	"io/fs"
	"os"
	"reflect"
	"unsafe"

	modernc "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// CheckDriver lets a test tell the driver check which modules a program links.
func CheckDriver(linked map[string]string) string { return checkDriver(linked) }

// CoreFiles has Open make the database by other files than the engine's own.
func CoreFiles(files fs.FS) Option { return func(c *config) { c.core = files } }

// Function gives a test an SQL function of its own.
func Function(name string, args int32, f func(*modernc.FunctionContext, []driver.Value) (driver.Value, error)) Option {
	return func(c *config) {
		c.functions = map[string]*modernc.FunctionImpl{name: {NArgs: args, Scalar: f}}
	}
}

// A Fault is a way in which a statement fails.
type Fault string

// The ways in which machines fail.
const (
	NoFault Fault = ""
	Busy    Fault = "busy"        // another process has the lock
	NoSpace Fault = "no space"    // the disk is full, and SQLite has rolled back
	NoIO    Fault = "no I/O"      // the disk cannot be read or written, and SQLite has rolled back
	TooLate Fault = "late answer" // a commit is on the disk, but says that it is not
)

// Faults has f say how each statement fails, before it runs.
func Faults(f func(text string) Fault) Option {
	return func(c *config) {
		c.fault = func(raw rawConn, text string) error {
			switch f(text) {
			case NoFault:
				return nil
			case Busy:
				return sqliteError(lib.SQLITE_BUSY, "database is locked")
			case NoSpace:
				_, _ = raw.ExecContext(context.Background(), rollbackBatch, nil) // in vain if nothing is begun
				return sqliteError(lib.SQLITE_FULL, "database or disk is full")
			case TooLate:
				if _, err := raw.ExecContext(context.Background(), text, nil); err != nil {
					return err
				}
				return sqliteError(lib.SQLITE_IOERR_FSYNC, "disk I/O error")
			}
			_, _ = raw.ExecContext(context.Background(), rollbackBatch, nil)
			return sqliteError(lib.SQLITE_IOERR_WRITE, "disk I/O error")
		}
	}
}

// sqliteError is an error as the driver makes them.
func sqliteError(code int, text string) error {
	e := &modernc.Error{}
	v := reflect.ValueOf(e).Elem()
	for name, value := range map[string]any{"code": code, "msg": text} {
		f := v.FieldByName(name)
		reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem().Set(reflect.ValueOf(value))
	}
	return e
}

// LockFile is the file on which the directory's lock is.
func (db *DB) LockFile() *os.File { return db.lock.file }

// CommitStatement is what commits a batch.
const CommitStatement = commitBatch

// Pages is how many pages the writer has looked at so far.
func (db *DB) Pages() (n int, err error) {
	err = db.engine.alone(context.Background(), func(l *link) error {
		for _, what := range []modernc.DBStatusOp{modernc.DBStatusCacheHit, modernc.DBStatusCacheMiss} {
			k, _, err := l.raw.Status(what, false)
			if err != nil {
				return err
			}
			n += k
		}
		return nil
	})
	return n, err
}

// AllPages is how many pages the writer and the only reader have looked at so far.
func (db *DB) AllPages() (n int, err error) {
	n, err = db.Pages()
	if err != nil {
		return 0, err
	}
	conn, err := db.Reader().DB.Conn(context.Background())
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return n, conn.Raw(func(c any) error {
		for _, what := range []modernc.DBStatusOp{modernc.DBStatusCacheHit, modernc.DBStatusCacheMiss} {
			k, _, err := c.(*reader).link.raw.Status(what, false)
			if err != nil {
				return err
			}
			n += k
		}
		return nil
	})
}

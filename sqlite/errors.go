package sqlite

import (
	"errors"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// The errors that a caller may tell apart with [errors.Is]. SQLite's own errors come back as
// *sqlite.Error of modernc.org/sqlite, found with [errors.As].
var (
	// ErrLocked says that another process, or this one, has the data directory open.
	ErrLocked = errors.New("data directory is in use")
	// ErrClosed says that the database was closed.
	ErrClosed = errors.New("sqlite: database is closed")
	// ErrBatchLost says that SQLite rolled back the whole batch that a transaction was in,
	// so that nothing of the transaction was kept. It wraps the cause: a full disk, an I/O
	// error, a lack of memory, a failed commit. The transaction may be tried again.
	ErrBatchLost = errors.New("sqlite: the batch with this transaction was rolled back")
	// ErrTxIdle says that a transaction was rolled back because no statement came for
	// longer than [IdleLimit].
	ErrTxIdle = errors.New("sqlite: transaction was rolled back because it stayed idle")
	// ErrTxControl says that a statement would begin or end a transaction behind the
	// engine's back. BeginTx, Commit and Rollback do that; SAVEPOINT, RELEASE and ROLLBACK
	// TO are allowed.
	ErrTxControl = errors.New("sqlite: transactions are controlled by BeginTx, Commit and Rollback, not by statements")
	// ErrBusy says that a transaction did not begin, because another process kept SQLite's write
	// lock for longer than [BusyTimeout]: that process is stopped, or writes for very long. The
	// transaction may be tried again.
	ErrBusy error = busyError{}
	// ErrNewerSchema says that a newer program has migrated the database.
	ErrNewerSchema = errors.New("database has a newer schema than this program knows")
)

// busyError is the type of ErrBusy. Its method tells those who do not know this package.
type busyError struct{}

func (busyError) Error() string { return "another process keeps the write lock" }
func (busyError) Busy() bool    { return true }

// busy says whether err is SQLite's answer to a lock that somebody else holds.
func busy(err error) bool {
	var e *driver.Error
	return errors.As(err, &e) && e.Code()&0xff == lib.SQLITE_BUSY
}

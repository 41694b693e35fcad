package pulp

import (
	"context"
	"database/sql"
	"io/fs"

	"github.com/uptrace/bun"
)

// A Database is where an App keeps its rows; package sqlite has one. What it promises:
//
//   - Writer makes serializable transactions, one after another in the order of their
//     beginnings, and a commit that returned nil survives a power cut.
//   - Reader sees every commit that has returned, and never a part of one.
//   - The statement "NOTIFY x" in a transaction of Writer calls each function given to
//     Listen with "x" after that transaction's commit, and not at all if it is rolled back.
//   - If it is Shared, each function given to Listen is also called with "" soon after a commit of
//     another process.
//   - An error of BeginTx that wraps one with a method Busy() bool, which returns true, says that
//     another process kept the database locked; trying again may succeed.
type Database interface {
	Writer() *bun.DB
	Reader() *bun.DB
	// Listen registers f and returns what unregisters it. f must return at once.
	Listen(f func(channel string)) (stop func())
	// Migrate applies the migrations of one owner that the database does not have yet.
	Migrate(ctx context.Context, owner string, files fs.FS) error
	// Backup writes a copy of the database as it is at one moment to a file that does not exist.
	Backup(ctx context.Context, file string) error
	// Check reads the whole database and says what is wrong with it.
	Check(ctx context.Context) error
	// Dir is the data directory.
	Dir() string
	// Commits counts commits: while it stays the same, so does all that Reader sees. alone is
	// false if others may commit uncounted. It is asked for each file that is served.
	Commits() (n uint64, alone bool)
	// Shared says that other processes may have the database open, too.
	Shared() bool
	// Close ends all connections and gives the data directory free.
	Close() error
}

// snapshot calls f with a view of the database as it is at one moment, so that what an answer says
// of one object agrees with what it says of others. f asks db and nothing else, since it holds one
// of few connections.
func (a *App) snapshot(ctx context.Context, f func(ctx context.Context, db bun.IDB) error) error {
	return a.db.Reader().RunInTx(ctx, &sql.TxOptions{ReadOnly: true}, func(ctx context.Context, tx bun.Tx) error { return f(ctx, tx) })
}

// A querier runs SQL with bound arguments: a *sql.DB or a *sql.Tx.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// raw passes statements to the driver as they are. bun writes arguments into a statement's
// text, so that it could not be prepared; what runs often goes this way.
func raw(db bun.IDB) querier {
	switch v := db.(type) {
	case bun.Tx:
		return v.Tx
	case *bun.DB:
		return v.DB
	}
	return db
}

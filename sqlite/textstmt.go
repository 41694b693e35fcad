package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
)

// keeper runs texts whose statements are worth keeping.
type keeper interface {
	execKept(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error)
	queryKept(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error)
}

// A textStmt is what Prepare returns: the text alone. SQLite's statement comes from the
// connection's cache at each use, so that the same one may be used again while its rows are
// being read, and a statement of the writer needs no turn to be made. A fault in the text is
// therefore reported by the first use, not by Prepare.
type textStmt struct {
	conn keeper
	text string
}

var (
	_ driver.StmtExecContext  = (*textStmt)(nil)
	_ driver.StmtQueryContext = (*textStmt)(nil)
)

func (s *textStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.execKept(ctx, s.text, args)
}

func (s *textStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.queryKept(ctx, s.text, args)
}

// NumInput says that SQLite counts the arguments itself.
func (s *textStmt) NumInput() int { return -1 }
func (s *textStmt) Close() error  { return nil }

// errNoContext is returned by the driver calls without a context, which database/sql never
// makes when it finds those with one.
var errNoContext = errors.New("sqlite: use the call with a context")

func (s *textStmt) Exec([]driver.Value) (driver.Result, error) { return nil, errNoContext }
func (s *textStmt) Query([]driver.Value) (driver.Rows, error)  { return nil, errNoContext }

// noDriver is the driver of connectors that are never opened by name.
type noDriver struct{}

func (noDriver) Open(string) (driver.Conn, error) {
	return nil, errors.New("sqlite: open a database with Open")
}

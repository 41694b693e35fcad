package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	modernc "modernc.org/sqlite"
)

// rawConn is what the driver's connections can do.
type rawConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
	driver.Pinger
	modernc.HookRegisterer
	modernc.DBStatus
}

// A link is one real connection to the file, with its cache of prepared statements. It must
// be used by one goroutine at a time.
type link struct {
	raw   rawConn
	stmts *stmts
	// rolledBack is set by SQLite's rollback hook, which it calls on every way on which a
	// transaction ends without a commit, also when nobody asked for that. So asking whether
	// the transaction is still there costs nothing. Whoever begins one resets it.
	rolledBack bool
	fault      fault
}

// A fault lets a test have statements fail as a full disk or another process would have them:
// with the error that it returns, after what SQLite itself does then. Nil, as it is for all
// who use the package, means that nothing fails without need.
type fault func(raw rawConn, text string) error

func (f fault) strikes(raw rawConn, text string) error {
	if f == nil {
		return nil
	}
	return f(raw, text)
}

// dial opens a link to file and runs the pragmas on it.
func dial(ctx context.Context, c config, file string, pragmas ...string) (*link, error) {
	name := filepath.ToSlash(file)
	if !strings.HasPrefix(name, "/") {
		name = "/" + name // C:/data becomes file:///C:/data
	}
	d, err := newDriver(c)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	conn, err := d.Open((&url.URL{Scheme: "file", Path: name}).String())
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	l := &link{raw: conn.(rawConn), fault: c.fault}
	l.stmts = newStmts(l.raw)
	l.raw.RegisterRollbackHook(func() { l.rolledBack = true })
	for _, pragma := range pragmas {
		if err := l.pragma(ctx, pragma, c.busyTimeout); err != nil {
			l.Close()
			return nil, fmt.Errorf("pragma %s: %w", pragma, err)
		}
	}
	return l, nil
}

// pragma runs a pragma. SQLite's own patience does not cover the one that turns a new file to
// write-ahead logging, which several processes may do at the same moment.
func (l *link) pragma(ctx context.Context, text string, patience time.Duration) error {
	for start := time.Now(); ; {
		_, err := l.raw.ExecContext(ctx, "PRAGMA "+text, nil)
		if !busy(err) || time.Since(start) > patience {
			return err
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// exec runs text to its end. keep says that text will come again with other arguments, so
// that its statement is worth keeping; bun writes arguments into the text, and such texts
// would only drive the useful ones out of the cache.
func (l *link) exec(ctx context.Context, text string, args []driver.NamedValue, keep bool) (driver.Result, error) {
	if err := l.fault.strikes(l.raw, text); err != nil {
		return nil, err
	}
	if !keep {
		return l.raw.ExecContext(ctx, text, args)
	}
	s, err := l.stmts.take(ctx, text)
	if err != nil {
		return nil, err
	}
	defer l.stmts.put(s)
	return s.ExecContext(ctx, args)
}

// query starts text and returns its rows, which must be closed.
func (l *link) query(ctx context.Context, text string, args []driver.NamedValue, keep bool) (driver.Rows, error) {
	if err := l.fault.strikes(l.raw, text); err != nil {
		return nil, err
	}
	if !keep {
		return l.raw.QueryContext(ctx, text, args)
	}
	s, err := l.stmts.take(ctx, text)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(ctx, args)
	if err != nil {
		l.stmts.put(s)
		return nil, err
	}
	return &keptRows{rawRows: rows.(rawRows), stmts: l.stmts, stmt: s}, nil
}

// text runs a query that returns one text.
func (l *link) text(query string) (string, error) {
	open, err := l.query(context.Background(), query, nil, false)
	if err != nil {
		return "", err
	}
	rows, err := readAll(open.(rawRows))
	if err != nil {
		return "", err
	}
	value := []driver.Value{nil}
	if err := rows.Next(value); err != nil {
		return "", err
	}
	return fmt.Sprint(value[0]), nil
}

// Close closes the statements and the connection.
func (l *link) Close() error {
	l.stmts.close()
	// The driver keeps hooks in a global table; without this the entry would stay there.
	l.raw.RegisterRollbackHook(nil)
	return l.raw.Close()
}

// rawRows is what the driver's rows can do.
type rawRows interface {
	driver.Rows
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

// keptRows are the rows of a kept statement, which goes back into the cache with them.
type keptRows struct {
	rawRows
	stmts *stmts
	stmt  *stmt
}

func (r *keptRows) Close() error {
	if r.stmt == nil {
		return nil
	}
	err := r.rawRows.Close()
	r.stmts.put(r.stmt)
	r.stmt = nil
	return err
}

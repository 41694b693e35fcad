package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"time"
)

// openPool makes a pool over a connector. open is how many connections it may have; 0 means
// any number, for the writer's sessions, which cost nothing.
func openPool(c driver.Connector, open int) *sql.DB {
	pool := sql.OpenDB(c)
	pool.SetMaxOpenConns(open)
	pool.SetMaxIdleConns(max(open, 1024))
	return pool
}

// readers connects database/sql to the file for reading.
type readers struct {
	config
	file string
}

// Connect opens one connection that cannot write.
func (r *readers) Connect(ctx context.Context) (driver.Conn, error) {
	l, err := dial(ctx, r.config, r.file, busyTimeout(r.busyTimeout), "temp_store=MEMORY", "query_only=1")
	if err != nil {
		return nil, err
	}
	return &reader{l}, nil
}

// Driver exists because database/sql wants it; nobody opens a database by its name.
func (r *readers) Driver() driver.Driver { return noDriver{} }

// busyTimeout is the pragma that sets how long SQLite itself waits for a lock.
func busyTimeout(d time.Duration) string { return fmt.Sprintf("busy_timeout=%d", d.Milliseconds()) }

// A reader is a connection that database/sql reads from. Unlike on the writer, a context
// that ends interrupts the running statement: there is nothing that could be rolled back.
type reader struct{ link *link }

var (
	_ driver.QueryerContext     = (*reader)(nil)
	_ driver.ExecerContext      = (*reader)(nil)
	_ driver.ConnPrepareContext = (*reader)(nil)
	_ driver.ConnBeginTx        = (*reader)(nil)
	_ driver.SessionResetter    = (*reader)(nil)
	_ driver.Validator          = (*reader)(nil)
	_ driver.Pinger             = (*reader)(nil)
)

func (r *reader) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	return r.link.query(ctx, text, args, len(args) > 0)
}

func (r *reader) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	return r.link.exec(ctx, text, args, len(args) > 0)
}

func (r *reader) queryKept(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	return r.link.query(ctx, text, args, true)
}

func (r *reader) execKept(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	return r.link.exec(ctx, text, args, true)
}

func (r *reader) PrepareContext(_ context.Context, text string) (driver.Stmt, error) {
	return &textStmt{r, text}, nil
}

func (r *reader) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return r.link.raw.BeginTx(ctx, opts)
}

func (r *reader) Prepare(text string) (driver.Stmt, error) { return &textStmt{r, text}, nil }
func (r *reader) Begin() (driver.Tx, error) {
	return r.BeginTx(context.Background(), driver.TxOptions{})
}
func (r *reader) ResetSession(ctx context.Context) error { return r.link.raw.ResetSession(ctx) }
func (r *reader) IsValid() bool                          { return r.link.raw.IsValid() }
func (r *reader) Ping(ctx context.Context) error         { return r.link.raw.Ping(ctx) }
func (r *reader) Close() error                           { return r.link.Close() }

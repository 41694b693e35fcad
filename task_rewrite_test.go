package pulp_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/gopulp/pulp"
)

// A rewritten database passes on other statements than it is given.
type rewritten struct {
	pulp.Database
	writer, reader *bun.DB
}

// rewrite has f say what is run instead of each statement.
func rewrite(t testing.TB, db pulp.Database, f func(text string) string) pulp.Database {
	over := func(pool *bun.DB) *bun.DB {
		return bun.NewDB(sql.OpenDB(&rewriter{pool.DB, f}), sqlitedialect.New())
	}
	return &rewritten{Database: db, writer: over(db.Writer()), reader: over(db.Reader())}
}

func (r *rewritten) Writer() *bun.DB { return r.writer }
func (r *rewritten) Reader() *bun.DB { return r.reader }

func (r *rewritten) Close() error {
	_ = r.writer.Close()
	_ = r.reader.Close()
	return r.Database.Close()
}

// A rewriter lends the connections of a pool to another one.
type rewriter struct {
	pool *sql.DB
	f    func(text string) string
}

func (r *rewriter) Driver() driver.Driver { return nil }

func (r *rewriter) Connect(ctx context.Context) (driver.Conn, error) {
	lent, err := r.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	c := &rewriterConn{lent: lent, f: r.f}
	return c, lent.Raw(func(inner any) error {
		c.conn = inner.(conn)
		return nil
	})
}

// conn is what the connections of package sqlite can do.
type conn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
}

type rewriterConn struct {
	conn
	lent *sql.Conn
	f    func(text string) string
}

func (c *rewriterConn) Close() error { return c.lent.Close() }

func (c *rewriterConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	return c.conn.ExecContext(ctx, c.f(text), args)
}

func (c *rewriterConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	return c.conn.QueryContext(ctx, c.f(text), args)
}

func (c *rewriterConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	return c.conn.PrepareContext(ctx, c.f(text))
}

func TestRewrittenDatabaseIsLikeAnyOther(t *testing.T) {
	t.Parallel()
	n := 0
	m := newRuleMachine(t, func(db pulp.Database) pulp.Database {
		return rewrite(t, db, func(text string) string {
			n++
			return text
		})
	})
	for i := range uint64(5) {
		require.Empty(t, m.suspect(i, 1), "the machine finds fault with what is right")
	}
	require.NotZero(t, n)
}

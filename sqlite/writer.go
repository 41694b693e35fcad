package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
)

// writer connects database/sql to the engine. Its connections are sessions: they cost
// nothing and share the engine's one real connection.
type writer struct{ engine *engine }

// Connect returns a new session.
func (w *writer) Connect(context.Context) (driver.Conn, error) {
	if w.engine.turn.isClosed() {
		return nil, ErrClosed
	}
	return &session{engine: w.engine}, nil
}

// Driver exists because database/sql wants it; nobody opens a database by its name.
func (w *writer) Driver() driver.Driver { return noDriver{} }

// A session is what database/sql takes for a connection of the writer. Outside of a
// transaction, each statement is one of its own.
type session struct {
	engine *engine
	tx     *tx  // between BeginTx and Commit or Rollback, also if it ended by force
	slow   bool // its transactions may be slow
}

var (
	_ driver.QueryerContext     = (*session)(nil)
	_ driver.ExecerContext      = (*session)(nil)
	_ driver.ConnPrepareContext = (*session)(nil)
	_ driver.ConnBeginTx        = (*session)(nil)
	// With these two, database/sql keeps a session whose context ended in a transaction.
	_ driver.SessionResetter = (*session)(nil)
	_ driver.Validator       = (*session)(nil)
)

// BeginTx waits for the turn. Every isolation level is what it gets or weaker.
func (s *session) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	if s.tx != nil {
		return nil, errors.New("sqlite: a transaction is open on this connection")
	}
	t, err := s.engine.begin(ctx, s.slow)
	if err != nil {
		return nil, err
	}
	t.watch()
	s.tx = t
	return &sessionTx{s}, nil
}

// A sessionTx ends the transaction of a session.
type sessionTx struct{ session *session }

func (t *sessionTx) Commit() error   { return t.session.leave().Commit() }
func (t *sessionTx) Rollback() error { return t.session.leave().Rollback() }

func (s *session) leave() *tx {
	t := s.tx
	s.tx = nil
	return t
}

func (s *session) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	return s.exec(ctx, text, args, len(args) > 0)
}

func (s *session) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	return s.query(ctx, text, args, len(args) > 0)
}

func (s *session) execKept(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	return s.exec(ctx, text, args, true)
}

func (s *session) queryKept(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	return s.query(ctx, text, args, true)
}

func (s *session) exec(ctx context.Context, text string, args []driver.NamedValue, keep bool) (res driver.Result, err error) {
	err = s.within(ctx, func(t *tx) error {
		res, err = t.exec(ctx, text, args, keep)
		return err
	})
	return res, err
}

func (s *session) query(ctx context.Context, text string, args []driver.NamedValue, keep bool) (rows driver.Rows, err error) {
	err = s.within(ctx, func(t *tx) error {
		rows, err = t.query(ctx, text, args, keep)
		return err
	})
	return rows, err
}

// within runs f in the session's transaction, or in one that begins and ends here.
func (s *session) within(ctx context.Context, f func(*tx) error) error {
	if s.tx != nil {
		return f(s.tx)
	}
	t, err := s.engine.begin(ctx, s.slow)
	if err != nil {
		return err
	}
	if err := f(t); err != nil {
		t.end(err)
		return err
	}
	return t.Commit()
}

func (s *session) PrepareContext(_ context.Context, text string) (driver.Stmt, error) {
	return &textStmt{s, text}, nil
}

func (s *session) Prepare(text string) (driver.Stmt, error) { return &textStmt{s, text}, nil }
func (s *session) Begin() (driver.Tx, error)                { return nil, errNoContext }

// ResetSession has nothing to reset: what a transaction leaves behind is nothing.
func (s *session) ResetSession(context.Context) error { return nil }

// IsValid says whether the session may be used again.
func (s *session) IsValid() bool { return !s.engine.turn.isClosed() }

// Close rolls back what is still open.
func (s *session) Close() error {
	if s.tx == nil {
		return nil
	}
	return s.leave().Rollback()
}

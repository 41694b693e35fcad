package pulp

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// sessionLife is how long a session lasts that nobody closes.
const sessionLife = 14 * 24 * time.Hour

const (
	openSessionSQL   = `INSERT INTO session (token, account_id, expires) VALUES (?, ?, ?)`
	forgetSessionSQL = `DELETE FROM session WHERE expires <= ?`
	closeSessionSQL  = `DELETE FROM session WHERE token = ?`
	findSessionSQL   = `SELECT a.id, a.username, a.is_superuser FROM session s CROSS JOIN account a ON a.id = s.account_id
WHERE s.token = ? AND s.expires > ? AND a.is_active`
)

// OpenSession begins a session of ctx's [Caller], who must have an account, and returns the token
// that stands for its credentials until it expires in two weeks, is closed, or the account gets
// another password or is not active any more. Only a hash of the token is stored. It returns
// ErrUnauthenticated for a caller without an account.
func (a *App) OpenSession(ctx context.Context) (token string, expires time.Time, err error) {
	c := CallerOf(ctx)
	if c.AccountID == nil {
		return "", expires, ErrUnauthenticated
	}
	token, expires = rand.Text()+rand.Text(), a.clock().Add(sessionLife)
	err = a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.Tx.ExecContext(ctx, forgetSessionSQL, a.now()); err != nil {
			return err
		}
		_, err := tx.Tx.ExecContext(ctx, openSessionSQL, hashOf(token), *c.AccountID, TimeOf(expires))
		return err
	})
	if err != nil {
		return "", expires, fmt.Errorf("open session: %w", err)
	}
	return token, expires, nil
}

// Session returns the caller of a session. A token that is unknown or over is ErrUnauthenticated.
func (a *App) Session(ctx context.Context, token string) (Caller, error) {
	var id int64
	var c Caller
	row := a.db.Reader().DB.QueryRowContext(ctx, findSessionSQL, hashOf(token), a.now())
	err := row.Scan(&id, &c.Username, &c.Superuser)
	if noRows(err) {
		return Caller{}, ErrUnauthenticated
	}
	if err != nil {
		return Caller{}, fmt.Errorf("find session: %w", err)
	}
	c.AccountID = &id
	return c, nil
}

// CloseSession ends a session. One that is over already is no error.
func (a *App) CloseSession(ctx context.Context, token string) error {
	err := a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.Tx.ExecContext(ctx, closeSessionSQL, hashOf(token))
		return err
	})
	if err != nil {
		return fmt.Errorf("close session: %w", err)
	}
	return nil
}

// hashOf is what is stored of a token. A token is so long that nobody guesses it, so that a quick
// hash is as good as a slow one.
func hashOf(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

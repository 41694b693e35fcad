package pulp

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gopulp/pulp/internal/password"
)

// Authenticate returns the caller whom a username and a password belong to. For a wrong
// password, an unknown and an inactive user it returns one and the same error, which is
// [ErrUnauthenticated], after the same work.
//
// Comparing a password is slow by intent. So a right one is remembered for five minutes, and
// at most two are compared at the same time; others wait until it is their turn or ctx ends.
// A change of the password or of the account's state counts at once nevertheless.
func (a *App) Authenticate(ctx context.Context, username, password string) (Caller, error) {
	acc, err := a.account(ctx, username)
	if err != nil {
		return Caller{}, fmt.Errorf("authenticate: %w", err)
	}
	ok, err := a.accounts.fits(ctx, a.clock(), acc, password)
	if err != nil {
		return Caller{}, fmt.Errorf("authenticate %q: %w", username, err)
	}
	if !ok {
		return Caller{}, wrongPassword{}
	}
	return Caller{AccountID: &acc.id, Username: acc.username, Superuser: acc.superuser}, nil
}

// NewAdminPassword is the password of the user "admin" if Open has made both up, because the
// data directory was new and [Config.AdminPassword] empty; else it is empty. It is the only
// chance to learn it: only its hash is kept.
func (a *App) NewAdminPassword() string { return a.password }

// wrongPassword is what a person who tries to log in may know.
type wrongPassword struct{}

func (wrongPassword) Error() string  { return "wrong username or password" }
func (wrongPassword) Detail() string { return "Invalid username/password." }
func (wrongPassword) Unwrap() error  { return ErrUnauthenticated }

// adminName is the user that every App has.
const adminName = "admin"

// seedAdmin makes the user "admin" if there is none, and sets its password to the configured
// one if that is another.
func (a *App) seedAdmin(ctx context.Context) error {
	acc, err := a.account(ctx, adminName)
	if err != nil {
		return fmt.Errorf("seed admin: %w", err)
	}
	set, statement, hash := a.cfg.AdminPassword, setAdminSQL, password.Hash
	switch {
	case acc.id == 0 && set == "":
		set, statement, hash = rand.Text(), makeAdminSQL, password.HashRandom
	case set == "":
		return nil
	case acc.id != 0:
		if same, err := password.Fits(acc.hash, set); err == nil && same {
			return nil
		}
	}
	done, err := a.db.Writer().DB.ExecContext(ctx, statement, adminName, hash(set), a.now())
	if err != nil {
		return fmt.Errorf("seed admin: %w", err)
	}
	if n, err := done.RowsAffected(); err == nil && n > 0 && a.cfg.AdminPassword == "" {
		a.password = set // not if another process was faster
	}
	return nil
}

const (
	makeAdminSQL = `INSERT INTO account (username, password, is_superuser, is_staff, date_joined)
VALUES (?, ?, 1, 1, ?) ON CONFLICT (username) DO NOTHING`
	setAdminSQL = `INSERT INTO account (username, password, is_superuser, is_staff, date_joined)
VALUES (?, ?, 1, 1, ?) ON CONFLICT (username) DO UPDATE SET password = excluded.password`
	findAccountSQL = `SELECT id, username, coalesce(password, ''), is_superuser, is_active FROM account WHERE username = ?`
)

// An account is somebody who may log in. The zero account is nobody.
type account struct {
	id                int64
	username, hash    string
	superuser, active bool
}

// account finds an account by its username; nobody is no error.
func (a *App) account(ctx context.Context, username string) (account, error) {
	before, _ := a.db.Commits()
	return a.logins.find(a.db, before, username, func() (acc account, err error) {
		row := a.db.Reader().DB.QueryRowContext(ctx, findAccountSQL, username)
		err = row.Scan(&acc.id, &acc.username, &acc.hash, &acc.superuser, &acc.active)
		if errors.Is(err, sql.ErrNoRows) {
			return account{}, nil
		}
		if err != nil {
			return account{}, fmt.Errorf("find account: %w", err)
		}
		return acc, nil
	})
}

const (
	remembered    = 5 * time.Minute
	maxRemembered = 10_000
	comparisons   = 2 // at the same time
)

// accounts compares passwords and remembers those that were right, under a hash that means
// nothing outside this process.
type accounts struct {
	key   []byte
	turns chan struct{}
	mu    sync.Mutex
	right map[[sha256.Size]byte]time.Time // until when
}

func newAccounts() *accounts {
	s := &accounts{key: make([]byte, 32), turns: make(chan struct{}, comparisons), right: map[[sha256.Size]byte]time.Time{}}
	rand.Read(s.key) // never fails: it ends the program instead
	return s
}

// fits says whether acc is active and pass its password. Only the time that it takes for a
// right password of an active account depends on what was asked before.
func (s *accounts) fits(ctx context.Context, now time.Time, acc account, pass string) (bool, error) {
	hash := acc.hash
	if !acc.active || hash == "" {
		hash = password.Decoy
	}
	id := s.id(acc.username, pass, hash)
	if s.knows(id, now) {
		return true, nil
	}
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if s.knows(id, now) { // since somebody else asked the same while this one waited
		return true, nil
	}
	ok, err := password.Fits(hash, pass)
	if ok {
		s.remember(id, now)
	}
	return ok, err
}

func (s *accounts) id(parts ...string) (id [sha256.Size]byte) {
	h := hmac.New(sha256.New, s.key)
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write([]byte(p))
	}
	h.Sum(id[:0])
	return id
}

func (s *accounts) knows(id [sha256.Size]byte, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.right[id]
	return ok && now.Before(until)
}

func (s *accounts) remember(id [sha256.Size]byte, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.right) >= maxRemembered {
		for old, until := range s.right {
			if !now.Before(until) {
				delete(s.right, old)
			}
		}
	}
	if len(s.right) >= maxRemembered {
		clear(s.right)
	}
	s.right[id] = now.Add(remembered)
}

// Caller returns who has an account of a username, without asking for a password: for a host that
// knows by other means who makes a request. It returns ErrNotFound if there is none, or none that
// is active.
func (a *App) Caller(ctx context.Context, username string) (Caller, error) {
	acc, err := a.account(ctx, username)
	if err != nil {
		return Caller{}, err
	}
	if acc.id == 0 || !acc.active {
		return Caller{}, fmt.Errorf("account %q: %w", username, ErrNotFound)
	}
	return Caller{AccountID: &acc.id, Username: acc.username, Superuser: acc.superuser}, nil
}

package pulp_test

import (
	"context"
	"testing"
	"time"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
	"github.com/stretchr/testify/require"
)

func openAccounts(t *testing.T, dir string, cfg pulp.Config) *pulp.App {
	t.Helper()
	db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Off))
	require.NoError(t, err)
	app, err := pulp.Open(t.Context(), db, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { app.Close() })
	return app
}

func TestOpenMakesUpTheAdminPasswordOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	app := openAccounts(t, dir, pulp.Config{})
	made := app.NewAdminPassword()
	require.NotEmpty(t, made)
	caller, err := app.Authenticate(t.Context(), "admin", made)
	require.NoError(t, err)
	require.NotNil(t, caller.AccountID)
	require.Equal(t, "admin", caller.Username)
	require.True(t, caller.Superuser)
	require.NoError(t, app.Close())

	app = openAccounts(t, dir, pulp.Config{})
	require.Empty(t, app.NewAdminPassword())
	_, err = app.Authenticate(t.Context(), "admin", made)
	require.NoError(t, err)
}

func TestConfiguredAdminPasswordReplacesTheStoredOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	app := openAccounts(t, dir, pulp.Config{AdminPassword: "one"})
	require.Empty(t, app.NewAdminPassword())
	require.NoError(t, app.Close())

	app = openAccounts(t, dir, pulp.Config{AdminPassword: "two"})
	_, err := app.Authenticate(t.Context(), "admin", "one")
	require.ErrorIs(t, err, pulp.ErrUnauthenticated)
	_, err = app.Authenticate(t.Context(), "admin", "two")
	require.NoError(t, err)
}

func TestWrongCredentialsAreToldApartByNothing(t *testing.T) {
	t.Parallel()
	app := openAccounts(t, t.TempDir(), pulp.Config{AdminPassword: "right"})
	exec := func(query string) {
		_, err := app.DB().Writer().DB.ExecContext(t.Context(), query)
		require.NoError(t, err)
	}
	exec(`INSERT INTO account (username, password, is_active, date_joined) SELECT 'gone', password, 0, 0 FROM account`)
	exec(`INSERT INTO account (username, date_joined) VALUES ('keyless', 0)`)
	texts := map[string]bool{}
	for _, c := range [][2]string{
		{"admin", "wrong"}, {"admin", ""}, {"Admin", "right"}, {"nobody", "right"}, {"", ""},
		{"gone", "right"}, {"keyless", ""}, {"admin\x00", "right"},
	} {
		_, err := app.Authenticate(t.Context(), c[0], c[1])
		require.ErrorIs(t, err, pulp.ErrUnauthenticated, "%q", c)
		texts[err.Error()] = true
	}
	require.Len(t, texts, 1)
}

func TestRememberedPasswordIsForgottenWhenTheAccountChanges(t *testing.T) {
	t.Parallel()
	app := openAccounts(t, t.TempDir(), pulp.Config{AdminPassword: "right"})
	login := func() error {
		_, err := app.Authenticate(t.Context(), "admin", "right")
		return err
	}
	change := func(set string) {
		_, err := app.DB().Writer().DB.ExecContext(t.Context(), "UPDATE account SET "+set)
		require.NoError(t, err)
	}
	require.NoError(t, login())
	change("is_active = 0")
	require.ErrorIs(t, login(), pulp.ErrUnauthenticated)
	change("is_active = 1")
	require.NoError(t, login())
	change("password = NULL")
	require.ErrorIs(t, login(), pulp.ErrUnauthenticated)
}

func TestRememberedPasswordNeedsNoComparison(t *testing.T) {
	t.Parallel()
	app := openAccounts(t, t.TempDir(), pulp.Config{AdminPassword: "right"})
	_, err := app.Authenticate(t.Context(), "admin", "right")
	require.NoError(t, err)
	start := time.Now()
	for range 100 {
		_, err := app.Authenticate(t.Context(), "admin", "right")
		require.NoError(t, err)
	}
	require.Less(t, time.Since(start), 2*time.Second, "a hundred comparisons take longer")
}

func TestAuthenticateEndsWithItsContext(t *testing.T) {
	t.Parallel()
	app := openAccounts(t, t.TempDir(), pulp.Config{AdminPassword: "right"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := app.Authenticate(ctx, "admin", "right")
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, pulp.ErrUnauthenticated)
}

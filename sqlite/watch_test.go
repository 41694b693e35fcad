package sqlite_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/sqlite"
)

func TestListenersOfASharedDatabaseHearThatOthersCommitted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, other := open(t, dir, sqlite.Shared()), open(t, dir, sqlite.Shared())
	heard := make(chan string, 100)
	stop := one.Listen(func(channel string) { heard <- channel })
	for {
		select {
		case <-heard: // of what open did
			continue
		case <-time.After(time.Second):
		}
		break
	}
	_, err := other.Writer().Exec(insert, "a")
	require.NoError(t, err)
	select {
	case channel := <-heard:
		require.Empty(t, channel)
		require.Equal(t, []string{"a"}, names(t, one))
	case <-time.After(20 * time.Second):
		require.Fail(t, "nobody told")
	}
	require.Empty(t, heard, "once")
	stop()
	require.NoError(t, other.Close())
}

func TestTransactionThatCannotBeginSaysThatAnotherProcessIsInTheWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one := open(t, dir, sqlite.Shared())
	other := open(t, dir, sqlite.Shared(), sqlite.BusyTimeout(20*time.Millisecond))
	tx, err := one.Writer().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = other.Writer().BeginTx(t.Context(), nil)
	require.ErrorIs(t, err, sqlite.ErrBusy)
	var busy interface{ Busy() bool }
	require.ErrorAs(t, err, &busy, "as package pulp sees it")
	require.True(t, busy.Busy())
	require.NoError(t, tx.Rollback())
	_, err = other.Writer().Exec(insert, "b")
	require.NoError(t, err)
}

package sqlite_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
)

func TestNotifyIsHeardOncePerChannelAfterTheCommit(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	var heard []string
	stop := db.Listen(func(channel string) {
		require.Len(t, names(t, db), 1, "the commit is visible")
		heard = append(heard, channel)
	})
	require.NoError(t, inTx(db, func(tx bun.Tx) error {
		for _, text := range []string{"NOTIFY jobs", " notify Jobs ;", `NOTIFY "Jobs"`, "/* hi */ NOTIFY jobs -- ho"} {
			_, err := tx.Exec(text)
			require.NoError(t, err)
		}
		_, err := tx.Exec(insert, "x")
		require.Empty(t, heard)
		return err
	}))
	require.Equal(t, []string{"jobs", "Jobs"}, heard)

	heard = nil
	_, err := db.Writer().Exec("NOTIFY other")
	require.NoError(t, err)
	rows, err := db.Writer().Query("NOTIFY third")
	require.NoError(t, err)
	require.NoError(t, rows.Close())
	require.Equal(t, []string{"other", "third"}, heard)

	stop()
	_, err = db.Writer().Exec("NOTIFY other")
	require.NoError(t, err)
	require.Len(t, heard, 2)
}

func TestNotifyIsNotHeardIfRolledBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := open(t, "")
		var heard []string
		db.Listen(func(channel string) { heard = append(heard, channel) })
		first := hold(t, db)
		lost := background(func() error {
			return inTx(db, func(tx bun.Tx) error { _, err := tx.Exec("NOTIFY lost"); return err })
		})
		synctest.Wait()
		losing := background(func() error {
			_, err := db.Writer().Exec(`INSERT OR ROLLBACK INTO item (id) VALUES (1), (1)`)
			return err
		})
		synctest.Wait()
		_, err := first.Exec("NOTIFY undone")
		require.NoError(t, err)
		require.NoError(t, first.Rollback())
		require.Error(t, <-lost)
		require.Error(t, <-losing)
		require.Empty(t, heard)
	})
}

func TestNotifyWantsOneChannel(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	for _, text := range []string{"NOTIFY", "NOTIFY;", "NOTIFY a, 'payload'", "NOTIFY 'a'", `NOTIFY ""`, "NOTIFY a; SELECT 1"} {
		_, err := db.Writer().Exec(text)
		require.ErrorContains(t, err, "NOTIFY wants", text)
	}
}

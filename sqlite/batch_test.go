package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/sqlite"
)

// Most tests of batches run in a synctest bubble: synctest.Wait returns when everybody else
// waits, for the turn or for the batch, so that it is known who shares a batch with whom.

// hold opens a transaction that keeps the turn, so that others queue behind it.
func hold(t *testing.T, db *sqlite.DB) bun.Tx {
	t.Helper()
	tx, err := db.Writer().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	return tx
}

func TestManyCallersLoseNothingAndShareCommits(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	before := db.Stats()
	const callers = 64
	each := scale(5, 25, 2000)
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := range each {
				if err := add(t.Context(), db, fmt.Sprintf("%d/%d", c, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	require.Len(t, names(t, db), callers*each)
	after := db.Stats()
	require.EqualValues(t, callers*each, after.Transactions-before.Transactions)
	require.Less(t, after.Batches-before.Batches, after.Transactions-before.Transactions)
	require.Equal(t, before.Rollbacks, after.Rollbacks)
	require.Zero(t, after.LostBatches)
}

func TestReaderSeesARowAsSoonAsCommitReturns(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	for i := range scale(10, 50, 1000) {
		tx, err := db.Writer().BeginTx(t.Context(), nil)
		require.NoError(t, err)
		_, err = tx.Exec(insert, i)
		require.NoError(t, err)
		require.Len(t, names(t, db), i, "before the commit")
		require.NoError(t, tx.Commit())
		require.Len(t, names(t, db), i+1, "after the commit")
	}
}

func TestTransactionsGetTheirTurnInTheOrderOfBegin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := open(t, "")
		first := hold(t, db)
		var order []int
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				tx, err := db.Writer().BeginTx(t.Context(), nil)
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, i)
				tx.Commit()
			})
			synctest.Wait()
		}
		require.NoError(t, first.Commit())
		all.Wait()
		require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, order)
	})
}

func TestCallerWhoseContextEndsInTheLineGivesUpItsPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := open(t, "")
		first := hold(t, db)
		ctx, cancel := context.WithCancel(t.Context())
		second := background(func() error { return add(ctx, db, "second") })
		synctest.Wait()
		third := background(func() error { return add(t.Context(), db, "third") })
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-second, context.Canceled)
		require.NoError(t, first.Commit())
		require.NoError(t, <-third)
		require.Equal(t, []string{"third"}, names(t, db))
	})
}

// Rule (g).
func TestBatchClosesAfterItsNumberOfCallers(t *testing.T) {
	t.Parallel()
	batches := queue(t, 7, 0, sqlite.Batch(2, time.Hour))
	require.EqualValues(t, 4, batches, "two callers each, the last one alone")
}

func TestBatchClosesAfterItsTime(t *testing.T) {
	t.Parallel()
	batches := queue(t, 7, 6*time.Millisecond, sqlite.Batch(1000, 10*time.Millisecond))
	require.EqualValues(t, 4, batches, "two callers of 6 ms each, the last one alone")
}

// queue lets callers queue, each of which takes so much time, and returns how many batches
// they were.
func queue(t *testing.T, callers int, each time.Duration, options ...sqlite.Option) (batches uint64) {
	synctest.Test(t, func(t *testing.T) {
		db := open(t, "", options...)
		before := db.Stats().Batches
		first := hold(t, db)
		var all sync.WaitGroup
		for i := range callers - 1 {
			all.Go(func() {
				err := inTx(db, func(tx bun.Tx) error {
					time.Sleep(each)
					_, err := tx.Exec(insert, i)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		time.Sleep(each)
		if err := first.Commit(); err != nil {
			t.Error(err)
		}
		all.Wait()
		batches = db.Stats().Batches - before
	})
	return batches
}

func TestCloseSendsAwayWhoWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := open(t, "")
		tx := hold(t, db)
		_, err := tx.Exec(insert, "open")
		require.NoError(t, err)
		waiting := background(func() error { return add(t.Context(), db, "waiting") })
		synctest.Wait()
		require.NoError(t, db.Close())
		require.ErrorIs(t, <-waiting, sqlite.ErrClosed)
		_, err = tx.Exec(insert, "late")
		require.ErrorIs(t, err, sqlite.ErrClosed)
		require.ErrorIs(t, tx.Commit(), sqlite.ErrClosed)
		require.Error(t, add(t.Context(), db, "later"))
		require.NoError(t, db.Close(), "closing twice")

		again := open(t, db.Dir())
		require.Empty(t, names(t, again), "the open transaction was rolled back")
	})
}

func TestCloseCommitsWhatWasReleased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := open(t, "")
		first := hold(t, db)
		released := background(func() error { return add(t.Context(), db, "released") })
		synctest.Wait()
		go inTx(db, func(bun.Tx) error { <-t.Context().Done(); return errors.New("left open") })
		synctest.Wait()
		require.NoError(t, first.Rollback())
		synctest.Wait()
		require.NoError(t, db.Close())
		require.NoError(t, <-released)
		again := open(t, db.Dir())
		require.Equal(t, []string{"released"}, names(t, again))
	})
}

package sqlite_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	modernc "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/gopulp/pulp/sqlite"
)

// The rules of the design, §6, by their letters.

// Rule (a).
func TestCanceledContextNeverInterruptsARunningStatement(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := open(t, "")
		first := hold(t, db)
		other := background(func() error { return add(t.Context(), db, "other") })
		synctest.Wait()

		ctx, cancel := context.WithCancel(t.Context())
		canceling := inStatement(t, func() {
			cancel()
			for range 1000 { // whoever wants to interrupt may do it now
				runtime.Gosched()
			}
		})
		var inStatement, atCommit error
		canceled := background(func() error {
			tx, err := db.Writer().BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			_, inStatement = tx.ExecContext(ctx, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
				INSERT INTO item (name) SELECT 'canceled ' || i FROM n WHERE i <> 10 OR `+canceling)
			atCommit = tx.Commit()
			return nil
		})
		synctest.Wait()
		batches := db.Stats().Batches
		require.NoError(t, first.Commit())
		require.NoError(t, <-canceled)
		require.NoError(t, <-other, "the commit of another caller in the same batch")
		require.NoError(t, inStatement, "the statement ran to its end")
		require.Error(t, atCommit)
		require.Equal(t, []string{"other"}, names(t, db))
		require.EqualValues(t, 1, db.Stats().Batches-batches, "they were in the same batch")
	})
}

// Rule (b).
func TestFullDiskFailsEverybodyInTheBatchAndNobodyElse(t *testing.T) {
	t.Parallel()
	testLostBatch(t, lib.SQLITE_FULL, func(tx bun.Tx) error {
		if _, err := tx.Exec(`PRAGMA max_page_count = 1`); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO item (name) VALUES (zeroblob(1000000))`)
		return err
	})
}

func TestStatementThatRollsBackFailsEverybodyInTheBatchAndNobodyElse(t *testing.T) {
	t.Parallel()
	testLostBatch(t, lib.SQLITE_CONSTRAINT, func(tx bun.Tx) error {
		_, err := tx.Exec(`INSERT OR ROLLBACK INTO item (id, name) VALUES (1, 'a'), (1, 'b')`)
		return err
	})
}

// testLostBatch has three callers in a batch that SQLite rolls back: one was released and
// waits, the next one loses the batch, and the third comes behind.
func testLostBatch(t *testing.T, code int, lose func(bun.Tx) error) {
	synctest.Test(t, func(t *testing.T) {
		db := open(t, "")
		first := hold(t, db)
		released := background(func() error { return add(t.Context(), db, "released") })
		synctest.Wait()
		var again, commit error
		losing := background(func() error {
			tx, err := db.Writer().BeginTx(t.Context(), nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			err = lose(tx)
			_, again = tx.Exec(insert, "again")
			commit = tx.Commit()
			return err
		})
		synctest.Wait()
		behind := background(func() error { return db.Writer().QueryRow(`PRAGMA max_page_count = 1000000`).Err() })
		synctest.Wait()

		require.NoError(t, first.Rollback())
		for _, err := range []error{<-losing, <-released, again, commit} {
			require.ErrorIs(t, err, sqlite.ErrBatchLost)
			var cause *modernc.Error
			require.ErrorAs(t, err, &cause)
			require.Equal(t, code, cause.Code()&0xff)
		}
		require.NoError(t, <-behind, "the next batch")
		require.EqualValues(t, 1, db.Stats().LostBatches)
		require.Empty(t, names(t, db), "nothing was kept, nothing was run again")
		require.NoError(t, add(t.Context(), db, "later"))
		require.Equal(t, []string{"later"}, names(t, db))
	})
}

func TestFailedStatementFailsNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := open(t, "")
		first := hold(t, db)
		_, err := first.Exec(insert, "taken")
		require.NoError(t, err)
		duplicate := background(func() error { return add(t.Context(), db, "taken") })
		synctest.Wait()
		other := background(func() error { return add(t.Context(), db, "other") })
		synctest.Wait()
		require.NoError(t, first.Commit())
		err = <-duplicate
		var cause *modernc.Error
		require.ErrorAs(t, err, &cause)
		require.Equal(t, lib.SQLITE_CONSTRAINT, cause.Code()&0xff)
		require.NotErrorIs(t, err, sqlite.ErrBatchLost)
		require.NoError(t, <-other)
		require.Equal(t, []string{"other", "taken"}, names(t, db))
	})
}

func TestUnmetDeferredKeyFailsItsOwnTransactionAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := open(t, "")
		_, err := db.Writer().Exec(`CREATE TABLE part (item INTEGER REFERENCES item DEFERRABLE INITIALLY DEFERRED)`)
		require.NoError(t, err)
		first := hold(t, db)
		_, err = first.Exec(insert, "first")
		require.NoError(t, err)
		unmet := background(func() error { _, err := db.Writer().Exec(`INSERT INTO part VALUES (4711)`); return err })
		synctest.Wait()
		other := background(func() error { return add(t.Context(), db, "other") })
		synctest.Wait()
		require.NoError(t, first.Commit())
		require.ErrorContains(t, <-unmet, "FOREIGN KEY")
		require.NoError(t, <-other)
		require.Equal(t, []string{"first", "other"}, names(t, db))
	})
}

// Rule (c).
func TestContextThatEndsBeforeReleaseRollsBack(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	tx, err := db.Writer().BeginTx(ctx, nil)
	require.NoError(t, err)
	_, err = tx.Exec(insert, "canceled")
	require.NoError(t, err)
	cancel()
	require.Error(t, tx.Commit())
	require.NoError(t, add(t.Context(), db, "next"))
	require.Equal(t, []string{"next"}, names(t, db))
}

func TestContextThatEndsAfterReleaseChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := open(t, "")
		first := hold(t, db)
		ctx, cancel := context.WithCancel(t.Context())
		released := background(func() error { return add(ctx, db, "released") })
		synctest.Wait()
		turn := make(chan bun.Tx)
		go func() { tx, _ := db.Writer().BeginTx(t.Context(), nil); turn <- tx }()
		synctest.Wait()
		require.NoError(t, first.Rollback())
		second := <-turn // "released" has had its turn now and waits for the batch
		cancel()
		synctest.Wait()
		select {
		case err := <-released:
			t.Fatalf("Commit returned %v before the batch ended", err)
		default:
		}
		require.NoError(t, second.Rollback())
		require.NoError(t, <-released)
		require.Equal(t, []string{"released"}, names(t, db))
	})
}

// Rule (d).
func TestPanicAndGoexitRollBackTheirOwnTransactionAlone(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(){"panic": func() { panic("oops") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := open(t, "")
				first := hold(t, db)
				_, err := first.Exec(insert, "first")
				require.NoError(t, err)
				gone := make(chan any)
				go func() {
					defer func() { gone <- recover() }()
					_ = inTx(db, func(tx bun.Tx) error {
						tx.Exec(insert, "gone")
						leave()
						return nil
					})
				}()
				synctest.Wait()
				other := background(func() error { return add(t.Context(), db, "other") })
				synctest.Wait()
				require.NoError(t, first.Commit())
				<-gone
				require.NoError(t, <-other)
				require.Equal(t, []string{"first", "other"}, names(t, db))
			})
		})
	}
}

// inTx is what an application's own function for transactions may look like.
func inTx(db *sqlite.DB, f func(bun.Tx) error) error {
	tx, err := db.Writer().BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

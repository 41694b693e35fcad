package sqlite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/sqlite"
)

func TestIdleTransactionIsRolledBackAndOthersGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, logger := logged()
		db := open(t, "", sqlite.IdleLimit(time.Second), logger)
		tx := hold(t, db)
		_, err := tx.Exec(insert, "leaked")
		require.NoError(t, err)
		start := time.Now()
		require.NoError(t, add(t.Context(), db, "other"))
		require.Equal(t, time.Second, time.Since(start), "others wait no longer than the limit")
		require.Equal(t, []string{"other"}, names(t, db))

		_, err = tx.Exec(insert, "late")
		require.ErrorIs(t, err, sqlite.ErrTxIdle)
		require.ErrorIs(t, tx.Commit(), sqlite.ErrTxIdle)
		require.Contains(t, log.String(), "sqlite_test.hold", "the caller is logged")
		require.Contains(t, log.String(), "TestIdleTransaction", "and who called it")
		require.NoError(t, add(t.Context(), db, "later"))
		require.Equal(t, []string{"later", "other"}, names(t, db))
	})
}

func TestStatementsKeepATransactionFromBeingIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := open(t, "", sqlite.IdleLimit(time.Second))
		long := inStatement(t, func() { time.Sleep(time.Minute) })
		tx := hold(t, db)
		for i := range 3 {
			_, err := tx.Exec(insert, -i)
			require.NoError(t, err)
			time.Sleep(900 * time.Millisecond)
		}
		_, err := tx.Exec(`INSERT INTO item (name) VALUES (` + long + `)`)
		require.NoError(t, err, "a running statement is not idle")
		time.Sleep(900 * time.Millisecond)
		require.NoError(t, tx.Commit())
		require.Len(t, names(t, db), 4)
	})
}

// Rule (f).
func TestSlowTransactionIsLoggedWithItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, logger := logged()
		db := open(t, "", logger)
		lasting := func(d time.Duration) {
			require.NoError(t, inTx(db, func(bun.Tx) error { time.Sleep(d); return nil }))
		}
		lasting(50 * time.Millisecond)
		require.Empty(t, log.String())
		lasting(51 * time.Millisecond)
		require.Contains(t, log.String(), "slow transaction")
		require.Contains(t, log.String(), "held=51ms")
		require.Contains(t, log.String(), "sqlite_test.inTx")
		require.NotContains(t, log.String(), "database/sql.")
	})
}

func TestSavepointsNestInATransaction(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	ctx := t.Context()
	require.NoError(t, inTx(db, func(tx bun.Tx) error {
		kept, err := tx.BeginTx(ctx, nil)
		require.NoError(t, err)
		_, err = kept.Exec(insert, "kept")
		require.NoError(t, err)
		undone, err := kept.BeginTx(ctx, nil)
		require.NoError(t, err)
		_, err = undone.Exec(insert, "undone")
		require.NoError(t, err)
		require.NoError(t, undone.Rollback())
		require.NoError(t, kept.Commit())
		_, err = tx.Exec(`SAVEPOINT a; INSERT INTO item (name) VALUES ('too'); ROLLBACK TO a; SAVEPOINT b`)
		return err
	}))
	require.Equal(t, []string{"kept"}, names(t, db))
}

func TestStatementsThatWouldEndTheBatchAreRefused(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	for _, text := range []string{
		"BEGIN", "begin immediate", "COMMIT", "commit transaction", "END", "ROLLBACK", "ROLLBACK TRANSACTION",
		"ROLLBACK TRANSACTION x", " \n-- words\n/* more; words */ COMMIT", ";COMMIT", "\ufeffCOMMIT", "EXPLAIN SELECT 1; COMMIT",
		"INSERT INTO item (name) VALUES ('a;b'); COMMIT", `SELECT "a;", [b;], ` + "`c;`" + `; END`,
		"CREATE TRIGGER r AFTER INSERT ON item BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; END; COMMIT",
		`RELEASE "github.com/gopulp/pulp/sqlite"`, `ROLLBACK TO [github.com/gopulp/pulp/sqlite]`,
	} {
		err := inTx(db, func(tx bun.Tx) error {
			_, err := tx.Exec(insert, "undone")
			require.NoError(t, err)
			_, err = tx.Exec(text)
			return err
		})
		require.ErrorIs(t, err, sqlite.ErrTxControl, text)
	}
	require.Empty(t, names(t, db))
}

func TestStatementsThatOnlyLookLikeTheEndOfABatchAreRun(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	for _, text := range []string{
		"SAVEPOINT x; RELEASE x", "SAVEPOINT x; ROLLBACK TRANSACTION TO SAVEPOINT x", "",
		"-- COMMIT;\nSELECT 1 /* ; COMMIT */", "INSERT INTO item (name) VALUES ('; COMMIT; ''; END')",
		"CREATE TEMP TRIGGER r AFTER INSERT ON item BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 2; END; SELECT 1;",
		"EXPLAIN QUERY PLAN SELECT 1; SELECT 1;;", "SELECT 1; -- COMMIT",
	} {
		_, err := db.Writer().Exec(text)
		require.NoError(t, err, text)
	}
}

func TestStatementOutsideATransactionIsOneOfItsOwn(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	ctx := t.Context()
	var id int64
	require.NoError(t, db.Writer().QueryRow(`INSERT INTO item (name) VALUES ('a') RETURNING id`).Scan(&id))
	require.EqualValues(t, 1, id)
	require.Equal(t, []string{"a"}, names(t, db), "committed before the query returned")

	_, err := db.Writer().Exec(`INSERT INTO item (name) VALUES ('b'); INSERT INTO item (name) VALUES ('a')`)
	require.Error(t, err)
	require.Equal(t, []string{"a"}, names(t, db), "a script is undone as a whole")

	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err = db.Writer().ExecContext(ended, insert, "c")
	require.ErrorIs(t, err, context.Canceled)
}

func TestContextThatEndsDuringAStatementOfItsOwnUndoesIt(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	_, err := db.Writer().ExecContext(ctx, `INSERT INTO item (name) VALUES (`+inStatement(t, cancel)+`)`)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, names(t, db))
}

func TestLockOfAnotherProgramIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := open(t, "", sqlite.BusyTimeout(time.Second))
		program, err := sql.Open("sqlite", filepath.Join(db.Dir(), "pulp.db"))
		require.NoError(t, err)
		defer program.Close()
		program.SetMaxOpenConns(1)
		_, err = program.Exec(`BEGIN IMMEDIATE`)
		require.NoError(t, err)

		require.ErrorContains(t, add(t.Context(), db, "too long"), "another process")
		brief, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, add(brief, db, "too brief"), context.DeadlineExceeded)

		patient := background(func() error { return add(t.Context(), db, "patient") })
		synctest.Wait()
		_, err = program.Exec(`COMMIT`)
		require.NoError(t, err)
		require.NoError(t, <-patient)
		require.Equal(t, []string{"patient"}, names(t, db))
	})
}

func TestReaderCannotWriteAndItsContextInterrupts(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	_, err := db.Reader().Exec(insert, "x")
	require.ErrorContains(t, err, "readonly")

	ctx, cancel := context.WithCancel(t.Context())
	text := `WITH RECURSIVE n(i) AS (SELECT ` + inStatement(t, cancel) + ` UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n`
	require.Error(t, db.Reader().QueryRowContext(ctx, text).Scan(new(int)), "it would run for ever")
	require.Empty(t, names(t, db), "the pool goes on")
}

func TestReadTransactionSeesOneState(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	tx, err := db.Reader().BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	require.NoError(t, err)
	defer tx.Rollback()
	seen := func() (n int) {
		require.NoError(t, tx.QueryRow(`SELECT count(*) FROM item`).Scan(&n))
		return n
	}
	require.Zero(t, seen())
	require.NoError(t, add(t.Context(), db, "a"))
	require.Zero(t, seen())
}

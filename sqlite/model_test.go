package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"pgregory.net/rapid"

	"github.com/gopulp/pulp/sqlite"
)

// Callers do random things at once; afterwards the rows must be those of the transactions
// whose Commit returned nil, all of each and nothing else.
func TestRowsAreThoseOfTheTransactionsWhoseCommitSucceeded(t *testing.T) {
	t.Parallel()
	db := open(t, "", sqlite.Synchronous(sqlite.Off), sqlite.Batch(3, 1<<40))
	rapid.Check(t, func(t *rapid.T) {
		_, err := db.Writer().Exec(`DELETE FROM item`)
		require.NoError(t, err)
		plans := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom(moves), 0, 6), 1, 12).Draw(t, "plans")
		kept := make([][]string, len(plans))
		var all sync.WaitGroup
		for caller, plan := range plans {
			all.Go(func() { kept[caller] = perform(db, caller, plan) })
		}
		all.Wait()
		want := slices.Concat(kept...)
		slices.Sort(want)
		require.Equal(t, append([]string{}, want...), found(t, db))
	})
	require.Positive(t, db.Stats().LostBatches, "the test reaches what it is about")
}

// found is names for rapid, which has its own T.
func found(t *rapid.T, db *sqlite.DB) []string {
	got := []string{}
	require.NoError(t, db.Reader().NewSelect().Table("item").Column("name").Order("name").Scan(context.Background(), &got))
	return got
}

// The moves of a caller inside its transaction.
var moves = []string{"insert", "insert", "insert", "again", "savepoint", "read", "cancel", "rollback", "lose", "commit", "panic"}

// perform runs a plan in one transaction and returns the rows that it committed.
func perform(db *sqlite.DB, caller int, plan []string) (kept []string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer func() {
		if recover() != nil {
			kept = nil
		}
	}()
	tx, err := db.Writer().BeginTx(ctx, nil)
	if err != nil {
		return nil
	}
	defer tx.Rollback()
	p := performer{ctx: ctx, cancel: cancel, tx: tx}
	for i, move := range plan {
		p.do(move, fmt.Sprintf("%d/%d", caller, i))
	}
	if !p.committed && tx.Commit() != nil {
		return nil
	}
	return p.rows
}

// A performer is a caller in its transaction.
type performer struct {
	ctx       context.Context
	cancel    func()
	tx        bun.Tx
	rows      []string // that it inserted
	committed bool
}

func (p *performer) do(move, name string) {
	switch move {
	case "insert":
		if _, err := p.tx.ExecContext(p.ctx, insert, name); err == nil {
			p.rows = append(p.rows, name)
		}
	case "again": // an error that only fails its statement
		if len(p.rows) > 0 {
			_, _ = p.tx.ExecContext(p.ctx, insert, p.rows[0])
		}
	case "savepoint":
		_ = undo(p.ctx, p.tx, name)
	case "read":
		_ = p.tx.QueryRowContext(p.ctx, `SELECT count(*) FROM item WHERE name > ?`, name).Scan(new(int))
	case "lose": // an error that rolls back the batch
		_, _ = p.tx.ExecContext(p.ctx, `INSERT OR ROLLBACK INTO item (id) VALUES (1), (1)`)
	case "cancel":
		p.cancel()
	case "commit":
		p.committed = p.committed || p.tx.Commit() == nil
	case "rollback":
		_ = p.tx.Rollback()
	case "panic":
		if !p.committed {
			panic(move)
		}
	}
}

// undo inserts a row in a savepoint and rolls that back.
func undo(ctx context.Context, tx bun.Tx, name string) error {
	inner, err := tx.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer inner.Rollback()
	_, err = inner.ExecContext(ctx, insert, name)
	return err
}

// Whatever text a caller runs, only the engine ends the batch.
func TestNoTextEndsTheBatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, filepath.Join(dir, "x.db"), sqlite.Synchronous(sqlite.Off))
	pieces := rapid.SliceOfN(rapid.SampledFrom([]string{
		";", ";", "COMMIT", "commit", "END", "END", "BEGIN", "ROLLBACK", "TO x", "SAVEPOINT x", "RELEASE x", "/*", "*/", "--", "\n", "'", `"`, "`", "[", "]",
		"SELECT 1", "CASE 1 WHEN 1 THEN 2", "CREATE TEMP", "CREATE", "TRIGGER y AFTER INSERT ON item", "EXPLAIN", "QUERY PLAN", "\ufeff", "\v", "\x00", "x'00'",
	}), 1, 14)
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(pieces.Draw(t, "text"), " ")
		tx, err := db.Writer().BeginTx(context.Background(), nil)
		require.NoError(t, err)
		_, _ = tx.Exec(text)
		require.NoError(t, tx.Commit(), text)
	})
	require.Zero(t, db.Stats().LostBatches)
}

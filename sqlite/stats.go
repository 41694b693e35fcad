package sqlite

import (
	"sync/atomic"

	modernc "modernc.org/sqlite"
)

const dbStatusDeferredKeys = modernc.DBStatusDeferredFKs

// Stats counts what the writer did since Open. It fits expvar:
//
//	expvar.Publish("sqlite", expvar.Func(func() any { return db.Stats() }))
type Stats struct {
	// Transactions is how many transactions were committed. A statement outside of a
	// transaction counts as one.
	Transactions uint64
	// Rollbacks is how many were rolled back: by their callers, by the end of a context, by
	// an error, or because they stayed idle.
	Rollbacks uint64
	// Batches is how many commits that took. Transactions/Batches is what sharing gains.
	Batches uint64
	// LostBatches is how many batches SQLite rolled back as a whole; see [ErrBatchLost].
	LostBatches uint64
}

// Stats returns the counts. They are read one after another, not at one instant.
func (db *DB) Stats() Stats { return db.engine.counts.stats() }

// Commits counts the commits since Open. A commit is counted when readers see it, and before
// those who wait for it are told; so while the count stays the same, a reader sees the same.
// alone is false for a database that is [Shared], whose other processes are not counted.
func (db *DB) Commits() (n uint64, alone bool) {
	return db.engine.counts.batches.Load(), !db.shared
}

type counts struct{ transactions, rollbacks, batches, lost atomic.Uint64 }

func (c *counts) stats() Stats {
	return Stats{
		Transactions: c.transactions.Load(),
		Rollbacks:    c.rollbacks.Load(),
		Batches:      c.batches.Load(),
		LostBatches:  c.lost.Load(),
	}
}

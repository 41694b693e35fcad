// Package sqlite is the storage engine of pulp: one SQLite file with one writer that
// commits in groups, a pool of readers, and migrations.
//
//	db, err := sqlite.Open("/var/lib/pulp")
//	db.Writer().NewInsert().Model(&row).Exec(ctx)
//	db.Reader().NewSelect().Model(&rows).Scan(ctx)
//
// # Group commit
//
// SQLite has one writer at a time, and with full durability each commit waits for the
// disk. So that many callers need not wait one after another, their transactions share a
// commit. Each caller has a database/sql transaction of its own, which is a savepoint of
// the one real transaction, the batch:
//
//	caller A   BeginTx ─ turn ─ BEGIN ─ SAVEPOINT ─ its statements ─ RELEASE ─ waits ───────┐
//	caller B   BeginTx ── waits ────────────────── turn ─ SAVEPOINT ─ … ─ ROLLBACK TO       │
//	caller C   BeginTx ── waits ───────────────────────────── turn ─ SAVEPOINT ─ … ─ RELEASE│─ COMMIT
//	                                                             A and C return ◄───────────┘
//
// The turn goes from caller to caller in the order of their BeginTx. Whoever gives it up
// when nobody waits for it, or when the batch is full, commits the batch on its own
// goroutine; there is no goroutine of the writer, so a caller that is alone pays for none.
//
// # What may be relied on
//
//   - Commit returns nil only when the transaction is on the disk (with [Synchronous] Full,
//     the default), and an error only when nothing of it is.
//   - A transaction sees everything that was committed before its BeginTx returned. It is
//     alone between BeginTx and the end: transactions are serializable.
//   - A transaction that fails, panics, is canceled or leaks touches nobody else's rows. If
//     SQLite itself gives up the real transaction (disk full, I/O error, out of memory),
//     everybody in the batch gets [ErrBatchLost], and the next batch starts afresh.
//   - A context is looked at while waiting for the turn, before each statement and before
//     the release. It never interrupts a running statement of the writer, because SQLite
//     answers that by rolling back the whole batch.
//   - Nothing is run twice.
//
// A transaction keeps everybody else waiting, so it should hold rows to be written, not
// requests to be made; one that takes longer than [SlowLimit] is logged with its caller.
package sqlite

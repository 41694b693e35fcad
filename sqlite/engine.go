package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// The statements of the engine itself. The name of its savepoint is one that nobody uses by
// chance; statements of callers that mention it are refused.
const (
	savepointName = `"github.com/gopulp/pulp/sqlite"`

	beginBatch    = "BEGIN IMMEDIATE"
	commitBatch   = "COMMIT"
	rollbackBatch = "ROLLBACK"
	savepoint     = "SAVEPOINT " + savepointName
	release       = "RELEASE " + savepointName
	rollbackTo    = "ROLLBACK TO " + savepointName
)

// An engine owns the one connection that writes, and the batch that is open on it.
type engine struct {
	config
	file      string
	turn      turn
	door      *door
	listeners listeners
	holder    atomic.Pointer[tx] // the transaction that has the turn, for close to end it
	counts    counts

	// These belong to whoever has the turn.
	link  *link  // nil after a fault that only a new connection mends
	batch *batch // nil between batches
}

// A batch is one real transaction, with everybody who waits for its commit.
type batch struct {
	opened   time.Time
	begun    int           // transactions that had their turn
	released int           // those that wait for the outcome
	done     chan struct{} // closed when err is the outcome
	err      error
}

func newEngine(c config, dir, file string) (*engine, error) {
	e := &engine{config: c, file: file}
	var err error
	if e.door, err = newDoor(dir, c.shared); err != nil {
		return nil, err
	}
	if err = e.connect(context.Background()); err != nil {
		return nil, errors.Join(err, e.door.close())
	}
	return e, nil
}

// What a large file wants of the connection that writes. Keys that are hashes come in no order,
// so that a batch of units changes pages all over its indexes: with SQLite's own cache of 2 MB
// each was read from the file again, and written back several times before its commit. The
// log is copied into the file when it has as many pages, not each 1000, since many were changed
// again by then. Both only take what is used; the driver's allocator needs two bytes for one of
// the cache.
const (
	writerCache     = 32 << 20 // bytes
	checkpointPages = 4000     // 16 MB
)

// connect opens the connection that writes. Its journal_size_limit gives back the disk that
// one large transaction made the log take. At the end the busy timeout becomes 0: the only
// statement of the writer that can meet a lock is BEGIN IMMEDIATE, and the engine itself
// waits for that, because it can look at contexts and at who else waits.
func (e *engine) connect(ctx context.Context) (err error) {
	e.link, err = dial(ctx, e.config, e.file,
		busyTimeout(e.busyTimeout),
		"journal_mode=WAL",
		"synchronous="+string(e.synchronous),
		"foreign_keys=1",
		"temp_store=MEMORY",
		"journal_size_limit=67108864",
		fmt.Sprintf("cache_size=-%d", writerCache>>10),
		fmt.Sprintf("wal_autocheckpoint=%d", checkpointPages),
		busyTimeout(0),
	)
	if err != nil {
		return err
	}
	// Where WAL is impossible, on some network file systems, SQLite stays as it was without
	// an error.
	mode, err := e.link.text("PRAGMA journal_mode")
	if err == nil && mode != "wal" {
		err = fmt.Errorf("this file system allows no write-ahead log (journal_mode is %s)", mode)
	}
	if err != nil {
		err = errors.Join(err, e.link.Close())
		e.link = nil
	}
	return err
}

// open begins a batch if none is open. The caller has the turn.
func (e *engine) open(ctx context.Context) error {
	if e.batch != nil {
		return nil
	}
	if e.link == nil {
		if err := e.connect(ctx); err != nil {
			return err
		}
	}
	if err := e.beginBatch(ctx); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	e.link.rolledBack = false
	e.batch = &batch{opened: time.Now(), done: make(chan struct{})}
	return nil
}

// beginBatch takes SQLite's write lock, for which only other processes can be in the way.
func (e *engine) beginBatch(ctx context.Context) error {
	e.door.letIn(ctx)
	_, err := e.link.exec(context.Background(), beginBatch, nil, true)
	if !busy(err) {
		return err
	}
	defer e.door.leave()
	known := false
	for start := time.Now(); time.Since(start) < e.busyTimeout; {
		if !known {
			if known, err = e.door.knock(); err != nil {
				return err
			}
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
		if _, err = e.link.exec(context.Background(), beginBatch, nil, true); !busy(err) {
			return err
		}
	}
	return fmt.Errorf("%w, since %v: %w", ErrBusy, e.busyTimeout, err)
}

// exec runs a statement in the batch, without any context, and looks at what it did to the
// batch.
func (e *engine) exec(text string, args []driver.NamedValue, keep bool) (driver.Result, error) {
	res, err := e.link.exec(context.Background(), text, args, keep)
	return res, e.verdict(err)
}

// query is exec for a statement that returns rows. They are read to the end: a statement
// left open would keep the snapshot of its batch on the connection, and could not survive a
// rollback.
func (e *engine) query(text string, args []driver.NamedValue, keep bool) (driver.Rows, error) {
	open, err := e.link.query(context.Background(), text, args, keep)
	if err != nil {
		return nil, e.verdict(err)
	}
	rows, err := readAll(open.(rawRows))
	return rows, e.verdict(err)
}

// verdict asks, after a statement, whether the batch is still there. If SQLite has rolled it
// back, everybody in it is told, and the error says so.
func (e *engine) verdict(err error) error {
	if !e.link.rolledBack {
		return err
	}
	if err == nil { // no statement that inspect lets through does this
		err = errors.New("a statement ended the transaction")
	}
	return e.lose(err)
}

// lose ends a batch of which nothing was kept, and returns what everybody in it is told.
func (e *engine) lose(cause error) error {
	err := fmt.Errorf("%w: %w", ErrBatchLost, cause)
	e.counts.lost.Add(1)
	e.end(err)
	return err
}

// end tells everybody who waits for the batch how it went.
func (e *engine) end(err error) {
	b := e.batch
	e.batch = nil
	b.err = err
	close(b.done)
}

// leave gives up the turn. If nobody is there to go on with the batch, or if it is full, the
// batch ends here, on the goroutine of whoever leaves.
func (e *engine) leave() {
	e.holder.Store(nil)
	if e.batch != nil {
		if e.room() && (e.turn.pass() || e.lateComer()) {
			return
		}
		e.finish()
	}
	e.turn.free()
}

// room says whether one more transaction may join the batch.
func (e *engine) room() bool {
	return e.batch.begun < e.batchSize && time.Since(e.batch.opened) < e.batchTime
}

// lateComer lets those goroutines run that are about to ask for the turn, above all the
// callers of the last batch, whom its end has just woken. Measured on two cores, that makes
// a batch of 16 callers hold 15.5 transactions instead of 8.7 (39,000 a second instead of
// 31,000, with FULL), and costs a caller that is alone nothing; yielding more often gains
// nothing more.
func (e *engine) lateComer() bool {
	runtime.Gosched()
	return e.turn.pass()
}

// finish ends the batch: it commits what was released, if anything was.
func (e *engine) finish() {
	if e.batch.released == 0 {
		e.abandon()
		e.end(nil)
		return
	}
	_, err := e.link.exec(context.Background(), commitBatch, nil, true)
	if err != nil {
		e.abandon()
		e.lose(err)
		return
	}
	e.counts.batches.Add(1)
	e.counts.transactions.Add(uint64(e.batch.released))
	e.end(nil)
}

// abandon rolls back whatever is open on the connection. A connection that cannot even do
// that is closed, which rolls back as well, and the next batch gets a new one.
func (e *engine) abandon() {
	if e.link.rolledBack {
		return
	}
	if _, err := e.link.exec(context.Background(), rollbackBatch, nil, true); err != nil {
		e.log.Error("sqlite: rollback failed, taking a new connection", "error", err)
		e.link.Close()
		e.link = nil
	}
}

// alone runs f on the connection outside of any batch.
func (e *engine) alone(ctx context.Context, f func(*link) error) error {
	if err := e.turn.take(ctx); err != nil {
		return err
	}
	defer e.leave()
	if e.batch != nil {
		e.finish()
	}
	if e.link == nil {
		if err := e.connect(ctx); err != nil {
			return err
		}
	}
	return f(e.link)
}

// close ends the engine: whoever waits for the turn is sent away, whoever has it loses it.
func (e *engine) close() error {
	mine := e.turn.close()
	if mine == nil {
		return nil
	}
	if t := e.holder.Load(); t != nil {
		t.end(ErrClosed)
	}
	<-mine
	if e.batch != nil {
		e.finish()
	}
	err := e.door.close()
	if e.link != nil {
		err = errors.Join(err, e.link.Close())
	}
	return err
}

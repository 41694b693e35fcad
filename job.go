package pulp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
)

// An assignment is a task that somebody runs: what its row says, and who runs it.
type assignment struct {
	id        int64
	pulpID    ID
	name      string
	worker    int64
	attempt   int
	reserved  reserved
	createdBy *int64
	cid       string
	sealed    []byte        // arguments as stored
	plain     []byte        // arguments, if they are known already
	timeout   time.Duration // zero means what the type says
}

// A Job is a task while it runs. Its methods may be called by any number of goroutines of the
// handler, until the handler returns.
type Job struct {
	assignment
	app    *App
	ctx    context.Context
	cancel context.CancelCauseFunc
	inTx   atomic.Bool // a transaction is open around the handler

	mu      sync.Mutex
	finish  []func(ctx context.Context, tx bun.Tx) error
	made    []created
	reports []*Progress
	dir     string
	changed atomic.Bool // a report differs from its row
}

// A created names a row that a task made.
type created struct {
	kind string
	id   int64
}

// JobFrom returns the task whose handler ctx belongs to; nil if there is none.
func JobFrom(ctx context.Context) *Job {
	j, _ := ctx.Value(jobKey).(*Job)
	return j
}

// ID returns the task's id.
func (j *Job) ID() ID { return j.pulpID }

// Name returns the name of the task's type.
func (j *Job) Name() string { return j.name }

// App returns the App that runs the task.
func (j *Job) App() *App { return j.app }

// Log returns a logger that names the task and the request that caused it.
func (j *Job) Log() *slog.Logger {
	return j.app.log.With("task", j.pulpID.String(), "type", j.name, "correlation_id", j.cid)
}

// Reserved says whether the task holds the resource of that name (as in the task's
// reserved_resources_record), exclusively if asked so.
func (j *Job) Reserved(name string, exclusive bool) bool {
	var record []string
	if err := json.Unmarshal([]byte(j.reserved.record), &record); err != nil {
		return false
	}
	return slices.Contains(record, name) || !exclusive && slices.Contains(record, sharedPrefix+name)
}

// fence finds a task that is still the one of this attempt.
const fence = `SELECT state FROM task WHERE id = ? AND worker_id = ? AND attempt = ? AND state IN ('running', 'canceling')`

// Tx is [App.Tx] for the writes of a task. Nothing is written once the task has been canceled
// (ErrCanceled) or belongs to somebody else (ErrLost): that is checked in the same transaction.
func (j *Job) Tx(ctx context.Context, f func(ctx context.Context, tx bun.Tx) error) error {
	err := j.fenced(ctx, f, Running)
	for _, cause := range []error{ErrCanceled, ErrLost} {
		if errors.Is(err, context.Canceled) && errors.Is(context.Cause(j.ctx), cause) {
			return cause
		}
	}
	return err
}

// CleanUp is Tx for what must be put in order when the task fails or is canceled: it works
// until the handler returns, also after the task's context has ended. Only ErrLost stops it.
func (j *Job) CleanUp(f func(ctx context.Context, tx bun.Tx) error) error {
	return j.fenced(context.WithoutCancel(j.ctx), f, Running, Canceling)
}

func (j *Job) fenced(ctx context.Context, f func(context.Context, bun.Tx) error, allowed ...State) error {
	if j.inTx.Load() {
		return ErrNestedTx
	}
	if JobFrom(ctx) != j {
		ctx = context.WithValue(ctx, jobKey, j) // what is dispatched in f has j as its parent
	}
	return j.app.inTx(ctx, func(ctx context.Context, s *scope) error {
		state, err := j.state(ctx, s.tx)
		if err != nil {
			return err
		}
		if !slices.Contains(allowed, state) {
			return ErrCanceled
		}
		return f(ctx, s.tx)
	})
}

// state is Running or Canceling, or the error ErrLost.
func (j *Job) state(ctx context.Context, tx bun.Tx) (State, error) {
	if j.disowned() {
		return "", ErrLost
	}
	var state State
	err := tx.Tx.QueryRowContext(ctx, fence, j.id, j.worker, j.attempt).Scan(&state)
	if noRows(err) {
		return "", ErrLost
	}
	if err != nil {
		return "", fmt.Errorf("check who has the task: %w", err)
	}
	return state, nil
}

// disowned says that this process gave the task up, though its row may not say so yet.
func (j *Job) disowned() bool { return errors.Is(context.Cause(j.ctx), ErrLost) }

// OnFinish has f called in the transaction that completes the task, after the handler has
// succeeded: what f writes is there if and only if the task is recorded as completed. Several
// are called in their order. If one fails or panics, the task fails and nothing of them all
// stays. If that transaction cannot be committed (the disk is full), it is tried again with
// all of them, so they should do nothing but write to tx.
func (j *Job) OnFinish(f func(ctx context.Context, tx bun.Tx) error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.finish = append(j.finish, f)
}

// Created notes that the task made a row of a kind's table: "repository", "content", or the path of
// a view set of the host's. The note becomes part of the task's record if the task is completed,
// where clients read it as an href; a kind that is not known, or a row that is not there, reads
// as "<unavailable>". Functions given to OnFinish may call it.
func (j *Job) Created(kind string, id int64) {
	if k := j.app.kind(kind); k != nil {
		kind = k.name
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.made = append(j.made, created{kind, id})
}

// Dir returns a directory for the task's working files, on the disk of the data directory. It
// is made by the first call, and removed with all that is in it when the task has ended or was
// lost. No two attempts have the same.
func (j *Job) Dir() (string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.dir != "" {
		return j.dir, nil
	}
	dir := filepath.Join(workDir(j.app.db), fmt.Sprintf("%d-%s", j.worker, j.pulpID)) // see removeDirs
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make working directory: %w", err)
	}
	j.dir = dir
	return dir, nil
}

// workDir is where the tasks' working directories are.
func workDir(db Database) string { return filepath.Join(db.Dir(), "tasks") }

func (j *Job) removeDir() {
	j.mu.Lock()
	dir := j.dir
	j.mu.Unlock()
	if dir == "" {
		return
	}
	if err := os.RemoveAll(dir); err != nil {
		j.Log().Warn("cannot remove the working directory of a task; it is tried again later", "error", err)
	}
}

// removeDirs removes the working directories of lost tasks from among those of other processes.
// (If there are no others, the next Open does.) The name of one begins with its worker, which was
// enrolled before it was made.
func (a *App) removeDirs(ctx context.Context) error {
	if !a.db.Shared() {
		return nil
	}
	dirs, err := os.ReadDir(workDir(a.db))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("find working directories of lost tasks: %w", err)
	}
	for _, dir := range dirs {
		name, _, _ := strings.Cut(dir.Name(), "-")
		worker, _ := strconv.ParseInt(name, 10, 64) // no worker is 0
		there, err := a.isEnrolled(ctx, a.db.Reader().DB, worker)
		if err == nil && !there {
			err = os.RemoveAll(filepath.Join(workDir(a.db), dir.Name()))
		}
		if err != nil {
			return fmt.Errorf("remove working directory of a lost task: %w", err)
		}
	}
	return nil
}

// restore returns a function that takes back what is noted from now on, for a transaction
// that is tried again.
func (j *Job) restore() func() {
	j.mu.Lock()
	defer j.mu.Unlock()
	finish, made, reports := len(j.finish), len(j.made), len(j.reports)
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.finish, j.made, j.reports = j.finish[:finish], j.made[:made], j.reports[:reports]
	}
}

// hasFinish says whether there is something to run in the finishing transaction.
func (j *Job) hasFinish() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.finish) > 0
}

const insertCreated = `INSERT INTO created_resource (task_id, position, kind, object_id) VALUES (?, ?, ?, ?)`

// writeRest writes what belongs to the record of a task beside its row, when it has ended.
func (j *Job) writeRest(ctx context.Context, tx bun.Tx, end State) error {
	j.app.at("end recorded")
	if err := j.closeProgress(ctx, tx, end); err != nil {
		return err
	}
	if end != Completed {
		return nil
	}
	for i, c := range j.made {
		if _, err := tx.Tx.ExecContext(ctx, insertCreated, j.id, i, c.kind, c.id); err != nil {
			return fmt.Errorf("record created resource: %w", err)
		}
	}
	return nil
}

// exec runs one statement in a transaction of the task, and returns how many rows it changed.
func (j *Job) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		res, err := tx.Tx.ExecContext(ctx, query, args...)
		if err == nil {
			n, err = res.RowsAffected()
		}
		return err
	})
	return n, err
}

package pulp

import (
	"context"
	"errors"
	"sync"
)

// errShutdown is the cause of a task's context that ends because its process shuts down.
var errShutdown = errors.New("worker shuts down")

// A pool is the workers of one process: so many slots, each of which runs one task at a time.
// A slot that has nothing to do has no goroutine.
//
// No task is left lying while a slot is free. A task gets onto the ready list in a transaction,
// which first clears queue.empty, and is followed by wake after its commit. If wake finds a
// free slot, that slot looks at the list. If not, all slots are in use, and each of them, before
// it becomes free, does one of two things: it looks at the list in a transaction, and sees
// either the task or a state before it; or it finds queue.empty cleared in give, and then looks.
// Only who finds the list empty in a transaction sets queue.empty, so a slot can become free
// unseen by wake only if it looked at a state before the task was there; but then it looked
// before wake, and wake finds it free or about to be, in give, which holds the same lock. Even
// if all of this failed, or a wake-up were lost on its way, the sweep finds the task.
type pool struct {
	app   *App
	slots int

	mu   sync.Mutex
	here *here         // of a pool whose tasks run on the goroutines that bring them; else nil
	all  int           // how many slots there are: slots, or one for here
	open bool          // tasks are claimed
	over bool          // Run has given up on what is left; nothing starts any more
	free int           // slots that nobody has; below zero: so many too many are in use
	idle chan struct{} // closed when all slots are free and the pool is not open

	endings  endings
	running  sync.WaitGroup // the goroutines of serve
	worker   int64          // the row of this process in the table of workers; 0 while it has none, and claims nothing
	ctx      context.Context
	cancel   context.CancelCauseFunc // cancels all tasks
	last     context.Context         // ends when tasks that do not stop are given up
	giveUp   context.CancelFunc      // ends last
	progress chan struct{}           // a report changed
	lost     chan struct{}           // tasks of other processes were lost
	due      chan struct{}           // the next time at which something is due may have changed
}

func newPool(a *App, slots int) *pool {
	return &pool{app: a, slots: slots, all: slots, free: slots, progress: make(chan struct{}, 1), due: make(chan struct{}, 1), lost: make(chan struct{}, 1)}
}

// begin opens the pool for the worker of that row. It reports false if the pool is open.
func (p *pool) begin(ctx context.Context, worker int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open || p.free < p.all {
		return false
	}
	p.all, p.free, p.here = p.slots, p.slots, nil
	p.start(ctx, worker)
	return true
}

// start opens the pool; the caller holds the lock.
func (p *pool) start(ctx context.Context, worker int64) {
	p.ctx, p.cancel = context.WithCancelCause(context.WithoutCancel(p.app.With(ctx)))
	p.last, p.giveUp = context.WithCancel(context.WithoutCancel(p.ctx))
	p.open, p.over, p.worker, p.idle = true, false, worker, make(chan struct{})
}

// stop ends the claiming, and returns a channel that is closed when nothing runs any more.
func (p *pool) stop() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = false
	p.checkIdle()
	return p.idle
}

// end gives up what still runs, and waits for the pool's own goroutines. It returns how many
// slots were in use. One that is held by an open transaction comes back with its end; until
// then the pool cannot begin again.
func (p *pool) end() (left int) {
	p.mu.Lock()
	p.over = true
	left = p.all - p.free
	p.mu.Unlock()
	p.giveUp()
	p.running.Wait()
	return left
}

func (p *pool) checkIdle() {
	if !p.open && p.free == p.all && p.idle != nil {
		select {
		case <-p.idle:
		default:
			close(p.idle)
		}
	}
}

// take takes a free slot. It is called in the transaction that claims a task for it, or to
// look for one; the slot goes back with give, or with the task to start.
func (p *pool) take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.claims() || p.free <= 0 {
		return false
	}
	p.free--
	return true
}

// takeExtra takes a slot even if none is free. The first slot whose task ends then makes up
// for it: it takes no further one.
func (p *pool) takeExtra() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.claims() {
		return false
	}
	p.free--
	return true
}

// give makes a slot free, or has it look for a task if there may be one.
func (p *pool) give() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.claims() && p.free >= 0 && !p.app.ready.seemsEmpty() && (p.here == nil || p.here.busy) {
		p.takeUp(nil)
		return
	}
	p.release()
}

func (p *pool) release() {
	p.free++
	p.checkIdle()
}

// wake has a free slot look for a task. If it finds one, it wakes the next.
func (p *pool) wake() {
	if p.take() {
		p.launch(nil)
	}
}

// launch runs a task in a slot that the caller has taken; nil means to look for one.
func (p *pool) launch(j *Job) {
	defer p.runHere() // when the lock is open again
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		if j != nil {
			j.forget() // its row says running; the sweep of the next start calls it lost
		}
		p.release()
		return
	}
	p.takeUp(j)
}

// takeUp has a goroutine serve in a slot that the caller has taken; the caller holds the lock.
func (p *pool) takeUp(j *Job) {
	if p.here != nil {
		p.here.queue = append(p.here.queue, j)
		return
	}
	p.running.Go(func() { p.serve(j) })
}

// startAfter has j run in a slot that the caller has taken, once s has committed.
func (p *pool) startAfter(s *scope, j *Job) {
	s.onRollback(p.give)
	s.onRollback(j.forget)
	s.onCommit(func() { p.launch(j) })
}

// accepts says whether a slot in use may go on to another task.
func (p *pool) accepts() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.claims() && p.free >= 0
}

// claims says whether tasks are claimed. The caller has the lock.
func (p *pool) claims() bool { return p.open && p.worker != 0 }

// enrolled is the row of this process in the table of workers; 0 if it has none.
func (p *pool) enrolled() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.worker
}

// enroll gives the pool another row.
func (p *pool) enroll(worker int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.worker = worker
}

// dismiss takes a row from the pool. It reports false if the pool does not have it (any more).
func (p *pool) dismiss(worker int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if worker == 0 || p.worker != worker {
		return false
	}
	p.worker = 0
	return true
}

// serve is the life of a slot in use: one task after the other, until there is none.
func (p *pool) serve(j *Job) {
	if j == nil {
		j = p.next()
	}
	for j != nil {
		p.note(j)
		j = p.finish(j, p.perform(j))
	}
	p.give()
}

// look has the workers look for tasks, and for what is due.
func (p *pool) look() {
	p.wake()
	p.rearm()
}

// mend says that tasks of other processes were lost.
func (p *pool) mend() {
	select {
	case p.lost <- struct{}{}:
	default:
	}
}

// rearm says that the next time at which something is due may have changed.
func (p *pool) rearm() {
	select {
	case p.due <- struct{}{}:
	default:
	}
}

// progressed says that a report of a running task changed.
func (p *pool) progressed() {
	select {
	case p.progress <- struct{}{}:
	default:
	}
}

// newJob makes the job of a task that is claimed for this pool.
func (p *pool) newJob(as assignment) *Job {
	j := &Job{assignment: as, app: p.app}
	ctx := WithCaller(p.ctx, Caller{AccountID: as.createdBy, CorrelationID: as.cid})
	ctx, j.cancel = context.WithCancelCause(ctx)
	j.ctx = context.WithValue(ctx, jobKey, j)
	p.app.live.add(j)
	return j
}

// forget ends what this process knows of the task.
func (j *Job) forget() {
	j.app.live.remove(j)
	j.cancel(nil)
}

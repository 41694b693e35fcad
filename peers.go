package pulp

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	otherWorkers = `SELECT id, name, last_heartbeat, lease FROM worker WHERE id <> ?`
	// canceledElsewhere are tasks of a worker of this process that somebody canceled.
	canceledElsewhere = `SELECT id, attempt FROM task WHERE worker_id = ? AND state IN ('running', 'canceling') AND state = 'canceling'`
	// anyNews says whether there are tasks that were lost, and tasks that are ready.
	anyNews = `SELECT EXISTS (SELECT 1 FROM task t WHERE t.state IN ('running', 'canceling')
  AND NOT EXISTS (SELECT 1 FROM worker w WHERE w.id = t.worker_id)), EXISTS (SELECT 1 FROM goqite WHERE queue = '` + queueName + `')`
)

// A peer is the row of another process.
type peer struct {
	id        int64
	name      string
	heartbeat Time
	lease     time.Duration
}

// A judge decides which other processes are dead: those whose heartbeat it saw unchanged for the
// term of their lease, by its own clock alone. What it counts is only the time in which it could
// itself write: if it could not, because it was stopped or somebody held the lock, the others
// could not either or had no need to, and get a whole term from then on.
//
// It is used by one goroutine.
type judge struct {
	term  time.Duration // of the own lease
	last  time.Time     // the own heartbeat that was written last; zero before the first
	sight map[int64]sighting
}

// A sighting is a heartbeat, and when it was first seen.
type sighting struct {
	heartbeat Time
	since     time.Time
}

// dead returns those of all peers whose leases are over. now is the time of a heartbeat of its
// own that is being written.
func (g *judge) dead(now time.Time, peers []peer) (dead []peer) {
	blocked := g.last.IsZero() || now.Sub(g.last) > g.term/2
	sight := make(map[int64]sighting, len(peers))
	for _, p := range peers {
		s, known := g.sight[p.id]
		if !known || blocked || s.heartbeat != p.heartbeat {
			s = sighting{p.heartbeat, now}
		}
		sight[p.id] = s
		if now.Sub(s.since) >= p.lease {
			dead = append(dead, p)
		}
	}
	g.sight = sight
	return dead
}

// beaten says that the heartbeat of that time was committed.
func (g *judge) beaten(at time.Time) { g.last = at }

// expel deletes the rows of dead processes. That decides that their tasks are lost; who sees
// that, ends them.
func (a *App) expel(ctx context.Context, s *scope, self int64, now time.Time) error {
	peers, err := readPeers(ctx, s, self)
	if err != nil {
		return fmt.Errorf("read workers: %w", err)
	}
	for _, p := range a.lease.judge.dead(now, peers) {
		a.log.Warn("a process gave no sign of life for longer than its lease; its tasks are lost", "worker", p.name, "lease", p.lease)
		if _, err := s.tx.Tx.ExecContext(ctx, deleteWorker, p.id); err != nil {
			return fmt.Errorf("expel worker: %w", err)
		}
	}
	return nil
}

func readPeers(ctx context.Context, s *scope, self int64) (peers []peer, err error) {
	rows, err := s.tx.Tx.QueryContext(ctx, otherWorkers, self)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p peer
		var micros int64
		if err := rows.Scan(&p.id, &p.name, &p.heartbeat, &micros); err != nil {
			return nil, err
		}
		p.lease = time.Duration(micros) * time.Microsecond
		peers = append(peers, p)
	}
	return peers, rows.Err()
}

// attend looks, after each commit, for what other processes did that concerns this one, until
// ctx ends. It only reads, so that nobody who holds the lock keeps it waiting.
func (a *App) attend(ctx context.Context) {
	for {
		changed := a.commits.next()
		if err := a.lookAround(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("cannot look what other processes did; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

func (a *App) lookAround(ctx context.Context) error {
	if worker := a.pool.enrolled(); worker != 0 {
		at := a.clock()
		there, err := a.isEnrolled(ctx, a.db.Reader().DB, worker)
		if err != nil {
			return err
		}
		if there {
			a.lease.saw(at)
		} else {
			a.disown(worker)
		}
		if err := a.heedCanceled(ctx, worker); err != nil {
			return err
		}
	}
	var lost, ready bool
	if err := a.db.Reader().DB.QueryRowContext(ctx, anyNews).Scan(&lost, &ready); err != nil {
		return err
	}
	if lost {
		a.pool.mend()
	}
	if ready {
		a.ready.doubt()
		a.pool.wake()
	}
	a.pool.rearm()
	return nil
}

// heedCanceled ends the contexts of tasks that another process canceled.
func (a *App) heedCanceled(ctx context.Context, worker int64) error {
	return a.eachRow(ctx, canceledElsewhere, []any{worker}, func(scan func(...any) error) error {
		var task int64
		var attempt int
		if err := scan(&task, &attempt); err != nil {
			return err
		}
		if j := a.live.job(task); j != nil && j.worker == worker && j.attempt == attempt {
			j.cancel(ErrCanceled)
		}
		return nil
	})
}

// elsewhere returns a channel that is closed when another process may have committed; nil if
// there are no others.
func (a *App) elsewhere() <-chan struct{} {
	if !a.db.Shared() {
		return nil
	}
	return a.commits.next()
}

// listen has the bell rung after commits, if other processes may make some.
func (a *App) listen() {
	if a.db.Shared() {
		a.unlistenPeers = a.db.Listen(func(channel string) {
			if channel == "" {
				a.commits.ring()
			}
		})
	}
}

// A bell rings for all who wait at that moment. The zero bell is ready.
type bell struct {
	mu   sync.Mutex
	rung chan struct{}
}

// next returns a channel that is closed when the bell rings the next time.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung == nil {
		b.rung = make(chan struct{})
	}
	return b.rung
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung != nil {
		close(b.rung)
		b.rung = nil
	}
}

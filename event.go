package pulp

import (
	"context"
	"iter"
	"sync"
	"time"
)

// An Event tells that a task changed, or how far it is.
type Event struct {
	Task  ID
	Name  string // of the task's type
	State State  // in which the task is now
	At    Time
	// Progress are the reports of a task that runs; nil in events that tell a new state.
	Progress []ProgressReport
	// Missed is how many events are missing before the next one, because they came faster than
	// they were read. All other fields are then zero.
	Missed int
}

// An EventFilter says which events are wanted. The zero value means all.
type EventFilter struct {
	// Task is the only task whose events are wanted. Zero means any.
	Task ID
	// Name is the only type of which tasks are wanted. Empty means any.
	Name string
	// Buffer is how many events are kept for a reader that is slow. Zero means 256.
	Buffer int
}

func (f EventFilter) wants(e Event) bool {
	return (f.Task == ID{} || f.Task == e.Task) && (f.Name == "" || f.Name == e.Name)
}

// Events yields what happens to tasks from now on, as long as ctx lasts and the App is open:
// each change of state after its commit, in the order of the commits, and the progress of tasks
// that run in this process about twice a second. It may be ranged over once. Events that are
// not read in time are dropped, which an event with Missed then tells: look at the tasks anew.
// The engine never waits for a reader.
//
// Of processes that share a database, each tells what it did itself, to whichever task: that
// another one runs a task is not told. To wait for the end of one task, use [Ticket.Wait].
//
// That a task was dispatched in a transaction that the App does not see end, or in a savepoint
// of the caller's, is not told; what happens to it later is.
func (a *App) Events(ctx context.Context, filter EventFilter) iter.Seq[Event] {
	sub := a.events.subscribe(filter)
	stop := context.AfterFunc(ctx, func() { a.events.leave(sub) })
	return func(yield func(Event) bool) {
		defer a.events.leave(sub)
		defer stop()
		for {
			for _, e := range a.events.take(sub) {
				if ctx.Err() != nil || !yield(e) {
					return
				}
			}
			select {
			case <-sub.news:
			case <-sub.gone:
				return
			case <-a.waiters.closed:
				return
			}
		}
	}
}

// A subscriber is somebody who reads events.
type subscriber struct {
	filter EventFilter
	news   chan struct{} // there is something to take
	queue  []Event       // guarded by the board's lock
	missed int
	gone   chan struct{} // closed when it reads no more
}

// A board passes events on to subscribers. Transactions draw their turns while they have the
// writer, so that the order of turns is that of commits, and publish when they are over.
type board struct {
	mu     sync.Mutex
	drawn  uint64
	next   uint64             // the turn that is published next
	parked map[uint64][]Event // those that were over before it
	subs   map[*subscriber]struct{}
}

func newBoard() *board {
	return &board{parked: map[uint64][]Event{}, subs: map[*subscriber]struct{}{}}
}

func (b *board) subscribe(f EventFilter) *subscriber {
	if f.Buffer == 0 {
		f.Buffer = 256
	}
	s := &subscriber{filter: f, news: make(chan struct{}, 1), gone: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs[s] = struct{}{}
	return s
}

func (b *board) leave(s *subscriber) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, there := b.subs[s]; there {
		delete(b.subs, s)
		close(s.gone)
	}
}

// take returns what there is for a subscriber. That it missed some comes last: they are newer.
func (b *board) take(s *subscriber) []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := s.queue
	if s.missed > 0 {
		out = append(out, Event{Missed: s.missed})
	}
	s.queue, s.missed = nil, 0
	return out
}

// draw is called by a transaction before its end, and must be followed by publish.
func (b *board) draw() (turn uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	turn = b.drawn
	b.drawn++
	return turn
}

// publish passes on the events of a turn, when those of all turns before it have been.
func (b *board) publish(turn uint64, events []Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.parked[turn] = events
	for {
		events, over := b.parked[b.next]
		if !over {
			return
		}
		delete(b.parked, b.next)
		b.next++
		for s := range b.subs {
			s.offer(events)
		}
	}
}

// offer puts what is wanted into the queue of a subscriber, as far as there is room.
func (s *subscriber) offer(events []Event) {
	for _, e := range events {
		switch {
		case !s.filter.wants(e):
			continue
		case s.missed > 0 || len(s.queue) >= s.filter.Buffer:
			s.missed++
		default:
			s.queue = append(s.queue, e)
		}
		select {
		case s.news <- struct{}{}:
		default:
		}
	}
}

// tell has an event published if the transaction commits. A nil scope is one whose end nobody
// sees.
func (s *scope) tell(task ID, name string, state State) {
	s.publish(Event{Task: task, Name: name, State: state})
}

func (s *scope) publish(e Event) {
	if s == nil {
		return
	}
	if !s.drawn {
		s.turn, s.drawn = s.app.events.draw(), true
	}
	e.At = s.app.now()
	s.events = append(s.events, e)
}

// tellEvents publishes what was told; nil after a rollback.
func (s *scope) tellEvents(events []Event) {
	if s.drawn {
		s.app.events.publish(s.turn, events)
	}
}

// keepAliveEvery is how often a stream without events shows that it is alive.
const keepAliveEvery = 15 * time.Second

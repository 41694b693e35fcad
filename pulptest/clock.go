package pulptest

import (
	"slices"
	"sync"
	"time"

	"github.com/gopulp/pulp"
)

// A Clock is a [pulp.Clock] that stands still until the test moves it. Several Apps may share
// one. What an App does by it happens without waiting: tasks that are held back become due,
// schedules dispatch, failed tasks are tried again, workers beat, timeouts end contexts, old
// records are forgotten. What waits for machines, a network or a disk, keeps to real time.
type Clock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*timer
}

var _ pulp.Clock = (*Clock)(nil)

type timer struct {
	at time.Time
	f  func()
}

// NewClock makes a clock that stands at the beginning of the year 2030, UTC.
func NewClock() *Clock { return &Clock{now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)} }

// Now is where the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// At has f called when the clock is moved to t or beyond, or at once if it is there.
func (c *Clock) At(t time.Time, f func()) (stop func()) {
	it := &timer{t, f}
	if !c.keep(it) {
		f()
		return func() {}
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.timers = slices.DeleteFunc(c.timers, func(other *timer) bool { return other == it })
	}
}

// keep keeps what is not due yet.
func (c *Clock) keep(it *timer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	later := it.at.After(c.now)
	if later {
		c.timers = append(c.timers, it)
	}
	return later
}

// Advance moves the clock forward, at one stroke, and wakes who waits for a time up to then, in
// the order of these times. [App.Advance] also lets the App do what is due.
func (c *Clock) Advance(d time.Duration) { c.Set(c.Now().Add(d)) }

// Set moves the clock to t, also back.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	c.now = t
	var due []*timer
	c.timers = slices.DeleteFunc(c.timers, func(it *timer) bool {
		if it.at.After(t) {
			return false
		}
		due = append(due, it)
		return true
	})
	c.mu.Unlock()
	slices.SortStableFunc(due, func(x, y *timer) int { return x.at.Compare(y.at) })
	for _, it := range due {
		it.f()
	}
}

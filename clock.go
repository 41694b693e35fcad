package pulp

import (
	"context"
	"time"
)

// A Clock tells an App the time, and when something is due. Package pulptest has one that stands
// still until a test moves it.
type Clock interface {
	// Now is the present time.
	Now() time.Time
	// At has f called once it is t, or at once if t is over, unless stop is called before. f may
	// be called by any goroutine, also before At has returned; it does not block.
	At(t time.Time, f func()) (stop func())
}

// wallClock is the clock of the system.
type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

// At never calls f sooner than in a millisecond: something that stays due must not keep a
// processor busy.
func (wallClock) At(t time.Time, f func()) (stop func()) {
	timer := time.AfterFunc(max(time.Until(t), time.Millisecond), f)
	return func() { timer.Stop() }
}

// An alarm goes off when the next thing is due.
type alarm struct {
	clock Clock
	rings chan struct{}
	next  time.Time // zero: nothing
	stop  func()
}

func newAlarm(c Clock) *alarm {
	return &alarm{clock: c, rings: make(chan struct{}, 1), stop: func() {}}
}

// set says that something is due at t.
func (l *alarm) set(t time.Time) {
	if l.next.IsZero() || t.Before(l.next) {
		l.next = t
	}
}

// arm has the alarm go off at the earliest of the times that were set since the last call.
func (l *alarm) arm() {
	if l.stop(); !l.next.IsZero() {
		l.stop = l.clock.At(l.next, l.ring)
	}
	l.next = time.Time{}
}

// in has the alarm go off after a pause.
func (l *alarm) in(pause time.Duration) {
	l.set(l.clock.Now().Add(pause))
	l.arm()
}

func (l *alarm) ring() {
	select {
	case l.rings <- struct{}{}:
	default:
	}
}

// rounds are what [App.Run] does from time to time.
type rounds struct{ beat, sweep, due *alarm }

// newRounds sets the alarms before anybody is told that the App runs: who moves the clock then
// finds them.
func (a *App) newRounds() *rounds {
	r := &rounds{newAlarm(a.cfg.Clock), newAlarm(a.cfg.Clock), newAlarm(a.cfg.Clock)}
	r.beat.in(a.cfg.Lease / 3)
	r.sweep.in(sweepEvery)
	return r
}

func (r *rounds) stop() {
	r.beat.stop()
	r.sweep.stop()
	r.due.stop()
}

// timeout is context.WithTimeoutCause by the App's clock.
func (a *App) timeout(ctx context.Context, limit time.Duration, cause error) (context.Context, context.CancelFunc) {
	if _, wall := a.cfg.Clock.(wallClock); wall {
		return context.WithTimeoutCause(ctx, limit, cause)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := a.cfg.Clock.At(a.clock().Add(limit), func() { cancel(cause) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

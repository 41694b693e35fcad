package pulp

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A DispatchOption says something about one task that its type does not say: a [Reservation],
// a [Limit], or one of [Priority], [At], [After], [Unique], [Timeout], [AtOnce],
// [NotDeferred], [Group] and [Parent].
type DispatchOption interface{ apply(d *dispatch) }

// An option is a DispatchOption that is a function.
type option func(d *dispatch)

func (o option) apply(d *dispatch) { o(d) }

// Priority says which of the tasks that may run starts first when workers are scarce: the one
// of the highest number, else the oldest. Tasks have 0 if nothing is said. It never overtakes a
// reservation: among tasks that want the same resource the order of dispatch holds.
func Priority(n int) DispatchOption { return option(func(d *dispatch) { d.priority = n }) }

// At holds a task back until t. Until then it reserves nothing and blocks nobody; at t it
// takes its place in the line of each of its resources, behind those who are there. A t that
// is over means at once.
func At(t time.Time) DispatchOption { return option(func(d *dispatch) { d.at = t }) }

// After is [At], so long after the dispatch.
func After(pause time.Duration) DispatchOption {
	return option(func(d *dispatch) { d.at = d.app.clock().Add(pause) })
}

// Unique makes the dispatch come to nothing if a task of the same type and key has not
// finished yet: the [Ticket] is that task's, whose arguments and options stay as they are.
// See [Ticket.Existed]. An empty key says nothing.
func Unique(key string) DispatchOption { return option(func(d *dispatch) { d.unique = key }) }

// Timeout replaces the type's [Task.Timeout] for one task. Zero leaves it.
func Timeout(limit time.Duration) DispatchOption {
	return option(func(d *dispatch) { d.timeout = limit })
}

// immediateTimeout is how long an immediate task may take if nobody says.
const immediateTimeout = 5 * time.Second

// AtOnce has the task start right after the commit even if all workers of the process are
// busy. If it is blocked, or no worker runs in this process, or the transaction is none of
// [App.Tx], it waits like any other. It may take 5 seconds unless [Timeout] or its type say
// otherwise. RunTx tasks are immediate anyway.
func AtOnce() DispatchOption { return option(func(d *dispatch) { d.immediate = true }) }

// NotDeferred is [AtOnce] for a task that is of no use later: if it cannot start at once,
// it is recorded as canceled, with the reason "Resources temporarily unavailable.".
func NotDeferred() DispatchOption {
	return option(func(d *dispatch) { d.immediate, d.notDeferred = true, true })
}

// reasonBusy is why a task that may not wait was canceled.
const reasonBusy = "Resources temporarily unavailable."

// Parent makes a task a child of the one of that id, whose record lists it; if there is none, the
// dispatch fails with ErrNotFound. Without it, what is dispatched with the context of a handler
// is a child of that handler's task. The zero ID makes the task nobody's child.
func Parent(id ID) DispatchOption { return option(func(d *dispatch) { d.under = &id }) }

// findParent settles whose child the task is.
func (d *dispatch) findParent(ctx context.Context, handler *Job) error {
	switch {
	case d.under == nil && handler != nil && handler.app == d.app:
		d.parent = &handler.id
	case d.under != nil && *d.under != (ID{}):
		d.parent = new(int64)
		err := d.tx.Tx.QueryRowContext(ctx, findTaskID, *d.under).Scan(d.parent)
		if noRows(err) {
			err = ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("parent task %s: %w", *d.under, err)
		}
	}
	return nil
}

// check refuses options that contradict each other, and settles what follows from several.
func (d *dispatch) check() error {
	if d.notDeferred && !d.at.IsZero() {
		return errors.New("a task that is not deferred cannot be held back")
	}
	if d.timeout < 0 {
		return fmt.Errorf("the timeout %s is negative", d.timeout)
	}
	if d.immediate && d.typ.runTx == nil && d.timeout == 0 && d.typ.timeout == 0 {
		d.timeout = immediateTimeout
	}
	if !d.at.After(d.app.clock()) {
		d.at = time.Time{}
	}
	return checkLimits(d.limits)
}

// held says that the task is to be held back.
func (d *dispatch) held() bool { return !d.at.IsZero() }

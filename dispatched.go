package pulp

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// A Dispatched is a task as its dispatch recorded it, and where it is now.
type Dispatched[A any] struct {
	ID    ID
	Args  A
	State State
	// Error is why a task failed: a *TaskError; nil for all others.
	Error error
	// Reserved names the resources, as clients read them in reserved_resources_record.
	Reserved []string
	// Limits are those of the type and of the dispatch.
	Limits []Limit
	// Priority is 0 if nothing was said.
	Priority int
	// At is until when the task is held back; zero if it is not, or not any more.
	At time.Time
	// Unique is the key of [Unique].
	Unique string
	// Timeout is that of the dispatch; zero if it is the type's.
	Timeout time.Duration
	// Group and Parent are zero if there is none, or none any more.
	Group, Parent ID
}

const dispatchedSQL = `SELECT t.pulp_id, t.args, t.state, t.error, t.record, t.limits, t.priority, ifnull(t.run_at, 0), ifnull(t.unique_key, ''),
  ifnull(t.timeout, 0), g.pulp_id, p.pulp_id FROM task t LEFT JOIN task_group g ON g.id = t.group_id LEFT JOIN task p ON p.id = t.parent_id
WHERE t.name = ? ORDER BY t.id`

// Dispatched returns all tasks of the type that db sees, the oldest first: in a transaction also
// those that were dispatched in it. With options it returns those that were dispatched with all
// of them; [AtOnce] and [NotDeferred], which leave no trace, say nothing, and [After] counts from
// now. ctx must carry the App, as for Dispatch. It reads every record of the type, so it is for
// tests and for small tools.
func (t *Task[A, R]) Dispatched(ctx context.Context, db bun.IDB, opts ...DispatchOption) ([]Dispatched[A], error) {
	a := FromContext(ctx)
	if a == nil {
		return nil, fmt.Errorf("read tasks %s: %w", t.Name, ErrNoApp)
	}
	want := &dispatch{app: a}
	for _, o := range opts {
		o.apply(want)
	}
	claims, err := a.claims(ctx, db, want.reservations)
	if err != nil {
		return nil, fmt.Errorf("read tasks %s: %w", t.Name, err)
	}
	var out []Dispatched[A]
	err = eachOf(ctx, db, dispatchedSQL, []any{t.Name}, func(scan func(...any) error) error {
		d, err := readDispatched[A](a, scan)
		if err == nil && d.was(want, claims) {
			out = append(out, d)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read tasks %s: %w", t.Name, err)
	}
	return out, nil
}

func readDispatched[A any](a *App, scan func(...any) error) (d Dispatched[A], err error) {
	var sealed, failure []byte
	var record, limits string
	var at Time
	var micros int64
	var group, parent *ID
	err = scan(&d.ID, &sealed, &d.State, &failure, &record, &limits, &d.Priority, &at, &d.Unique, &micros, &group, &parent)
	if err != nil {
		return d, err
	}
	plain, err := a.box.Unseal(sealed)
	if err == nil {
		err = json.Unmarshal(plain, &d.Args)
	}
	if err != nil {
		return d, fmt.Errorf("arguments of task %s: %w", d.ID, err)
	}
	if err := json.Unmarshal([]byte(record), &d.Reserved); err != nil {
		return d, err
	}
	records, err := limitRecords(limits)
	for _, l := range records {
		d.Limits = append(d.Limits, Limit{Key: l.key, N: l.n})
	}
	if d.State == Failed {
		d.Error = outcome{state: Failed, err: failure}.error()
	}
	if at != 0 {
		d.At = at.Time()
	}
	d.Timeout = time.Duration(micros) * time.Microsecond
	d.Group, d.Parent = *cmp.Or(group, &ID{}), *cmp.Or(parent, &ID{})
	return d, err
}

// was says whether a task was dispatched with all that is wanted.
func (d *Dispatched[A]) was(want *dispatch, claims []claim) bool {
	for _, c := range claims {
		name := c.name
		if c.shared {
			name = sharedPrefix + name
		}
		if !slices.Contains(d.Reserved, name) {
			return false
		}
	}
	for _, l := range want.limits {
		if !slices.Contains(d.Limits, l) {
			return false
		}
	}
	return (want.priority == 0 || want.priority == d.Priority) &&
		(want.at.IsZero() || TimeOf(want.at) == TimeOf(d.At)) &&
		(want.unique == "" || want.unique == d.Unique) &&
		(want.timeout == 0 || want.timeout == d.Timeout) &&
		(want.under == nil || *want.under == d.Parent) &&
		(want.groupID == ID{} || want.groupID == d.Group)
}

package pulptest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
)

// A Source is where tasks are looked for: an App, or, with [In], a transaction.
type Source interface {
	DB() pulp.Database
	With(ctx context.Context) context.Context
}

type source struct {
	Source
	tx bun.Tx
}

// In has tasks looked for as a transaction sees them: also those that were dispatched in it and
// will never have been if it is rolled back.
func In(app Source, tx bun.Tx) Source { return source{app, tx} }

// Dispatched returns the tasks of a type that were dispatched with certain options, the oldest
// first: with the reservations, the priority, the time, the group that the options name. Of
// what they do not name, anything goes; without options it returns all. See
// [pulp.Task.Dispatched].
func Dispatched[A, R any](t T, from Source, task *pulp.Task[A, R], opts ...pulp.DispatchOption) []pulp.Dispatched[A] {
	t.Helper()
	db := bun.IDB(from.DB().Reader())
	if s, ok := from.(source); ok {
		db = s.tx
	}
	out, err := task.Dispatched(from.With(context.Background()), db, opts...)
	require.NoError(t, err)
	return out
}

// RequireDispatched requires that exactly one task of a type was dispatched with these arguments
// and options, and returns it. Arguments are equal if their JSON is.
//
//	task := pulptest.RequireDispatched(t, app, mail, "ann@example.org", pulp.Priority(5), pulp.Shared(list))
func RequireDispatched[A, R any](t T, from Source, task *pulp.Task[A, R], args A, opts ...pulp.DispatchOption) pulp.Dispatched[A] {
	t.Helper()
	var found []pulp.Dispatched[A]
	for _, d := range Dispatched(t, from, task, opts...) {
		if text(t, d.Args) == text(t, args) {
			found = append(found, d)
		}
	}
	require.Equal(t, 1, len(found), "tasks %s with arguments %s and these options. There are:\n%s",
		task.Name, text(t, args), tell(t, Dispatched(t, from, task)))
	return found[0]
}

// RequireNotDispatched requires that no task of a type was dispatched with these options; without
// options, that none was.
func RequireNotDispatched[A, R any](t T, from Source, task *pulp.Task[A, R], opts ...pulp.DispatchOption) {
	t.Helper()
	RequireDispatches(t, from, task, 0, opts...)
}

// RequireDispatches requires that n tasks of a type were dispatched with these options.
func RequireDispatches[A, R any](t T, from Source, task *pulp.Task[A, R], n int, opts ...pulp.DispatchOption) {
	t.Helper()
	require.Equal(t, n, len(Dispatched(t, from, task, opts...)), "tasks %s with these options. There are:\n%s",
		task.Name, tell(t, Dispatched(t, from, task)))
}

func text(t T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

// tell describes tasks for whoever reads why the test failed.
func tell[A any](t T, all []pulp.Dispatched[A]) string {
	t.Helper()
	var b strings.Builder
	for _, d := range all {
		fmt.Fprintf(&b, "%s %s %s reserves %q, priority %d", d.ID, d.State, text(t, d.Args), d.Reserved, d.Priority)
		if !d.At.IsZero() {
			fmt.Fprintf(&b, ", held back until %s", d.At)
		}
		if d.Unique != "" {
			fmt.Fprintf(&b, ", unique %q", d.Unique)
		}
		if d.Group != (pulp.ID{}) {
			fmt.Fprintf(&b, ", in group %s", d.Group)
		}
		b.WriteByte('\n')
	}
	if len(all) == 0 {
		return "none"
	}
	return b.String()
}

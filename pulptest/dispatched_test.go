package pulptest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

func TestDispatchesAreToldApart(t *testing.T) {
	t.Parallel()
	d, clock := newDiary(), pulptest.NewClock()
	app := pulptest.New(t, pulptest.Manual(), pulptest.Time(clock), pulptest.Parts(d.task))
	chair, table := pulp.Name("chair"), pulp.Name("table")
	var group *pulp.TaskGroup
	require.NoError(t, app.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) (err error) {
		group, err = app.NewGroup(ctx, tx, "g")
		return err
	}))
	given := map[string]pulp.DispatchOption{
		"exclusive": pulp.Exclusive(chair), "shared": pulp.Shared(chair), "priority": pulp.Priority(7),
		"at": pulp.At(clock.Now().Add(time.Hour)), "unique": pulp.Unique("key"), "timeout": pulp.Timeout(time.Minute),
		"limit": pulp.Limit{Key: "l", N: 2}, "group": pulp.Group(group),
	}
	for name, o := range given {
		dispatch(t, app, d.task, []string{name}, o, pulp.Shared(table))
	}
	parent := pulptest.RequireDispatched(t, app, d.task, []string{"priority"})
	given["parent"] = pulp.Parent(parent.ID)
	dispatch(t, app, d.task, []string{"parent"}, given["parent"], pulp.Shared(table))
	for name, o := range given {
		found := pulptest.Dispatched(t, app, d.task, o)
		require.Len(t, found, 1, name)
		require.Equal(t, []string{name}, found[0].Args)
		require.Equal(t, found[0], pulptest.RequireDispatched(t, app, d.task, []string{name}, o, pulp.Shared(table)))
	}
	pulptest.RequireDispatches(t, app, d.task, 9)
	pulptest.RequireDispatches(t, app, d.task, 1, pulp.After(time.Hour))
	for _, o := range []pulp.DispatchOption{pulp.Exclusive(table), pulp.Priority(8), pulp.After(time.Minute), pulp.Unique("other"),
		pulp.Timeout(time.Hour), pulp.Limit{Key: "l", N: 3}, pulp.Parent(group.ID)} {
		pulptest.RequireNotDispatched(t, app, d.task, o)
	}
}

func TestDispatchIsSeenInsideTheTransaction(t *testing.T) {
	t.Parallel()
	d, undo := newDiary(), errors.New("undo")
	app := pulptest.New(t, pulptest.Parts(d.task))
	require.ErrorIs(t, app.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		_, err := d.task.Dispatch(ctx, tx, []string{"x"})
		require.NoError(t, err)
		pulptest.RequireDispatched(t, pulptest.In(app, tx), d.task, []string{"x"})
		pulptest.RequireNotDispatched(t, app, d.task)
		return undo
	}), undo)
	pulptest.RequireNotDispatched(t, app, d.task)
}

// failing is a T that notes what fails.
type failing struct{ said string }

func (f *failing) Errorf(format string, args ...any) { f.said += fmt.Sprintf(format, args...) }
func (f *failing) FailNow()                          { panic(f) }
func (f *failing) Helper()                           {}

func TestFailedAssertionSaysWhatWasDispatched(t *testing.T) {
	t.Parallel()
	d := newDiary()
	app := pulptest.New(t, pulptest.Manual(), pulptest.Parts(d.task))
	dispatch(t, app, d.task, []string{"here"}, pulp.Priority(3))
	for _, assert := range []func(f *failing){
		func(f *failing) { pulptest.RequireDispatched(f, app, d.task, []string{"there"}) },
		func(f *failing) { pulptest.RequireDispatched(f, app, d.task, []string{"here"}, pulp.Priority(4)) },
		func(f *failing) { pulptest.RequireNotDispatched(f, app, d.task) },
		func(f *failing) { pulptest.RequireDispatches(f, app, d.task, 2) },
	} {
		f := &failing{}
		require.Panics(t, func() { assert(f) })
		require.Contains(t, f.said, `waiting ["here"]`)
		require.Contains(t, f.said, "priority 3")
	}
}

package pulp_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
)

func TestTasksOfAResourceRunInTheOrderOfTheirDispatch(t *testing.T) {
	t.Parallel()
	var order []int
	task := &pulp.Task[int, int]{Name: "in order", Run: func(_ context.Context, _ *pulp.Job, n int) (int, error) {
		order = append(order, n) // no lock: the reservation is one
		return n, nil
	}}
	h := hostTasks(t, task)
	var last *pulp.Ticket[int]
	for i := range 200 {
		last = dispatch(h, task, i, pulp.Exclusive(pulp.Name("line")))
	}
	_, err := wait(t, last)
	require.NoError(t, err)
	require.Len(t, order, 200)
	require.True(t, slices.IsSorted(order))
}

func TestSharedTasksOverlapAndExclusiveOnesDoNot(t *testing.T) {
	t.Parallel()
	s := newStage()
	h := hostTasks(t, s.task)
	r := pulp.Name("r")
	one, two := dispatch(h, s.task, "shared 1", pulp.Shared(r)), dispatch(h, s.task, "shared 2", pulp.Shared(r))
	both := []string{receive(t, s.started), receive(t, s.started)} // both run now
	require.ElementsMatch(t, []string{"shared 1", "shared 2"}, both)
	writer := dispatch(h, s.task, "exclusive", pulp.Exclusive(r))
	later := dispatch(h, s.task, "shared 3", pulp.Shared(r))
	other := dispatch(h, s.task, "other", pulp.Exclusive(pulp.Name("other")))
	require.Equal(t, "other", receive(t, s.started)) // it overtakes those who wait for something else
	require.False(t, h.row(writer.ID).Unblocked)
	require.False(t, h.row(later.ID).Unblocked, "a reader must not overtake the writer before it")
	s.end("shared 1", nil)
	_, err := wait(t, one)
	require.NoError(t, err)
	require.False(t, h.row(writer.ID).Unblocked)
	s.end("shared 2", nil)
	require.Equal(t, "exclusive", receive(t, s.started))
	require.False(t, h.row(later.ID).Unblocked)
	s.end("exclusive", nil)
	require.Equal(t, "shared 3", receive(t, s.started))
	s.end("shared 3", nil)
	s.end("other", nil)
	for _, ticket := range []*pulp.Ticket[struct{}]{two, writer, later, other} {
		_, err := wait(t, ticket)
		require.NoError(t, err)
	}
	require.Zero(t, h.count("SELECT count(*) FROM reservation"))
}

func TestConflictingTasksNeverOverlap(t *testing.T) {
	t.Parallel()
	var users [3]atomic.Int64 // per resource: readers, and 1000 for each writer
	task := &pulp.Task[[3]int64, int]{Name: "overlap", Run: func(_ context.Context, _ *pulp.Job, uses [3]int64) (int, error) {
		for i, weight := range uses {
			now := users[i].Add(weight)
			defer users[i].Add(-weight)
			if weight == 1000 && now != 1000 || weight == 1 && now >= 1000 {
				return 0, fmt.Errorf("resource %d is used by %d", i, now)
			}
		}
		return 0, nil
	}}
	h := hostTasks(t, task)
	var tickets []*pulp.Ticket[int]
	for i := range 400 {
		var uses [3]int64
		var options []pulp.DispatchOption
		for r := range uses {
			name := pulp.Name(fmt.Sprint(r))
			switch (i*7 + r*13 + i/5) % 5 {
			case 0:
				uses[r], options = 1000, append(options, pulp.Exclusive(name))
			case 1, 2:
				uses[r], options = 1, append(options, pulp.Shared(name))
			}
		}
		tickets = append(tickets, dispatch(h, task, uses, options...))
	}
	for _, ticket := range tickets {
		_, err := wait(t, ticket)
		require.NoError(t, err)
	}
}

func TestManyReadersAreReleasedInSeveralTransactions(t *testing.T) {
	t.Parallel()
	s, task := newStage(), double()
	h := hostTasks(t, s.task, task)
	r := pulp.Name("r")
	dispatch(h, s.task, "writer", pulp.Exclusive(r))
	require.Equal(t, "writer", receive(t, s.started))
	tickets := make([]*pulp.Ticket[int], 2*pulp.ReleaseLimit+1)
	require.NoError(t, h.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) (err error) {
		for i := range tickets {
			if tickets[i], err = task.Dispatch(ctx, tx, i, pulp.Shared(r)); err != nil {
				return err
			}
		}
		return nil
	}))
	s.end("writer", nil)
	for _, ticket := range tickets {
		_, err := wait(t, ticket)
		require.NoError(t, err)
	}
}

func TestRecordNamesWhatIsReserved(t *testing.T) {
	t.Parallel()
	task := double()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}})
	ticket := dispatch(h, task, 1, pulp.Shared(pulp.Name("s")), pulp.Exclusive(pulp.Name("x")), pulp.Shared(pulp.Name("x")))
	record := strings.Split(strings.Trim(h.row(ticket.ID).Record, "[]"), ",")
	require.Len(t, record, 3)
	require.Regexp(t, `^"pdrn:[0-9a-f-]{36}:x"$`, record[0])
	require.Regexp(t, `^"shared:pdrn:[0-9a-f-]{36}:s"$`, record[1])
	require.Regexp(t, `^"shared:prn:core.domain:[0-9a-f-]{36}"$`, record[2])
	require.Equal(t, 2, h.count("SELECT count(*) FROM reservation"))
}

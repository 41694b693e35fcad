package pulp_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
)

func TestTasksThatEndAtTheSameTimeShareACommit(t *testing.T) {
	t.Parallel()
	const n = 8
	gate := make(chan struct{})
	var started sync.WaitGroup
	started.Add(n)
	task := &pulp.Task[int, int]{Name: "gated", Run: func(_ context.Context, _ *pulp.Job, i int) (int, error) {
		started.Done()
		<-gate
		if i == 3 {
			return 0, fmt.Errorf("failed")
		}
		return i, nil
	}}
	var ran atomic.Int64
	next := &pulp.Task[int, int]{Name: "next", Run: func(_ context.Context, _ *pulp.Job, i int) (int, error) {
		ran.Add(1)
		return i, nil
	}}
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task, next}, Workers: n})
	h.run()
	var tickets, later []*pulp.Ticket[int]
	for i := range n {
		tickets = append(tickets, dispatch(h, task, i, pulp.Shared(pulp.Name("all")), pulp.Exclusive(pulp.Name(fmt.Sprint(i)))))
	}
	for i := range n {
		later = append(later, dispatch(h, next, i, pulp.Exclusive(pulp.Name(fmt.Sprint(i)))))
	}
	last := dispatch(h, next, 0, pulp.Exclusive(pulp.Name("all")))
	started.Wait()
	require.Zero(t, ran.Load())
	require.NoError(t, h.HoldWriter(func() {
		close(gate)
		h.AwaitEndings(n)
	}))
	for i, ticket := range append(tickets, later...) {
		got, err := wait(t, ticket)
		if i == 3 {
			require.ErrorContains(t, err, "failed")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, i%n, got)
	}
	_, err := wait(t, last)
	require.NoError(t, err)
	require.Equal(t, 1, h.count("SELECT count(DISTINCT finished_at) FROM task WHERE name = 'gated'"))
	require.Zero(t, h.count("SELECT count(*) FROM reservation"))
	require.Zero(t, h.count("SELECT count(*) FROM goqite"))
}

func TestTaskThatWasLostDoesNotKeepOthersFromEnding(t *testing.T) {
	t.Parallel()
	const n = 4
	gate := make(chan struct{})
	var started sync.WaitGroup
	started.Add(n)
	task := &pulp.Task[int, int]{Name: "gated", Run: func(_ context.Context, _ *pulp.Job, i int) (int, error) {
		started.Done()
		<-gate
		return i, nil
	}}
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}, Workers: n})
	h.run()
	var tickets []*pulp.Ticket[int]
	for i := range n {
		tickets = append(tickets, dispatch(h, task, i, pulp.Shared(pulp.Name("all"))))
	}
	started.Wait()
	require.NoError(t, h.HoldWriter(func() {
		close(gate)
		h.AwaitEndings(n)
	}, "UPDATE task SET attempt = 7 WHERE pulp_id = ?", tickets[1].ID))
	for i, ticket := range tickets {
		if i == 1 {
			require.Equal(t, pulp.Running, h.row(ticket.ID).State, "it belongs to somebody else")
			continue
		}
		got, err := wait(t, ticket)
		require.NoError(t, err)
		require.Equal(t, i, got)
	}
	require.Equal(t, 1, h.count("SELECT count(*) FROM reservation"))
}

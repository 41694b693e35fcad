package pulp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
)

// follow reads events into a channel from now on, until the test ends.
func (h *taskHost) follow(filter pulp.EventFilter) <-chan pulp.Event {
	ctx, cancel := context.WithCancel(context.Background())
	events, out := h.Events(ctx, filter), make(chan pulp.Event, 1000)
	var reading sync.WaitGroup
	reading.Go(func() {
		for e := range events {
			out <- e
		}
	})
	h.t.Cleanup(func() { cancel(); reading.Wait() })
	return out
}

func TestEventsTellEachChangeOfState(t *testing.T) {
	t.Parallel()
	s, inTx := newStage(), writing(succeed)
	h := hostWithTable(t, s.task, inTx)
	events := h.follow(pulp.EventFilter{})
	expect := func(id pulp.ID, name string, states ...pulp.State) {
		t.Helper()
		for _, state := range states {
			e := receive(t, events)
			require.NotZero(t, e.At)
			require.Equal(t, pulp.Event{Task: id, Name: name, State: state, At: e.At}, e)
		}
	}
	r := pulp.Exclusive(pulp.Name("r"))
	first := dispatch(h, s.task, "first", r)
	receive(t, s.started)
	e := receive(t, events) // handed over or not
	if e.State == pulp.Waiting {
		e = receive(t, events)
	}
	require.Equal(t, pulp.Running, e.State)
	second, third := dispatch(h, s.task, "second", r), dispatch(h, s.task, "third", r)
	expect(second.ID, "stage", pulp.Waiting)
	expect(third.ID, "stage", pulp.Waiting)
	require.NoError(t, h.Cancel(t.Context(), third.ID))
	expect(third.ID, "stage", pulp.Canceled)
	s.end("first", nil)
	expect(first.ID, "stage", pulp.Completed)
	expect(second.ID, "stage", pulp.Running)
	require.NoError(t, h.Cancel(t.Context(), second.ID))
	expect(second.ID, "stage", pulp.Canceling, pulp.Canceled)
	expect(dispatch(h, inTx, 1).ID, "writing", pulp.Completed)
	err := h.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		_, err := s.task.Dispatch(ctx, tx, "undone")
		return errors.Join(err, errBack)
	})
	require.ErrorIs(t, err, errBack)
	expect(dispatch(h, inTx, 2).ID, "writing", pulp.Completed)
}

func TestEventsTellOfProgressAndLostTasks(t *testing.T) {
	t.Parallel()
	told := make(chan struct{})
	task := doing(func(_ context.Context, j *pulp.Job) error {
		j.Progress("p", "Working", 3).Add(2)
		<-told
		return nil
	})
	h := hostTasks(t, task)
	events := h.follow(pulp.EventFilter{Name: "doing"})
	ticket := dispatch(h, task, 1)
	for e := receive(t, events); ; e = receive(t, events) {
		if e.Progress != nil {
			require.Equal(t, int64(2), e.Progress[0].Done)
			break
		}
		require.Contains(t, []pulp.State{pulp.Waiting, pulp.Running}, e.State)
	}
	close(told)
	_, err := wait(t, ticket)
	require.NoError(t, err)
	require.Equal(t, pulp.Completed, receive(t, events).State)
}

func TestSlowReaderIsToldThatItMissedEvents(t *testing.T) {
	t.Parallel()
	task := double()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}, Workers: -1})
	events := h.Events(t.Context(), pulp.EventFilter{Buffer: 3})
	for i := range 10 {
		dispatch(h, task, i)
	}
	var seen []pulp.Event
	for e := range events {
		if seen = append(seen, e); e.Missed > 0 {
			break
		}
	}
	require.Len(t, seen, 4)
	require.Equal(t, pulp.Event{Missed: 7}, seen[3])
	for range events {
		require.Fail(t, "it can be ranged over once")
	}
}

func TestEventsOfATaskComeInTheirOrder(t *testing.T) {
	t.Parallel()
	task := double()
	h := hostTasks(t, task)
	events := h.follow(pulp.EventFilter{Buffer: 10_000})
	const tasks = 200
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range tasks / 8 {
				dispatch(h, task, i, pulp.Exclusive(pulp.Name(fmt.Sprint(i%3))))
			}
		})
	}
	all.Wait()
	rank := map[pulp.State]int{pulp.Waiting: 1, pulp.Running: 2, pulp.Completed: 3}
	last := map[pulp.ID]int{}
	for ended := 0; ended < tasks; {
		e := receive(t, events)
		require.Greater(t, rank[e.State], last[e.Task])
		last[e.Task] = rank[e.State]
		if e.State.Final() {
			ended++
		}
	}
}

// A pipe passes on what a stream writes, when it is flushed.
type pipe struct {
	bytes.Buffer
	out chan string
}

func (p *pipe) flush() {
	for {
		i := strings.Index(p.String(), "\n\n")
		if i < 0 {
			return
		}
		p.out <- string(p.Next(i + 2))
	}
}

// stream runs the stream of an operation until the test ends; ended is closed with it.
func (h *taskHost) stream(id string, r pulp.Request) (lines <-chan string, ended <-chan struct{}) {
	answer, err := h.try(id, r)
	require.NoError(h.t, err)
	p, done := &pipe{out: make(chan string, 100)}, make(chan struct{})
	ctx, cancel := context.WithCancel(h.With(context.Background()))
	go func() {
		defer close(done)
		_ = answer.Stream(ctx, io.Writer(p), p.flush)
		p.flush()
	}()
	h.t.Cleanup(func() { cancel(); <-done })
	return p.out, done
}

func TestStreamFollowsATaskToItsEnd(t *testing.T) {
	t.Parallel()
	s := newStage()
	h := hostTasks(t, s.task)
	r := pulp.Exclusive(pulp.Name("r"))
	dispatch(h, s.task, "holder", r)
	ticket := dispatch(h, s.task, "followed", r)
	events, ended := h.stream("tasks_task_events", pulp.Request{Vars: map[string]string{"pk": ticket.ID.String()}})
	require.Regexp(t, `^event: state\ndata: \{"task":"/pulp/api/v3/tasks/`+ticket.ID.String()+`/","name":"stage","state":"waiting","at":"[^"]+"\}\n\n$`, receive(t, events))
	s.end("holder", nil)
	require.Contains(t, receive(t, events), `"state":"running"`)
	s.end("followed", nil)
	require.Contains(t, receive(t, events), `"state":"completed"`)
	receive(t, ended)
	again, ended := h.stream("tasks_task_events", pulp.Request{Vars: map[string]string{"pk": ticket.ID.String()}})
	require.Contains(t, receive(t, again), `"state":"completed"`)
	receive(t, ended)
	_, err := h.try("tasks_task_events", pulp.Request{Vars: map[string]string{"pk": pulp.NewID().String()}})
	require.ErrorIs(t, err, pulp.ErrNotFound)
}

func TestStreamOfAllTasksCanBeOfOneName(t *testing.T) {
	t.Parallel()
	task, s := double(), newStage()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task, s.task}, Workers: -1})
	answer, err := h.try("tasks_events", pulp.Request{Query: map[string][]string{"name": {"double"}}})
	require.NoError(t, err)
	p := &pipe{out: make(chan string, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	began, done := make(chan struct{}), make(chan error)
	var once sync.Once
	go func() {
		done <- answer.Stream(ctx, p, func() { once.Do(func() { close(began) }); p.flush() })
	}()
	receive(t, began)
	dispatch(h, s.task, "other")
	ticket := dispatch(h, task, 1)
	require.Contains(t, receive(t, p.out), ticket.ID.String())
	cancel()
	require.NoError(t, receive(t, done))
}

package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// An eventView is what a stream tells of an event.
type eventView struct {
	Task     string           `json:"task"`
	Name     string           `json:"name"`
	State    State            `json:"state"`
	At       Time             `json:"at"`
	Progress []ProgressReport `json:"progress_reports,omitempty"`
}

// allEvents is GET tasks/events/: the events of all tasks, or of those of a ?name=.
func (a *App) allEvents(_ context.Context, r *Request) (*Answer, error) {
	filter := EventFilter{Name: r.Query.Get("name")}
	return &Answer{Kind: OK, Stream: func(ctx context.Context, w io.Writer, flush func()) error {
		sub := a.events.subscribe(filter)
		defer a.events.leave(sub)
		return a.follow(ctx, sub, w, flush, false)
	}}, nil
}

// taskEvents is GET tasks/{pk}/events/: the state of a task, and what happens to it until it
// has ended.
func (a *App) taskEvents(ctx context.Context, r *Request) (*Answer, error) {
	if _, err := a.visibleTask(ctx, r); err != nil {
		return nil, err
	}
	return &Answer{Kind: OK, Stream: func(ctx context.Context, w io.Writer, flush func()) error {
		t, err := a.visibleTask(ctx, r)
		if err != nil {
			return err
		}
		sub := a.events.subscribe(EventFilter{Task: t.PulpID})
		defer a.events.leave(sub)
		if t, err = a.visibleTask(ctx, r); err != nil { // after subscribing, so that no change slips through
			return err
		}
		now := Event{Task: t.PulpID, Name: t.Name, State: t.State, At: a.now()}
		if live, ok := a.liveProgress(t.ID); ok {
			now.Progress = live
		}
		if err := a.writeEvent(ctx, w, now); err != nil || t.State.Final() {
			return err
		}
		return a.follow(ctx, sub, w, flush, true)
	}}, nil
}

// follow writes events as they come, until the client leaves, or the task of the one who
// subscribed has ended if untilFinal says so.
func (a *App) follow(ctx context.Context, sub *subscriber, w io.Writer, flush func(), untilFinal bool) error {
	alive := time.NewTicker(keepAliveEvery)
	defer alive.Stop()
	for {
		for _, e := range a.events.take(sub) {
			if err := a.writeEvent(ctx, w, e); err != nil {
				return err
			}
			if untilFinal && e.State.Final() {
				return nil
			}
		}
		flush()
		select {
		case <-sub.news:
		case <-alive.C:
			if _, err := io.WriteString(w, ": alive\n\n"); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		case <-a.waiters.closed:
			return nil
		}
	}
}

// writeEvent writes an event in the form of text/event-stream.
func (a *App) writeEvent(ctx context.Context, w io.Writer, e Event) error {
	kind, data := "state", any(nil)
	switch {
	case e.Missed > 0:
		kind, data = "missed", map[string]int{"missed": e.Missed}
	default:
		if e.Progress != nil {
			kind = "progress"
		}
		href := a.href(ctx, a.kinds[taskKind].ends[0], e.Task.String(), nil)
		data = eventView{href, e.Name, e.State, e.At, e.Progress}
	}
	b, err := json.Marshal(data)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", kind, b)
	return err
}

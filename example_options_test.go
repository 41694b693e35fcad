package pulp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
)

// greeting is a task of the examples.
func greeting() *pulp.Task[string, string] {
	return &pulp.Task[string, string]{Name: "example.greet", Run: func(_ context.Context, _ *pulp.Job, name string) (string, error) {
		return "Hello, " + name, nil
	}}
}

// dispatched dispatches a task in a transaction of its own.
func dispatched[A, R any](app *pulp.App, task *pulp.Task[A, R], args A, opts ...pulp.DispatchOption) *pulp.Ticket[R] {
	var ticket *pulp.Ticket[R]
	err := app.Tx(context.Background(), func(ctx context.Context, tx bun.Tx) (err error) {
		ticket, err = task.Dispatch(ctx, tx, args, opts...)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	return ticket
}

// A task that is held back starts when it is due; At takes the time instead.
func ExampleAfter() {
	greet := greeting()
	app, end := exampleApp(greet)
	defer end()
	begun := time.Now()
	text, err := dispatched(app, greet, "later", pulp.After(30*time.Millisecond)).Wait(context.Background())
	fmt.Println(text, err, time.Since(begun) >= 30*time.Millisecond)
	// Output: Hello, later <nil> true
}

// Two dispatches of one key are one task as long as it has not finished.
func ExampleUnique() {
	greet := greeting()
	app, end := exampleApp(greet)
	defer end()
	first := dispatched(app, greet, "you", pulp.Unique("greet"), pulp.After(time.Hour))
	second := dispatched(app, greet, "you again", pulp.Unique("greet"))
	fmt.Println(second.Existed(), first.ID == second.ID)
	// Output: true true
}

// What is of no use later is canceled if it cannot start now.
func ExampleNotDeferred() {
	greet := greeting()
	app, end := exampleApp(greet)
	defer end()
	if err := app.Pause(context.Background(), greet.Name); err != nil {
		log.Fatal(err)
	}
	_, err := dispatched(app, greet, "now", pulp.NotDeferred()).Wait(context.Background())
	fmt.Println(errors.Is(err, pulp.ErrCanceled))
	// Output: true
}

// A Retry has a failed handler run again after a pause.
func ExampleRetry() {
	tries := 0
	flaky := &pulp.Task[string, int]{
		Name:  "example.flaky",
		Retry: pulp.Retry{Attempts: 5, Pause: time.Millisecond},
		Run: func(context.Context, *pulp.Job, string) (int, error) {
			if tries++; tries < 3 {
				return 0, errors.New("no answer")
			}
			return tries, nil
		},
	}
	app, end := exampleApp(flaky)
	defer end()
	fmt.Println(dispatched(app, flaky, "").Wait(context.Background()))
	// Output: 3 <nil>
}

// A Limit bounds how many run at once; each other one waits for its place in line.
func ExampleLimit() {
	running, most := make(chan struct{}, 10), 0
	load := &pulp.Task[int, struct{}]{
		Name:   "example.load",
		Limits: []pulp.Limit{{Key: "downloads", N: 1}},
		Run: func(context.Context, *pulp.Job, int) (struct{}, error) {
			running <- struct{}{}
			most = max(most, len(running))
			<-running
			return struct{}{}, nil
		},
	}
	app, end := exampleApp(load)
	defer end()
	var last *pulp.Ticket[struct{}]
	for i := range 8 {
		last = dispatched(app, load, i)
	}
	if _, err := last.Wait(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("at most", most, "at once")
	// Output: at most 1 at once
}

// A paused type starts nothing until it is resumed, also over a restart.
func ExampleApp_Pause() {
	greet := greeting()
	app, end := exampleApp(greet)
	defer end()
	ctx := context.Background()
	if err := app.Pause(ctx, greet.Name); err != nil {
		log.Fatal(err)
	}
	ticket := dispatched(app, greet, "patience")
	blockers, err := app.BlockedBy(ctx, ticket.ID)
	fmt.Println(blockers[0].Reason, err)
	if err := app.Resume(ctx, greet.Name); err != nil {
		log.Fatal(err)
	}
	fmt.Println(ticket.Wait(ctx))
	// Output:
	// paused <nil>
	// Hello, patience <nil>
}

// BlockedBy says who is in the way of a task.
func ExampleApp_BlockedBy() {
	leave := make(chan struct{})
	sit := &pulp.Task[string, struct{}]{Name: "example.sit", Run: func(context.Context, *pulp.Job, string) (struct{}, error) {
		<-leave
		return struct{}{}, nil
	}}
	app, end := exampleApp(sit)
	defer end()
	first := dispatched(app, sit, "a", pulp.Exclusive(pulp.Name("chair")))
	second := dispatched(app, sit, "b", pulp.Exclusive(pulp.Name("chair")))
	blockers, err := app.BlockedBy(context.Background(), second.ID)
	fmt.Println(blockers[0].Reason, blockers[0].Task == first.ID, err)
	close(leave)
	// Output: resource true <nil>
}

// A group is counted, and canceled, as one.
func ExampleTaskGroup() {
	greet := greeting()
	app, end := exampleApp(greet)
	defer end()
	ctx := context.Background()
	var group *pulp.TaskGroup
	err := app.Tx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if group, err = app.NewGroup(ctx, tx, "guests"); err != nil {
			return err
		}
		for _, guest := range []string{"Ann", "Bob"} {
			if _, err := greet.Dispatch(ctx, tx, guest, pulp.Group(group), pulp.After(time.Hour)); err != nil {
				return err
			}
		}
		return group.Finish(ctx, tx)
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(group.Counts(ctx))
	fmt.Println(group.Cancel(ctx))
	fmt.Println(group.Counts(ctx))
	// Output:
	// map[waiting:2] <nil>
	// <nil>
	// map[canceled:2] <nil>
}

// Events tells what happens from the moment of the call.
func ExampleApp_Events() {
	greet := greeting()
	app, end := exampleApp(greet)
	defer end()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	events := app.Events(ctx, pulp.EventFilter{Name: greet.Name})
	dispatched(app, greet, "events")
	for e := range events {
		if e.State.Final() {
			fmt.Println(e.Name, e.State)
			break
		}
	}
	// Output: example.greet completed
}

// A Schedule is declared beside the task that it dispatches.
func ExampleSchedule() {
	greet := greeting()
	nightly := pulp.Schedule{
		Name: "example.nightly",
		Cron: "30 3 * * *",
		Work: greet.With("night", pulp.Exclusive(pulp.Name("night"))),
	}
	app, end := exampleApp(greet, nightly)
	defer end()
	var next int64
	err := app.DB().Reader().QueryRowContext(context.Background(),
		"SELECT next_dispatch FROM task_schedule WHERE name = 'example.nightly'").Scan(&next)
	fmt.Println(pulp.Time(next).Time().Format("15:04"), err)
	// Output: 03:30 <nil>
}

// Every is an interval instead, counted from the first Open that knows the schedule.
func ExampleSchedule_every() {
	greet := greeting()
	app, end := exampleApp(greet, pulp.Schedule{Name: "example.often", Every: 90 * time.Minute, Work: greet.With("again")})
	defer end()
	var page struct {
		Results []struct {
			Interval string `json:"dispatch_interval"`
			Task     string `json:"task_name"`
		}
	}
	err := app.Call(context.Background(), "GET", "task-schedules/?name=example.often", nil, &page)
	fmt.Println(page.Results, err)
	// Output: [{01:30:00 example.greet}] <nil>
}

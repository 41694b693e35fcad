package pulp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

// exampleOf opens an App with a configuration and tables of the host's, in a directory that is
// thrown away.
func exampleOf(cfg pulp.Config, tables ...string) (app *pulp.App, end func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Off))
	if err != nil {
		log.Fatal(err)
	}
	for _, table := range tables {
		if _, err := db.Writer().Exec(table); err != nil {
			log.Fatal(err)
		}
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	app, err = pulp.Open(context.Background(), db, cfg)
	if err != nil {
		log.Fatal(err)
	}
	return app, func() {
		if err := errors.Join(app.Close(), os.RemoveAll(dir)); err != nil {
			log.Fatal(err)
		}
	}
}

// inlineApp is an App whose tasks have run when they are dispatched.
func inlineApp(parts ...pulp.Part) (app *pulp.App, end func()) {
	return exampleOf(pulp.Config{Parts: parts, Inline: true})
}

// saying is a task that says what it is told.
func saying() *pulp.Task[string, string] {
	return &pulp.Task[string, string]{Name: "example.say", Run: func(_ context.Context, _ *pulp.Job, text string) (string, error) {
		fmt.Println(text)
		return text, nil
	}}
}

// Rows of the host and a task are one commit: both are there, or neither is.
func ExampleApp_Tx() {
	say := saying()
	app, end := inlineApp(say)
	defer end()
	ctx := context.Background()
	if _, err := app.DB().Writer().ExecContext(ctx, "CREATE TABLE orders (item TEXT)"); err != nil {
		log.Fatal(err)
	}
	order := func(item string, check error) error {
		return app.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
			if _, err := tx.ExecContext(ctx, "INSERT INTO orders VALUES (?)", item); err != nil {
				return err
			}
			if _, err := say.Dispatch(ctx, tx, "send "+item); err != nil {
				return err
			}
			return check
		})
	}
	fmt.Println(order("a book", nil))
	fmt.Println(order("a unicorn", errors.New("there are none")))
	var orders, tasks int
	err := app.DB().Reader().QueryRowContext(ctx, "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM task)").Scan(&orders, &tasks)
	fmt.Println(orders, tasks, err)
	// Output:
	// send a book
	// <nil>
	// there are none
	// 1 1 <nil>
}

// A transaction that the host opened by itself will do as well: its context must carry the App.
func ExampleApp_With() {
	say := saying()
	app, end := inlineApp(say)
	defer end()
	ctx := app.With(context.Background())
	err := app.DB().Writer().RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := say.Dispatch(ctx, tx, "from a transaction of the host's own")
		return err
	})
	fmt.Println(err)
	// Output:
	// from a transaction of the host's own
	// <nil>
}

// Nobody else has a resource that a task reserves exclusively. A name is a resource, too.
func ExampleExclusive() {
	say := saying()
	app, end := exampleOf(pulp.Config{Parts: []pulp.Part{say}})
	defer end()
	first := dispatched(app, say, "first", pulp.Exclusive(pulp.Name("ledger")))
	second := dispatched(app, say, "second", pulp.Exclusive(pulp.Name("ledger")), pulp.Priority(9))
	why, err := app.BlockedBy(context.Background(), second.ID)
	fmt.Println(why[0].Reason, why[0].Task == first.ID, err)
	if _, err := app.RunReady(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// resource true <nil>
	// first
	// second
}

// Those who only read share a resource; who writes waits for them, and they wait for him.
func ExampleShared() {
	say := saying()
	app, end := exampleOf(pulp.Config{Parts: []pulp.Part{say}})
	defer end()
	library := pulp.Name("library")
	dispatched(app, say, "reader", pulp.Shared(library))
	reader := dispatched(app, say, "reader", pulp.Shared(library))
	writer := dispatched(app, say, "writer", pulp.Exclusive(library))
	late := dispatched(app, say, "late reader", pulp.Shared(library))
	for _, id := range []pulp.ID{reader.ID, writer.ID, late.ID} {
		why, err := app.BlockedBy(context.Background(), id)
		fmt.Println(why[0].Reason, len(why), err)
	}
	// Output:
	// no worker free 1 <nil>
	// resource 2 <nil>
	// resource 1 <nil>
}

// A task that may run goes before others if its number is higher.
func ExamplePriority() {
	say := saying()
	app, end := exampleOf(pulp.Config{Parts: []pulp.Part{say}})
	defer end()
	dispatched(app, say, "sweep the floor")
	dispatched(app, say, "put out the fire", pulp.Priority(10))
	if _, err := app.RunReady(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// put out the fire
	// sweep the floor
}

// A task that is held back until a time reserves nothing before that.
func ExampleAt() {
	say := saying()
	app, end := inlineApp(say)
	defer end()
	later := dispatched(app, say, "much later", pulp.At(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)), pulp.Exclusive(pulp.Name("chair")))
	dispatched(app, say, "meanwhile", pulp.Exclusive(pulp.Name("chair")))
	why, err := app.BlockedBy(context.Background(), later.ID)
	fmt.Println(why[0].Reason, why[0].Until.Time().Year(), err)
	// Output:
	// meanwhile
	// not due 2100 <nil>
}

// What is to be quick need not wait until a worker is free.
func ExampleAtOnce() {
	busy, leave := make(chan struct{}), make(chan struct{})
	sit := &pulp.Task[string, string]{Name: "example.sit", Run: func(context.Context, *pulp.Job, string) (string, error) {
		close(busy)
		<-leave
		return "", nil
	}}
	greet := greeting()
	app, end := exampleOf(pulp.Config{Parts: []pulp.Part{sit, greet}, Workers: 1})
	defer end()
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error)
	go func() { ran <- app.Run(ctx) }()
	<-app.Started()
	dispatched(app, sit, "")
	<-busy
	fmt.Println(dispatched(app, greet, "at once", pulp.AtOnce()).Wait(ctx))
	close(leave)
	stop()
	fmt.Println(<-ran)
	// Output:
	// Hello, at once <nil>
	// <nil>
}

// A handler that takes too long is told so by its context, and its task fails.
func ExampleTimeout() {
	sleep := &pulp.Task[string, string]{Name: "example.sleep", Run: func(ctx context.Context, _ *pulp.Job, _ string) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	}}
	app, end := inlineApp(sleep)
	defer end()
	_, err := dispatched(app, sleep, "", pulp.Timeout(time.Millisecond)).Wait(context.Background())
	var failure *pulp.TaskError
	fmt.Println(errors.As(err, &failure), failure)
	// Output: true The task took longer than 1ms.
}

// What a handler dispatches is a child of its task; Parent chooses another one, or none.
func ExampleParent() {
	say := saying()
	var first pulp.ID
	family := &pulp.Task[string, string]{Name: "example.family", Run: func(ctx context.Context, j *pulp.Job, _ string) (string, error) {
		return "", j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
			if _, err := say.Dispatch(ctx, tx, "child"); err != nil {
				return err
			}
			if _, err := say.Dispatch(ctx, tx, "foundling", pulp.Parent(first)); err != nil {
				return err
			}
			_, err := say.Dispatch(ctx, tx, "orphan", pulp.Parent(pulp.ID{}))
			return err
		})
	}}
	app, end := inlineApp(say, family)
	defer end()
	first = dispatched(app, say, "somebody").ID
	parent := dispatched(app, family, "").ID
	all, err := say.Dispatched(app.With(context.Background()), app.DB().Reader())
	for _, d := range all[1:] {
		fmt.Println(d.Args, d.Parent == parent, d.Parent == first, d.Parent == pulp.ID{}, err)
	}
	// Output:
	// somebody
	// child
	// foundling
	// orphan
	// child true false false <nil>
	// foundling false true false <nil>
	// orphan false false true <nil>
}

// Tasks of a type can be read with what they were dispatched with.
func ExampleTask_Dispatched() {
	greet := greeting()
	app, end := inlineApp(greet)
	defer end()
	ctx := app.With(context.Background())
	dispatched(app, greet, "Ann")
	dispatched(app, greet, "Bob", pulp.Priority(3), pulp.After(time.Hour))
	urgent, err := greet.Dispatched(ctx, app.DB().Reader(), pulp.Priority(3))
	fmt.Println(len(urgent), urgent[0].Args, urgent[0].State, err)
	// Output: 1 Bob waiting <nil>
}

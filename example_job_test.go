package pulp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/file"
)

// A handler that only writes rows runs in the transaction that dispatches it.
func ExampleTask_runTx() {
	add := &pulp.Task[int, int]{Name: "example.add", RunTx: func(ctx context.Context, tx bun.Tx, _ *pulp.Job, n int) (sum int, err error) {
		err = tx.QueryRowContext(ctx, "UPDATE account_total SET n = n + ? RETURNING n", n).Scan(&sum)
		return sum, err
	}}
	app, end := exampleOf(pulp.Config{Parts: []pulp.Part{add}, Workers: -1}, "CREATE TABLE account_total AS SELECT 40 AS n") // no workers are needed
	defer end()
	ctx := context.Background()
	ticket := dispatched(app, add, 2)
	sum, err := ticket.Wait(ctx)
	fmt.Println(ticket.Finished(), sum, err)
	// Output: true 42 <nil>
}

// What a task writes on its way is in transactions of its own, which end with its right to write;
// what must be put in order after a cancellation goes through CleanUp.
func ExampleJob_CleanUp() {
	begun := make(chan struct{})
	rent := &pulp.Task[string, string]{Name: "example.rent", Run: func(ctx context.Context, j *pulp.Job, room string) (string, error) {
		err := j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO rented VALUES (?)", room)
			return err
		})
		if err != nil {
			return "", err
		}
		close(begun)
		<-ctx.Done()
		err = j.Tx(ctx, func(context.Context, bun.Tx) error { return nil })
		fmt.Println("a canceled task writes nothing:", errors.Is(err, pulp.ErrCanceled))
		return "", errors.Join(err, j.CleanUp(func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.ExecContext(ctx, "DELETE FROM rented WHERE room = ?", room)
			return err
		}))
	}}
	app, end := exampleApp(rent)
	defer end()
	ctx := context.Background()
	if _, err := app.DB().Writer().ExecContext(ctx, "CREATE TABLE rented (room TEXT)"); err != nil {
		log.Fatal(err)
	}
	ticket := dispatched(app, rent, "12")
	<-begun
	if err := app.Cancel(ctx, ticket.ID); err != nil {
		log.Fatal(err)
	}
	_, err := ticket.Wait(ctx)
	var rented int
	if err := app.DB().Reader().QueryRowContext(ctx, "SELECT count(*) FROM rented").Scan(&rented); err != nil {
		log.Fatal(err)
	}
	fmt.Println(errors.Is(err, pulp.ErrCanceled), rented)
	// Output:
	// a canceled task writes nothing: true
	// true 0
}

// A task that waits is canceled at once, and those who waited for it go on.
func ExampleApp_Cancel() {
	say := saying()
	app, end := exampleOf(pulp.Config{Parts: []pulp.Part{say}})
	defer end()
	ctx := context.Background()
	first := dispatched(app, say, "first", pulp.Exclusive(pulp.Name("chair")))
	dispatched(app, say, "second", pulp.Exclusive(pulp.Name("chair")))
	fmt.Println(app.Cancel(ctx, first.ID))
	fmt.Println(errors.Is(app.Cancel(ctx, first.ID), pulp.ErrConflict), errors.Is(app.Cancel(ctx, pulp.NewID()), pulp.ErrNotFound))
	if _, err := app.RunReady(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// <nil>
	// true true
	// second
}

// Created puts what a task made into its record, for clients who wait for it.
func ExampleJob_Created() {
	buy := &pulp.Task[string, int64]{Name: "example.buy", Run: func(_ context.Context, j *pulp.Job, title string) (id int64, err error) {
		b := &Book{Title: title, Pages: 1}
		j.OnFinish(func(ctx context.Context, tx bun.Tx) error {
			err := pulp.NewModel[Book]().Insert(ctx, tx, b)
			j.Created("library/books", b.ID)
			return err
		})
		return 0, nil
	}}
	app, end := exampleOf(pulp.Config{Parts: []pulp.Part{buy, &pulp.ViewSet[Book]{Path: "library/books"}}, Inline: true}, bookTable)
	defer end()
	ctx := context.Background()
	ticket := dispatched(app, buy, "Walden")
	var task struct {
		Created []string `json:"created_resources"`
	}
	err := app.Call(ctx, "GET", "tasks/"+ticket.ID.String()+"/", nil, &task)
	fmt.Println(task.Created, err)
	// Output: [/pulp/api/v3/library/books/1/] <nil>
}

// A task's working directory is gone when it has ended.
func ExampleJob_Dir() {
	var made string
	unpack := &pulp.Task[string, int64]{Name: "example.unpack", Run: func(_ context.Context, j *pulp.Job, text string) (int64, error) {
		dir, err := j.Dir()
		if err != nil {
			return 0, err
		}
		made = filepath.Join(dir, "file")
		if err := os.WriteFile(made, []byte(text), 0o600); err != nil {
			return 0, err
		}
		info, err := os.Stat(made)
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}}
	app, end := inlineApp(unpack)
	defer end()
	size, err := dispatched(app, unpack, "twelve bytes").Wait(context.Background())
	_, gone := os.Stat(made)
	fmt.Println(size, err, errors.Is(gone, os.ErrNotExist))
	// Output: 12 <nil> true
}

// The last writes of a task are one commit with its end: there if and only if it is completed.
func ExampleJob_OnFinish() {
	pay := &pulp.Task[int, string]{Name: "example.pay", Run: func(_ context.Context, j *pulp.Job, sum int) (string, error) {
		j.OnFinish(func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO payment VALUES (?)", sum)
			return err
		})
		j.OnFinish(func(context.Context, bun.Tx) error {
			if sum > 100 {
				return errors.New("too much")
			}
			return nil
		})
		return "paid", nil
	}}
	app, end := inlineApp(pay)
	defer end()
	ctx := context.Background()
	if _, err := app.DB().Writer().ExecContext(ctx, "CREATE TABLE payment (sum INTEGER)"); err != nil {
		log.Fatal(err)
	}
	for _, sum := range []int{7, 700} {
		_, err := dispatched(app, pay, sum).Wait(ctx)
		fmt.Println(err == nil)
	}
	var total int
	err := app.DB().Reader().QueryRowContext(ctx, "SELECT sum(sum) FROM payment").Scan(&total)
	fmt.Println(total, err)
	// Output:
	// true
	// false
	// 7 <nil>
}

// A file gets into a repository by a task that has the repository for itself.
func ExampleNewVersion() {
	type upload struct {
		Repository int64
		Path, Text string
	}
	put := &pulp.Task[upload, string]{Name: "example.put", Run: func(ctx context.Context, j *pulp.Job, in upload) (string, error) {
		f, err := j.App().Receive(ctx, strings.NewReader(in.Text))
		if err != nil {
			return "", err
		}
		defer f.Discard()
		unit, err := file.Unit(ctx, in.Path, f)
		if err != nil {
			return "", err
		}
		v, err := j.NewVersion(ctx, in.Repository, nil)
		if err != nil {
			return "", err
		}
		if _, err := v.Put(ctx, unit); err != nil {
			return "", err
		}
		_, err = v.Finish(ctx)
		return fmt.Sprint("version ", v.Number), err
	}}
	app, end := exampleOf(pulp.Config{Plugins: []pulp.Plugin{file.Plugin()}, Parts: []pulp.Part{put}, Inline: true})
	defer end()
	ctx := context.Background()
	if err := app.Call(ctx, "POST", "repositories/file/file/", map[string]string{"name": "builds"}, nil); err != nil {
		log.Fatal(err)
	}
	repo, err := pulp.NewModel[pulp.Repository[file.Repository]]().First(ctx, app.DB().Reader(), func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("name = 'builds'") })
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range []string{"one.txt", "two.txt"} {
		fmt.Println(dispatched(app, put, upload{repo.ID, path, "hello"}, pulp.Exclusive(repo)).Wait(ctx))
	}
	// Output:
	// version 1 <nil>
	// version 2 <nil>
}

// RunReady is for programs that do something and exit: it runs all that may run.
func ExampleApp_RunReady() {
	say := saying()
	app, end := exampleOf(pulp.Config{Parts: []pulp.Part{say}})
	defer end()
	dispatched(app, say, "now")
	dispatched(app, say, "later", pulp.After(time.Hour))
	ran, err := app.RunReady(context.Background())
	fmt.Println(len(ran), err)
	// Output:
	// now
	// 1 <nil>
}

// Drain is how long Run waits for those that run when it is told to end.
func ExampleConfig_drain() {
	begun, leave := make(chan struct{}), make(chan struct{})
	sit := &pulp.Task[string, string]{Name: "example.sit", Run: func(context.Context, *pulp.Job, string) (string, error) {
		close(begun)
		<-leave
		return "done", nil
	}}
	app, end := exampleOf(pulp.Config{Parts: []pulp.Part{sit}, Drain: time.Minute})
	defer end()
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error)
	go func() { ran <- app.Run(ctx) }()
	<-app.Started()
	ticket := dispatched(app, sit, "")
	<-begun
	stop() // no task starts any more
	close(leave)
	fmt.Println(<-ran)
	fmt.Println(ticket.Wait(context.Background()))
	// Output:
	// <nil>
	// done <nil>
}

// Around is the place for what all handlers have in common: traces, measures, clean errors.
func ExampleConfig_around() {
	say := saying()
	app, end := exampleOf(pulp.Config{Parts: []pulp.Part{say}, Inline: true, Around: func(ctx context.Context, j *pulp.Job, run func(context.Context) error) error {
		fmt.Println("begin", j.Name())
		err := run(ctx)
		fmt.Println("end", err)
		return err
	}})
	defer end()
	dispatched(app, say, "hello")
	// Output:
	// begin example.say
	// hello
	// end <nil>
}

// A task of which only the id is known, as from a request, can be waited for as well.
func ExampleApp_Wait() {
	greet := greeting()
	app, end := exampleApp(greet)
	defer end()
	id := dispatched(app, greet, "id").ID
	result, err := app.Wait(context.Background(), id)
	fmt.Println(string(result), err)
	// Output: "Hello, id" <nil>
}

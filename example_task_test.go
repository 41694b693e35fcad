package pulp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

// exampleApp opens an App in a directory that is thrown away, and runs it.
func exampleApp(parts ...pulp.Part) (app *pulp.App, end func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	db, err := sqlite.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	app, err = pulp.Open(context.Background(), db, pulp.Config{Parts: parts})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- app.Run(ctx) }()
	return app, func() {
		cancel()
		if err := errors.Join(<-done, app.Close(), os.RemoveAll(dir)); err != nil {
			log.Fatal(err)
		}
	}
}

// A task is declared as a value, with the types of its arguments and its result.
func ExampleTask() {
	shout := &pulp.Task[string, string]{
		Name: "example.shout",
		Run: func(_ context.Context, _ *pulp.Job, text string) (string, error) {
			return strings.ToUpper(text) + "!", nil
		},
	}
	app, end := exampleApp(shout)
	defer end()

	var ticket *pulp.Ticket[string]
	err := app.Tx(context.Background(), func(ctx context.Context, tx bun.Tx) (err error) {
		ticket, err = shout.Dispatch(ctx, tx, "hello")
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ticket.Wait(context.Background()))
	// Output: HELLO! <nil>
}

// Two tasks that reserve the same thing exclusively run one after the other, in the order of
// their dispatch; so they need no lock of their own.
func ExampleTask_Dispatch() {
	var ledger []string
	book := &pulp.Task[string, struct{}]{
		Name: "example.book",
		Run: func(_ context.Context, _ *pulp.Job, entry string) (struct{}, error) {
			ledger = append(ledger, entry)
			return struct{}{}, nil
		},
	}
	app, end := exampleApp(book)
	defer end()

	// The host's own rows would be written in the same transaction.
	var last *pulp.Ticket[struct{}]
	err := app.Tx(context.Background(), func(ctx context.Context, tx bun.Tx) (err error) {
		for _, entry := range []string{"rent", "bread", "wine"} {
			last, err = book.Dispatch(ctx, tx, entry, pulp.Exclusive(pulp.Name("ledger")), pulp.Shared(pulp.Name("calendar")))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := last.Wait(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(ledger)
	// Output: [rent bread wine]
}

// Wait returns what the handler returned, also as an error.
func ExampleTicket_Wait() {
	divide := &pulp.Task[[2]int, int]{
		Name: "example.divide",
		Run: func(_ context.Context, _ *pulp.Job, n [2]int) (int, error) {
			if n[1] == 0 {
				return 0, &pulp.TaskError{Code: "EX01", Text: "nothing can be divided by zero"}
			}
			return n[0] / n[1], nil
		},
	}
	app, end := exampleApp(divide)
	defer end()

	for _, n := range [][2]int{{84, 2}, {84, 0}} {
		var ticket *pulp.Ticket[int]
		err := app.Tx(context.Background(), func(ctx context.Context, tx bun.Tx) (err error) {
			ticket, err = divide.Dispatch(ctx, tx, n)
			return err
		})
		if err != nil {
			log.Fatal(err)
		}
		quotient, err := ticket.Wait(context.Background())
		var failure *pulp.TaskError
		if errors.As(err, &failure) {
			fmt.Println(failure.Code, failure)
			continue
		}
		fmt.Println(quotient)
	}
	// Output:
	// 42
	// EX01 nothing can be divided by zero
}

// A job tells how far it is, and keeps its last writes for the commit that completes it.
func ExampleJob() {
	count := &pulp.Task[[]string, int]{
		Name: "example.count",
		Run: func(_ context.Context, j *pulp.Job, files []string) (letters int, err error) {
			done := j.Progress("example.files", "Counting letters", int64(len(files)))
			for _, f := range files {
				done.Suffix(f)
				letters += len(f)
				done.Add(1)
			}
			j.OnFinish(func(ctx context.Context, tx bun.Tx) error {
				_, err := tx.ExecContext(ctx, "INSERT INTO letters VALUES (?)", letters)
				return err
			})
			return letters, nil
		},
	}
	app, end := exampleApp(count)
	defer end()
	ctx := context.Background()
	if _, err := app.DB().Writer().ExecContext(ctx, "CREATE TABLE letters (n INTEGER)"); err != nil {
		log.Fatal(err)
	}

	var ticket *pulp.Ticket[int]
	err := app.Tx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		ticket, err = count.Dispatch(ctx, tx, []string{"a", "bb", "ccc"})
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := ticket.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	var written, done, total int
	err = app.DB().Reader().QueryRowContext(ctx, "SELECT n, done, total FROM letters, progress_report").Scan(&written, &done, &total)
	fmt.Println(written, done, total, err)
	// Output: 6 3 3 <nil>
}

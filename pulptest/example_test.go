package pulptest_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
	"github.com/gopulp/pulp/sqlite"
)

// exampleT stands for the *testing.T that a test has.
type exampleT struct{}

func (exampleT) Errorf(format string, args ...any) { fmt.Printf(format, args...) }
func (exampleT) FailNow()                          { panic("failed") }
func (exampleT) Helper()                           {}

// open opens an App as a host does; a test has [pulptest.New] instead.
func open(cfg pulp.Config) (app *pulp.App, end func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Off))
	if err != nil {
		log.Fatal(err)
	}
	if app, err = pulp.Open(context.Background(), db, cfg); err != nil {
		log.Fatal(err)
	}
	return app, func() { app.Close(); os.RemoveAll(dir) }
}

var remind = &pulp.Task[string, string]{Name: "example.remind", Run: func(_ context.Context, _ *pulp.Job, of string) (string, error) {
	fmt.Println("remember:", of)
	return "", nil
}}

// exampleTB stands for the [testing.TB] of a test with clients.
type exampleTB struct{ testing.TB }

func (exampleTB) Helper()                  {}
func (exampleTB) Context() context.Context { return context.Background() }

// The client that judges runs with its own settings. Where it is not installed, the test is skipped.
func ExampleCommand() {
	fmt.Print(pulptest.Command{Env: []string{"GOOS=plan9"}}.Does(exampleTB{}, "go", "env", "GOOS"))
	// Output:
	// plan9
}

// Tomorrow comes when the test says so.
func ExampleClock() {
	clock := pulptest.NewClock()
	app, end := open(pulp.Config{Parts: []pulp.Part{remind}, Clock: clock})
	defer end()
	ctx := context.Background()
	err := app.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := remind.Dispatch(ctx, tx, "the milk", pulp.After(24*time.Hour))
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	ran, err := app.RunDue(ctx)
	fmt.Println(len(ran), err)
	clock.Advance(24 * time.Hour)
	_, err = app.RunDue(ctx)
	fmt.Println(err)
	// Output:
	// 0 <nil>
	// remember: the milk
	// <nil>
}

// What was dispatched is asked for with what it was dispatched with, also before the commit.
func ExampleRequireDispatched() {
	t := exampleT{}
	app, end := open(pulp.Config{Parts: []pulp.Part{remind}})
	defer end()
	err := app.Tx(context.Background(), func(ctx context.Context, tx bun.Tx) error {
		_, err := remind.Dispatch(ctx, tx, "the bread", pulp.Priority(2), pulp.Exclusive(pulp.Name("kitchen")))
		pulptest.RequireDispatched(t, pulptest.In(app, tx), remind, "the bread")
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	task := pulptest.RequireDispatched(t, app, remind, "the bread", pulp.Exclusive(pulp.Name("kitchen")))
	fmt.Println(task.State, task.Priority)
	pulptest.RequireNotDispatched(t, app, remind, pulp.Exclusive(pulp.Name("garden")))
	// Output: waiting 2
}

// Who comes to a gate waits until it is opened.
func ExampleGate() {
	t, gate := exampleT{}, pulptest.NewGate()
	passed := make(chan error)
	go func() { passed <- gate.Pass(context.Background()) }()
	gate.Await(t, 1)
	fmt.Println("somebody is there")
	gate.Open()
	fmt.Println(<-passed)
	// Output:
	// somebody is there
	// <nil>
}

package pulp_test

import (
	"context"
	"expvar"
	"fmt"
	"log"
	"os"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

// The host chooses the name, and whether there is one: two Apps of a process need two.
func ExampleApp_Vars() {
	app, end := exampleApp()
	defer end()
	vars := new(expvar.Map).Init() // or expvar.Publish("pulp", expvar.Func(app.Vars))
	vars.Set("pulp", expvar.Func(app.Vars))
	_, shown := vars.Get("pulp").(expvar.Func).Value().(*pulp.Figures)
	fmt.Println("figures:", shown)
	// Output: figures: true
}

func ExampleFigures() {
	app, end := exampleApp()
	defer end()
	f, err := app.Figures(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(f.Running, "tasks run,", f.Stored, "bytes are stored,", f.Units, "units were synced")
	// Output: 0 tasks run, 0 bytes are stored, 0 units were synced
}

// A meter prints what is downloaded and stored.
type meter struct{}

func (meter) Downloaded(d pulp.Download) { fmt.Println("downloaded", d.Bytes, "bytes:", d.Err == nil) }
func (meter) Stored(b pulp.Batch)        { fmt.Println("stored", b.Units, "units") }

func ExampleObserver() {
	dir, err := os.MkdirTemp("", "observer")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db, err := sqlite.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	app, err := pulp.Open(context.Background(), db, pulp.Config{Observer: meter{}})
	if err != nil {
		log.Fatal(err)
	}
	defer app.Close()
	// A sync would tell it: "downloaded 6 bytes: true", "stored 1 units".
	fmt.Println("observed")
	// Output: observed
}

func ExampleApp_RepositorySize() {
	app, end := exampleApp()
	defer end()
	_, err := app.RepositorySize(context.Background(), 1)
	fmt.Println(err)
	// Output: size of repository: not found
}

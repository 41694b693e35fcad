package pulp_test

import (
	"context"
	"expvar"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"testing/fstest"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/file"
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
	upstream := httptest.NewServer(http.FileServerFS(fstest.MapFS{
		"PULP_MANIFEST": {Data: []byte("hello.txt,5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03,6\n")},
		"hello.txt":     {Data: []byte("hello\n")},
	}))
	defer upstream.Close()
	dir, err := os.MkdirTemp("", "observer")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db, err := sqlite.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	app, err := pulp.Open(ctx, db, pulp.Config{Plugins: []pulp.Plugin{file.Plugin()}, Inline: true, Observer: meter{}})
	if err != nil {
		log.Fatal(err)
	}
	defer app.Close()
	type object map[string]any
	var remote, repository object
	call := func(path string, body object, answer any) {
		if err := app.Call(ctx, "POST", path, body, answer); err != nil {
			log.Fatal(err)
		}
	}
	call("remotes/file/file/", object{"name": "up", "url": upstream.URL + "/PULP_MANIFEST"}, &remote)
	call("repositories/file/file/", object{"name": "copy"}, &repository)
	call(fmt.Sprint(repository["pulp_href"], "sync/"), object{"remote": remote["pulp_href"]}, nil)
	// Output:
	// downloaded 77 bytes: true
	// downloaded 6 bytes: true
	// stored 1 units
}

func ExampleApp_RepositorySize() {
	app, end := exampleApp()
	defer end()
	_, err := app.RepositorySize(context.Background(), 1)
	fmt.Println(err)
	// Output: size of repository: not found
}

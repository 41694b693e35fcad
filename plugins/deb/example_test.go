package deb_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/deb"
	"github.com/gopulp/pulp/sqlite"
)

// must is what an example does with errors.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// openExample opens an App with the plugin in a directory of its own.
func openExample() (app *pulp.App, closeAll func()) {
	dir := must(os.MkdirTemp("", "deb"))
	db := must(sqlite.Open(dir, sqlite.Synchronous(sqlite.Off)))
	app = must(pulp.Open(context.Background(), db, pulp.Config{Plugins: []pulp.Plugin{deb.Plugin()}, AdminPassword: "secret", Logger: slog.New(slog.DiscardHandler)}))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	return app, func() {
		stop()
		<-ended
		app.Close()
		os.RemoveAll(dir)
	}
}

// call is App.Call, which panics.
func call(app *pulp.App, method, path string, body, out any) {
	if err := app.Call(context.Background(), method, path, body, out); err != nil {
		panic(err)
	}
}

// A new version of a repository with autopublish is there for apt at once; without a signing service
// it has a Release, but no InRelease.
func ExamplePlugin() {
	app, closeAll := openExample()
	defer closeAll()
	var repo struct {
		Href string `json:"pulp_href"`
	}
	call(app, "POST", "repositories/deb/apt/", map[string]any{"name": "tools", "autopublish": true}, &repo)
	call(app, "POST", "distributions/deb/apt/", map[string]any{"name": "tools", "base_path": "tools", "repository": repo.Href}, nil)
	var made struct {
		Task, State string
	}
	call(app, "POST", "publications/deb/apt/", map[string]any{"repository": repo.Href}, &made)
	for made.State != "completed" {
		call(app, "GET", made.Task, nil, &made)
	}
	for _, file := range []string{"Release", "InRelease"} {
		w := httptest.NewRecorder()
		httpapi.Handler(app).ServeHTTP(w, httptest.NewRequest("GET", "/pulp/content/tools/dists/default/"+file, nil))
		fmt.Println(w.Code)
		for line := range strings.Lines(w.Body.String()) {
			if strings.HasPrefix(line, "Suite") || strings.HasPrefix(line, "Components") {
				fmt.Print(line)
			}
		}
	}
	// Output:
	// 200
	// Suite: default
	// Components: all
	// 404
}

// What a remote cannot mean is refused when it is made, by the name of the field.
func ExampleRemote() {
	app, closeAll := openExample()
	defer closeAll()
	err := app.Call(context.Background(), "POST", "remotes/deb/apt/", map[string]any{"name": "debian", "url": "http://deb.debian.org/debian", "distributions": "../etc", "gpgkey": "no key"}, nil)
	fmt.Println(strings.ReplaceAll(err.Error(), "; ", "\n"))
	// Output:
	// POST remotes/deb/apt/: distributions: "../etc": only letters, digits and + . _ ~ - are allowed, in parts separated by slashes, but not at the end as in a flat repository.
	// gpgkey: Enter armored OpenPGP public keys (read gpgkey: openpgp: invalid argument: no armored data found).
}

// A package says what its control paragraph says; a client chooses where it comes.
func ExamplePackage() {
	file := pack(must(tarOf("./control", "Package: hello\nVersion: 2:1.0-1\nArchitecture: all\nDescription: says hello\n")), must(tarOf("./hello", "hello")))
	p, err := deb.Inspect(bytes.NewReader(file))
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Package, p.Version, p.Architecture, p.Fields.Description)
	fmt.Print(p.Control)
	// Output:
	// hello 2:1.0-1 all says hello
	// Package: hello
	// Version: 2:1.0-1
	// Architecture: all
	// Description: says hello
}

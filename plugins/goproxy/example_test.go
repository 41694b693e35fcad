package goproxy_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/goproxy"
	"github.com/gopulp/pulp/pulptest"
	"github.com/gopulp/pulp/sqlite"
)

// must is what an example does with errors.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// openExample opens an App with the plugin in a directory of its own, whose tasks have run when they are dispatched.
func openExample() (app *pulp.App, closeAll func()) {
	dir := must(os.MkdirTemp("", "goproxy"))
	db := must(sqlite.Open(dir, sqlite.Synchronous(sqlite.Off)))
	app = must(pulp.Open(context.Background(), db, pulp.Config{Plugins: []pulp.Plugin{goproxy.Plugin()}, Inline: true, AdminPassword: "secret", Logger: slog.New(slog.DiscardHandler)}))
	return app, func() {
		app.Close()
		os.RemoveAll(dir)
	}
}

// create makes an object, and is its href.
func create(app *pulp.App, path string, body object) string {
	var made struct {
		Href string `json:"pulp_href"`
	}
	if err := app.Call(context.Background(), "POST", path, body, &made); err != nil {
		panic(err)
	}
	return made.Href
}

// show prints what a client gets of some paths below the distribution "go".
func show(app *pulp.App, paths ...string) {
	for _, path := range paths {
		w := httptest.NewRecorder()
		httpapi.Handler(app).ServeHTTP(w, httptest.NewRequest("GET", "/pulp/content/go/"+path, nil))
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
}

// upstream is another proxy, which has one version of a module.
func upstream() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := map[string]string{
			"/example.com/hello/@v/list":        "v1.0.0\n",
			"/example.com/hello/@v/v1.0.0.info": `{"Version":"v1.0.0","Time":"2024-05-06T07:08:09Z"}`,
			"/example.com/hello/@v/v1.0.0.mod":  "module example.com/hello\n",
		}[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, text)
	}))
}

// A distribution with a remote passes on what the remote has, and has it itself from then on.
func ExamplePlugin() {
	app, closeAll := openExample()
	defer closeAll()
	proxy := upstream()
	remote := create(app, "remotes/goproxy/goproxy/", object{"name": "up", "url": proxy.URL, "policy": "on_demand", "max_retries": 0})
	repo := create(app, "repositories/goproxy/goproxy/", object{"name": "go"})
	create(app, "distributions/goproxy/goproxy/", object{"name": "go", "base_path": "go", "repository": repo, "remote": remote})
	show(app, "example.com/hello/@v/list", "example.com/hello/@v/v1.0.0.mod", "example.com/hello/@v/v2.0.0.mod")
	proxy.Close()
	show(app, "example.com/hello/@v/v1.0.0.info", "example.com/hello/@v/v1.0.0.mod", "example.com/hello/@v/v1.0.0.zip")
	// Output:
	// 200 v1.0.0
	// 200 module example.com/hello
	// 404 404: Not found.
	// 200 {"Version":"v1.0.0","Time":"2024-05-06T07:08:09Z"}
	// 200 module example.com/hello
	// 502 502: The remote does not deliver.
}

// A zip that is uploaded says of which version it is, and go.sum's hash of it is computed.
func ExampleModule() {
	var file bytes.Buffer
	z := zip.NewWriter(&file)
	fmt.Fprint(must(z.Create("example.com/hello@v1.0.0/go.mod")), "module example.com/hello\n")
	if err := z.Close(); err != nil {
		panic(err)
	}
	app, closeAll := openExample()
	defer closeAll()
	server := httptest.NewServer(httpapi.Handler(app))
	defer server.Close()
	a := must(pulptest.NewClient(server.URL, "admin", "secret").Try("POST", "content/goproxy/modules/upload/", pulptest.Form{"file": file.Bytes()}))
	var m goproxy.Module
	if err := json.Unmarshal(a.Body, &m); err != nil {
		panic(err)
	}
	fmt.Println(m.Module, m.Version, m.Kind, m.Hash)
	// Output:
	// example.com/hello v1.0.0 zip h1:euH96AScHJR1VHyYrZ4yqaKFZhz0EkAfl1Zxiryok9U=
}

// A remote lists the modules that a sync brings in.
func ExampleRemote() {
	app, closeAll := openExample()
	defer closeAll()
	proxy := upstream()
	defer proxy.Close()
	err := app.Call(context.Background(), "POST", "remotes/goproxy/goproxy/", object{"name": "bad", "url": proxy.URL, "modules": []string{"example.com/hello@master"}}, nil)
	fmt.Println(err)
	remote := create(app, "remotes/goproxy/goproxy/", object{"name": "up", "url": proxy.URL, "policy": "on_demand", "modules": []string{"example.com/hello"}})
	repo := create(app, "repositories/goproxy/goproxy/", object{"name": "go"})
	create(app, repo+"sync/", object{"remote": remote})
	var held struct {
		Results []struct{ Module, Version, Kind, Hash string }
	}
	if err := app.Call(context.Background(), "GET", "content/goproxy/modules/", nil, &held); err != nil {
		panic(err)
	}
	fmt.Println(held.Results)
	// Output:
	// POST remotes/goproxy/goproxy/: modules: example.com/hello@master: invalid version: not a semantic version
	// [{example.com/hello v1.0.0 mod h1:fpu2YBs8Cn+uPELS7pdczZmF9hlK1PibTkwahffYMfo=}]
}

package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/gorilla/mux"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/sqlite"
)

// A plugin answers some paths of its distributions itself; all others lead to files.
func ExampleLive() {
	greet := func(w http.ResponseWriter, r *httpapi.LiveRequest) error {
		if r.Vars["name"] == "nobody" {
			return pulp.ErrNotFound
		}
		_, err := fmt.Fprintf(w, "Hello %s, this is %s.\n", r.Vars["name"], r.BasePath)
		return err
	}
	plugin := pulp.Plugin{Name: "greeter", Version: "1.0.0", Parts: []pulp.Part{
		&pulp.DistributionType[pulp.None]{Name: "greeter", Live: httpapi.Live(func(r *mux.Router) {
			r.Handle("/hello/{name}", httpapi.LiveFunc(greet)).Methods("GET")
		})},
	}}
	app, end := appWith(plugin)
	defer end()
	err := app.Call(context.Background(), "POST", "distributions/greeter/greeter/", map[string]string{"name": "d", "base_path": "acme"}, nil)
	if err != nil {
		panic(err)
	}
	for _, path := range []string{"hello/ann", "hello/nobody", "file"} {
		w := httptest.NewRecorder()
		httpapi.Handler(app).ServeHTTP(w, httptest.NewRequest("GET", "/pulp/content/acme/"+path, nil))
		fmt.Print(w.Body)
	}
	// Output:
	// Hello ann, this is acme.
	// 404: Not found.
	// 404: Distribution is not pointing to a publication, repository, repository version, or remote.
}

// A greeting is a page for people and for programs.
type greeting struct {
	Name string `json:"name"`
}

func (g greeting) Render(w io.Writer, mediaType string) error {
	if mediaType == "application/json" {
		return json.NewEncoder(w).Encode(g)
	}
	_, err := fmt.Fprintf(w, "<p>Hello %s</p>\n", html.EscapeString(g.Name))
	return err
}

// The client says which form of a page it likes best.
func ExamplePage() {
	greet := func(w http.ResponseWriter, r *httpapi.LiveRequest) error {
		return r.Page(w, "1", []string{"text/html", "application/json"}, func() (httpapi.Page, error) { return greeting{r.Vars["name"]}, nil })
	}
	app, end := appWith(pulp.Plugin{Name: "greeter", Version: "1.0.0", Parts: []pulp.Part{
		&pulp.DistributionType[pulp.None]{Name: "greeter", Live: httpapi.Live(func(r *mux.Router) {
			r.Handle("/hello/{name}", httpapi.LiveFunc(greet)).Methods("GET")
		})},
	}})
	defer end()
	err := app.Call(context.Background(), "POST", "distributions/greeter/greeter/", map[string]string{"name": "d", "base_path": "acme"}, nil)
	if err != nil {
		panic(err)
	}
	for _, accepted := range []string{"*/*", "application/json"} {
		r, w := httptest.NewRequest("GET", "/pulp/content/acme/hello/ann", nil), httptest.NewRecorder()
		r.Header.Set("Accept", accepted)
		httpapi.Handler(app).ServeHTTP(w, r)
		fmt.Print(w.Header().Get("Content-Type"), " ", w.Body)
	}
	// Output:
	// text/html; charset=utf-8 <p>Hello ann</p>
	// application/json {"name":"ann"}
}

// appWith opens an App whose tasks run where they are dispatched, in a directory that is gone after the example.
func appWith(p pulp.Plugin) (app *pulp.App, end func()) {
	dir, err := os.MkdirTemp("", "live")
	if err != nil {
		panic(err)
	}
	db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Off))
	if err != nil {
		panic(err)
	}
	app, err = pulp.Open(context.Background(), db, pulp.Config{Plugins: []pulp.Plugin{p}, Inline: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	return app, func() {
		app.Close()
		os.RemoveAll(dir)
	}
}

package python_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/python"
	"github.com/gopulp/pulp/sqlite"
)

// must is what an example does with errors.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// openExample opens an App with the plugin in a directory of its own, whose tasks run at once.
func openExample() (app *pulp.App, closeAll func()) {
	dir := must(os.MkdirTemp("", "python"))
	db := must(sqlite.Open(dir, sqlite.Synchronous(sqlite.Off)))
	app = must(pulp.Open(context.Background(), db, pulp.Config{Plugins: []pulp.Plugin{python.Plugin()}, Inline: true, AdminPassword: "secret", Logger: slog.New(slog.DiscardHandler)}))
	return app, func() {
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

// An index takes uploads as twine makes them, and has the package at once.
func ExamplePlugin() {
	app, closeAll := openExample()
	defer closeAll()
	var repo struct {
		Href string `json:"pulp_href"`
	}
	call(app, "POST", "repositories/python/python/", map[string]any{"name": "tools"}, &repo)
	call(app, "POST", "distributions/python/pypi/", map[string]any{"name": "tools", "base_path": "tools", "repository": repo.Href}, nil)

	file := wheel(&testing.B{}, "hello", "1.0", "Requires-Python: >=3.8\n")
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	w.WriteField(":action", "file_upload")
	w.WriteField("sha256_digest", sum(file))
	part := must(w.CreateFormFile("content", "hello-1.0-py3-none-any.whl"))
	part.Write(file)
	w.Close()
	index := httpapi.Handler(app)
	ask := func(method, path string, body io.Reader) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/pypi/tools/"+path, body)
		r.Header.Set("Content-Type", w.FormDataContentType())
		r.SetBasicAuth("admin", "secret")
		answer := httptest.NewRecorder()
		index.ServeHTTP(answer, r)
		return answer
	}
	fmt.Println(ask("POST", "legacy/", &form).Code)
	page, _, _ := strings.Cut(ask("GET", "simple/hello/", nil).Body.String(), " data-core-metadata")
	fmt.Println(strings.ReplaceAll(page[strings.Index(page, "<h1>"):], sum(file), "…"))
	// Output:
	// 200
	// <h1>Links for hello</h1>
	// <a href="hello-1.0-py3-none-any.whl#sha256=…" data-requires-python="&gt;=3.8"
}

// What a remote cannot mean is refused when it is made, by the name of the field.
func ExampleRemote() {
	app, closeAll := openExample()
	defer closeAll()
	err := app.Call(context.Background(), "POST", "remotes/python/python/", map[string]any{"name": "pypi", "url": "https://pypi.org/", "includes": []string{"django 4"}, "excludes": []string{"six @ https://example.org"}}, nil)
	fmt.Println(strings.ReplaceAll(err.Error(), "; ", "\n"))
	// Output:
	// POST remotes/python/python/: excludes: "six @ https://example.org": "@ https://example.org" says nothing of versions: it must be like >=4, ==4.2.* or ~=4.1.
	// includes: "django 4": "4" says nothing of versions: it must be like >=4, ==4.2.* or ~=4.1.
}

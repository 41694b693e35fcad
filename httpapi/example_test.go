package httpapi_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/sqlite"
)

// exampleApp opens an App in a directory that is gone after the example.
func exampleApp() (app *pulp.App, end func()) {
	dir, err := os.MkdirTemp("", "pulp")
	if err != nil {
		panic(err)
	}
	db, err := sqlite.Open(dir)
	if err != nil {
		panic(err)
	}
	app, err = pulp.Open(context.Background(), db, pulp.Config{AdminPassword: "secret"})
	if err != nil {
		panic(err)
	}
	return app, func() {
		app.Close()
		os.RemoveAll(dir)
	}
}

// The handler is mounted below a prefix of the host's own server.
func ExampleHandler() {
	app, end := exampleApp()
	defer end()

	mux := http.NewServeMux()
	mux.Handle("/mirror/", http.StripPrefix("/mirror", httpapi.Handler(app)))
	server := httptest.NewServer(mux)
	defer server.Close()

	res, err := http.Get(server.URL + "/mirror/pulp/api/v3/livez/")
	if err != nil {
		panic(err)
	}
	res.Body.Close()
	fmt.Println(res.StatusCode)
	// Output: 200
}

// A program that is nothing but a server has no more to do than this, after [pulp.Open].
func ExampleServe() {
	app, end := exampleApp()
	defer end()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background()) // signal.NotifyContext in a program
	stop()
	fmt.Println(httpapi.Serve(ctx, app, l, nil))
	// Output: <nil>
}

// A host's own handler answers errors as the API does.
func ExampleError() {
	app, end := exampleApp()
	defer end()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /builds/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := pulp.ParseID(r.PathValue("id"))
		if err != nil {
			httpapi.Error(w, r, pulp.FieldErrors{"id": {"Must be a valid UUID."}})
			return
		}
		_, err = app.Wait(r.Context(), id)
		if err != nil {
			httpapi.Error(w, r, fmt.Errorf("build: %w", err))
		}
	})
	for _, path := range []string{"/builds/x", "/builds/0194b8e9-5425-799b-ad0a-86c71e160158"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 400 {"id":["Must be a valid UUID."]}
	// 404 {"detail":"Not found."}
}

// The host knows its users itself: here by a header that its own front end sets. Passwords
// of the App's accounts are accepted as well.
func ExampleAuthenticators() {
	app, end := exampleApp()
	defer end()

	byHeader := func(r *http.Request) (pulp.Caller, error) {
		name := r.Header.Get("X-Remote-User")
		if name == "" {
			return pulp.Caller{}, nil
		}
		return app.Caller(r.Context(), name) // with the roles of that account
	}
	h := httpapi.Handler(app, httpapi.Authenticators(byHeader, httpapi.Basic(app)))

	for _, user := range []string{"admin", "nobody"} {
		r := httptest.NewRequest("GET", "/pulp/api/v3/login/", nil)
		r.Header.Set("X-Remote-User", user)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 200 {"pulp_href":"/pulp/api/v3/users/1/","prn":"prn:auth.user:1","username":"admin"}
	// 401 {"detail":"User inactive or deleted."}
}

// The host decides itself what callers may do: here everybody reads, and nobody changes anything.
func ExampleAuthorize() {
	app, end := exampleApp()
	defer end()

	readOnly := func(_ context.Context, op *pulp.Operation, _ map[string]string) error {
		if op.Method != "GET" {
			return pulp.ErrDenied
		}
		return nil
	}
	h := httpapi.Handler(app, httpapi.Authorize(readOnly))
	for _, method := range []string{"GET", "POST"} {
		r := httptest.NewRequest(method, "/pulp/api/v3/uploads/", nil)
		r.SetBasicAuth("admin", "secret")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Println(method, w.Code)
	}
	// Output:
	// GET 200
	// POST 403
}

// A browser logs in once, and sends the cookie from then on.
func ExampleSession() {
	app, end := exampleApp()
	defer end()

	h := httpapi.Handler(app, httpapi.Authenticators(httpapi.Basic(app), httpapi.Session(app)))
	login := httptest.NewRequest("POST", "/pulp/api/v3/login/", nil)
	login.SetBasicAuth("admin", "secret")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, login)

	r := httptest.NewRequest("GET", "/pulp/api/v3/tasks/", nil)
	r.AddCookie(w.Result().Cookies()[0])
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 {"count":0,"next":null,"previous":null,"results":[]}
}

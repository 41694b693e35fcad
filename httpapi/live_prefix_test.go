package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gorilla/mux"
	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/pulptest"
)

// prefixed is a plugin with two types of distributions, one of which has a prefix.
func prefixed() pulp.Plugin {
	routes := httpapi.Live(func(r *mux.Router) {
		r.Handle("/where", httpapi.LiveFunc(func(w http.ResponseWriter, r *httpapi.LiveRequest) error {
			return r.Text(w, "text/plain", []byte(r.Base()))
		})).Methods("GET")
		r.Handle("/form", httpapi.LiveFunc(func(w http.ResponseWriter, r *httpapi.LiveRequest) error {
			form := r.Accepts("text/html", "application/json", "text/csv")
			if r.Unchanged(w, form) {
				return nil
			}
			return r.Text(w, form, []byte(fmt.Sprint(form, r.Version.Number)))
		})).Methods("GET")
	})
	return pulp.Plugin{Name: "live", Version: "1.0.0", Parts: []pulp.Part{notes, &pulp.RepositoryType[pulp.None]{Name: "live", Content: []pulp.Part{notes}},
		&pulp.DistributionType[pulp.None]{Name: "index", Live: routes, Prefix: "/index/"}, &pulp.DistributionType[pulp.None]{Name: "plain", Live: routes}}}
}

func TestDistributionsWithAPrefixAreBesideTheContentPath(t *testing.T) {
	t.Parallel()
	app := pulptest.New(t, pulptest.Plugins(prefixed()))
	index := app.Create(t, "distributions/live/index/", pulptest.Object{"name": "a", "base_path": "a/b"})
	plain := app.Create(t, "distributions/live/plain/", pulptest.Object{"name": "b", "base_path": "plain"})
	require.Equal(t, "/index/a/b/", index.Text("base_url"))
	require.Equal(t, "/pulp/content/plain/", plain.Text("base_url"))
	require.Equal(t, "/index/a/b/", app.List(t, "distributions/", "name=a")[0].Text("base_url"))
	for path, want := range map[string]string{
		"/index/a/b/where": app.Base + "/index/a/b/", "/pulp/content/a/b/where": app.Base + "/pulp/content/a/b/", "/pulp/content/plain/where": app.Base + "/pulp/content/plain/",
	} {
		require.Equal(t, want, string(app.Do(t, "GET", path, nil).Body))
	}
	for _, path := range []string{"/index/plain/where", "/index/", "/index/no/where", "/index/a/b/no", "/index", "/index/a//b/where", "/index/a/../plain/where"} {
		require.Equal(t, 404, app.Do(t, "GET", path, nil).Code, path)
	}
	require.Equal(t, 405, app.Do(t, "POST", "/index/a/b/where", nil).Code)
	require.Equal(t, 405, app.Do(t, "POST", "/index/plain/where", nil).Code)

	// Below a prefix of the host's.
	mounted := http.StripPrefix("/mirror", httpapi.Handler(app.App))
	w := httptest.NewRecorder()
	mounted.ServeHTTP(w, httptest.NewRequest("GET", "http://example.org/mirror/index/a/b/where", nil))
	require.Equal(t, "http://example.org/mirror/index/a/b/", w.Body.String())
	w = httptest.NewRecorder()
	mounted.ServeHTTP(w, httptest.NewRequest("GET", "http://example.org/mirror/index/a/b", nil))
	require.Equal(t, 301, w.Code)
	require.Equal(t, "/mirror/index/a/b/", w.Header().Get("Location"))
}

func TestAnAnswerOfAVersionIsNotSentAgain(t *testing.T) {
	t.Parallel()
	app := pulptest.New(t, pulptest.Plugins(prefixed()))
	repo := app.Create(t, "repositories/live/live/", pulptest.Object{"name": "r"})
	app.Create(t, "distributions/live/index/", pulptest.Object{"name": "a", "base_path": "a", "repository": repo.Href()})
	for accept, want := range map[string]string{
		"": "text/html", "*/*": "text/html", "image/*": "text/html", "application/json": "application/json", "text/*;q=0.3, application/json;q=0.5": "application/json",
		"text/*, text/html;q=0": "text/csv", "text/html;q=0.1, text/csv;q=x, */*;q=0.05": "text/html", "application/json;q=2": "text/html", "nonsense;;": "text/html",
	} {
		a := app.Do(t, "GET", "/index/a/form", nil, "Accept", accept)
		require.Equal(t, want+"0", string(a.Body), "%q", accept)
		again := app.Do(t, "GET", "/index/a/form", nil, "Accept", accept, "If-None-Match", a.Header.Get("ETag"))
		require.Equal(t, 304, again.Code, "%q", accept)
	}
	tag := app.Do(t, "GET", "/index/a/form", nil).Header.Get("ETag")
	app.Wait(t, app.Start(t, "POST", "content/live/notes/", pulptest.Form{"file": []byte("x"), "path": "x", "repository": repo.Href()}))
	require.Equal(t, 200, app.Do(t, "GET", "/index/a/form", nil, "If-None-Match", tag).Code)
}

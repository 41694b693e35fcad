package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/pulptest"
)

// Note is a unit of the live plugin of these tests: a text at a path.
type Note struct {
	Path   string `json:"path" validate:"required" pulp:"key,slot,filter"`
	Digest string `json:"digest" pulp:"hidden,key"`
}

var notes = &pulp.ContentType[Note]{
	Name: "note", Path: "notes", FilePath: func(n *Note) string { return n.Path },
	FromFile: func(_ context.Context, n *Note, f *pulp.Incoming) error { n.Digest = f.SHA256; return nil },
}

// livePlugin has routes that do what plugins do. gate is passed in the middle of "/twice".
func livePlugin(gate *pulptest.Gate) pulp.Plugin {
	routes := func(r *mux.Router) {
		get := func(path string, f httpapi.LiveFunc) { r.Handle(path, f).Methods("GET") }
		r.Handle("/", httpapi.LiveFunc(publishNote)).Methods("POST")
		get("/who", func(w http.ResponseWriter, r *httpapi.LiveRequest) error {
			_, err := fmt.Fprintf(w, "%s %s %d", r.BasePath, pulp.CallerOf(r.Context()).Username, r.Version.Number)
			return err
		})
		get("/notes/{name}", func(w http.ResponseWriter, r *httpapi.LiveRequest) error {
			for n, err := range notes.In(r.Context(), r.Version, "path", r.Vars["name"]) {
				if err != nil {
					return err
				}
				return r.Unit(w, n.ID)
			}
			return pulp.ErrNotFound
		})
		get("/twice", func(w http.ResponseWriter, r *httpapi.LiveRequest) error {
			fmt.Fprint(w, r.Version.Number, " ")
			if err := http.NewResponseController(w).Flush(); err != nil {
				return err
			}
			if err := gate.Pass(r.Context()); err != nil {
				return err
			}
			n := 0
			for _, err := range notes.In(r.Context(), r.Version, "path", "a") {
				if err != nil {
					return err
				}
				n++
			}
			_, err := fmt.Fprint(w, r.Version.Number, " ", n)
			return err
		})
		get("/panic", func(w http.ResponseWriter, _ *httpapi.LiveRequest) error {
			w.Header().Set("Content-Length", "7")
			panic("secret")
		})
		get("/half", func(w http.ResponseWriter, _ *httpapi.LiveRequest) error {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			return errors.New("broken")
		})
		get("/error", func(http.ResponseWriter, *httpapi.LiveRequest) error { return errors.New("secret") })
		get("/remote", func(http.ResponseWriter, *httpapi.LiveRequest) error { return pulp.ErrRemote })
		get("/or/{file}", func(w http.ResponseWriter, r *httpapi.LiveRequest) error { return r.Files(w) })
	}
	return pulp.Plugin{Name: "live", Version: "1.0.0", Parts: []pulp.Part{notes,
		&pulp.RepositoryType[pulp.None]{Name: "live", Content: []pulp.Part{notes}},
		&pulp.DistributionType[pulp.None]{Name: "live", Live: httpapi.Live(routes)},
	}}
}

// publishNote is a way to upload that looks as the clients of some index want it.
func publishNote(w http.ResponseWriter, r *httpapi.LiveRequest) error {
	if err := r.Allow("modify"); err != nil {
		return err
	}
	in, err := r.Form(w)
	if err != nil {
		return err
	}
	file := in.Files["file"]
	if file == nil {
		return pulp.FieldErrors{"file": {"No file was submitted."}}
	}
	unit, err := notes.Received(r.Context(), Note{Path: file.Name}, file)
	if err != nil {
		return err
	}
	ids, err := r.App().SaveUnits(r.Context(), unit)
	if err != nil {
		return err
	}
	ticket, err := r.Add(r.Context(), false, ids...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	if _, err := ticket.Wait(ctx); err != nil {
		return fmt.Errorf("%w: %w", pulp.ErrConflict, err)
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

type liveSite struct {
	*pulptest.App
	gate *pulptest.Gate
	repo pulptest.Object
}

func newLive(t *testing.T, fields pulptest.Object) *liveSite {
	t.Helper()
	s := &liveSite{gate: pulptest.NewGate()}
	s.App = pulptest.New(t, pulptest.Plugins(livePlugin(s.gate)))
	t.Cleanup(s.gate.Open)
	s.repo = s.Create(t, "repositories/live/live/", pulptest.Object{"name": "r"})
	s.put(t, "a")
	d := pulptest.Object{"name": "d", "base_path": "d", "repository": s.repo.Href()}
	for k, v := range fields {
		d[k] = v
	}
	s.Create(t, "distributions/live/live/", d)
	return s
}

func (s *liveSite) put(t *testing.T, path string) {
	t.Helper()
	s.Completes(t, "content/live/notes/", pulptest.Form{"file": []byte("bytes of " + path), "path": path, "repository": s.repo.Href()})
}

func TestLiveRoutesAnswerAndPathsWithoutOneAreFiles(t *testing.T) {
	t.Parallel()
	s := newLive(t, nil)
	s.put(t, "or/b")
	for path, want := range map[string]string{
		"d/who": "d admin 2", "d/a": "bytes of a", "d/notes/a": "bytes of a", "d/or/b": "bytes of or/b",
	} {
		a := s.Do(t, "GET", s.ContentURL(path), nil)
		require.Equal(t, 200, a.Code, path)
		require.Equal(t, want, string(a.Body), path)
		require.Equal(t, "sandbox", a.Header.Get("Content-Security-Policy"))
		require.Equal(t, 200, s.Do(t, "HEAD", s.ContentURL(path), nil).Code, path)
	}
	require.Contains(t, string(s.Content(t, "d/").Body), "or/")
	for path, code := range map[string]int{"d/nothing": 404, "d/notes/b": 404, "d/or/c": 404, "elsewhere/who": 404, "d/error": 500, "d/remote": 502} {
		a := s.Content(t, path)
		require.Equal(t, code, a.Code, path)
		require.NotContains(t, string(a.Body), "secret")
	}
}

func TestUnknownMethodsOfLiveRoutesAre405(t *testing.T) {
	t.Parallel()
	s := newLive(t, nil)
	for path, allow := range map[string]string{"d/who": "GET, HEAD, OPTIONS", "d/": "GET, HEAD, POST, OPTIONS", "d/a": "GET, HEAD, OPTIONS"} {
		a := s.Do(t, "DELETE", s.ContentURL(path), nil)
		require.Equal(t, 405, a.Code, path)
		require.Equal(t, allow, a.Header.Get("Allow"), path)
		require.Equal(t, 204, s.Do(t, "OPTIONS", s.ContentURL(path), nil).Code)
	}
}

func TestPanicOfALiveRouteIsAClean500(t *testing.T) {
	t.Parallel()
	s := newLive(t, nil)
	a := s.Content(t, "d/panic")
	require.Equal(t, 500, a.Code)
	require.Equal(t, "500: Internal server error.\n", string(a.Body))
	require.Contains(t, s.Log.String(), "secret")
	_, err := s.Try("GET", s.ContentURL("d/half"), nil)
	require.Error(t, err, "half an answer does not look whole")
	require.Equal(t, 200, s.Content(t, "d/who").Code)
}

func TestGuardsAreAskedBeforeLiveRoutes(t *testing.T) {
	t.Parallel()
	s := newLive(t, nil)
	guard := s.Create(t, "contentguards/core/header/", pulptest.Object{"name": "g", "header_name": "x-key", "header_value": "v"})
	d := s.List(t, "distributions/live/live/")[0]
	s.Update(t, d.Href(), pulptest.Object{"content_guard": guard.Href()})
	for _, path := range []string{"d/who", "d/panic", "d/nothing", "d/a", "d"} {
		require.Equal(t, 403, s.Content(t, path).Code, path)
	}
	require.Equal(t, 403, s.Do(t, "POST", s.ContentURL("d/"), pulptest.Form{"file": []byte("x")}).Code)
	a := s.Content(t, "d/who", "x-key", "dg==")
	require.Equal(t, 200, a.Code)
	require.Equal(t, "private", a.Header.Get("Cache-Control"))
}

func TestLiveRequestSeesOneVersion(t *testing.T) {
	t.Parallel()
	s := newLive(t, nil)
	got := make(chan string, 1)
	go func() {
		a, err := s.Try("GET", s.ContentURL("d/twice"), nil)
		if err != nil {
			got <- err.Error()
			return
		}
		got <- string(a.Body)
	}()
	s.gate.Await(t, 1)
	s.Completes(t, s.repo.Href()+"modify/", pulptest.Object{"remove_content_units": []string{"*"}})
	s.gate.Open()
	require.Equal(t, "1 1 1", <-got)
	require.Equal(t, "2 2 0", string(s.Content(t, "d/twice").Body))
}

func TestLiveUploadIsThereWhenItsAnswerIs(t *testing.T) {
	t.Parallel()
	s := newLive(t, nil)
	form := func(text string) pulptest.Form { return pulptest.Form{"file": []byte(text)} }
	post := func(c *pulptest.Client, text string) *pulptest.Answer {
		return c.Do(t, "POST", s.ContentURL("d/"), form(text))
	}
	require.Equal(t, 201, post(s.Client, "new").Code)
	require.Len(t, s.List(t, "content/live/notes/", pulptest.Param("repository_version", s.Get(t, s.repo.Href()).Text("latest_version_href"))), 2)
	require.Equal(t, 409, post(s.Client, "other").Code, "nothing is overwritten")

	wrong := pulptest.NewClient(s.Base, "admin", "wrong")
	a := post(wrong, "x")
	require.Equal(t, 401, a.Code)
	require.Contains(t, a.Header.Get("WWW-Authenticate"), "Basic")
	require.Equal(t, 401, post(pulptest.NewClient(s.Base, "", ""), "x").Code)
	s.Create(t, "users/", pulptest.Object{"username": "ann", "password": "a long secret"})
	require.Contains(t, []int{403, 404}, post(pulptest.NewClient(s.Base, "ann", "a long secret"), "x").Code)
	require.Equal(t, 403, s.Do(t, "POST", s.ContentURL("d/"), form("x"), "Sec-Fetch-Site", "cross-site").Code)
	require.Empty(t, s.Temps(t))
}

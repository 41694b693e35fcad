package pulp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
)

var verses = &pulp.ContentType[Poem]{Name: "verse", Path: "verses", FilePath: func(p *Poem) string { return "read/" + p.Title }}

// reading is an App with a distribution that answers below "v/read/" as a function does; what is not here comes
// from a remote. Its repository never changes a poem.
func reading(read httpapi.LiveFunc, url string) (app *pulp.App, end func()) {
	remotes := &pulp.RemoteType[pulp.None]{Name: "reading"}
	app, end = exampleOf(pulp.Config{Inline: true, Plugins: []pulp.Plugin{{Name: "reading", Version: "1.0.0", Parts: []pulp.Part{
		verses, remotes,
		&pulp.RepositoryType[pulp.None]{Name: "reading", Content: []pulp.Part{verses}, Remotes: []pulp.Part{remotes}, Immutable: true},
		&pulp.DistributionType[pulp.None]{Name: "reading", Remotes: []pulp.Part{remotes}, Live: httpapi.Live(func(r *mux.Router) {
			r.Handle("/read/{title}", read).Methods("GET")
		})},
	}}}})
	ctx := context.Background()
	var remote, repo struct {
		Href string `json:"pulp_href"`
	}
	check(app.Call(ctx, "POST", "remotes/reading/reading/", map[string]any{"name": "r", "url": url, "max_retries": 0}, &remote))
	check(app.Call(ctx, "POST", "repositories/reading/reading/", map[string]any{"name": "r"}, &repo))
	check(app.Call(ctx, "POST", "distributions/reading/reading/", map[string]any{"name": "v", "base_path": "v", "repository": repo.Href, "remote": remote.Href}, nil))
	return app, end
}

// got gets a poem from the remote, at the path where it was asked for.
func got(r *httpapi.LiveRequest) func(ctx context.Context) (*pulp.Unit, error) {
	return func(ctx context.Context) (*pulp.Unit, error) {
		f, err := r.Obtain(ctx, pulp.Remotely{URL: r.Below(r.Live.Path), Size: -1, Limit: 1 << 20})
		if err != nil {
			return nil, err
		}
		return verses.Unit(Poem{r.Vars["title"], f.SHA256}, pulp.Remotely{Bytes: f}), nil
	}
}

// What a client asks for first comes from the remote, and is there when the remote is gone.
func ExampleUpstream() {
	server := elsewhere(map[string]string{"read/walden": "hello"})
	app, end := reading(func(w http.ResponseWriter, r *httpapi.LiveRequest) error {
		return r.FilesOrPull(w, time.Minute, got(r))
	}, server.URL)
	defer end()
	shown(app, "v/read/walden", "v/read/emma")
	server.Close()
	shown(app, "v/read/walden", "v/read/sula")
	// Output:
	// v/read/walden 200 hello
	// v/read/emma 404 404: Not found.
	// v/read/walden 200 hello
	// v/read/sula 502 502: The remote does not deliver.
}

// However many need the same of a remote, it is asked once; what it does not have is not asked for again soon.
func ExamplePulled() {
	server := elsewhere(nil)
	defer server.Close()
	app, end := reading(func(w http.ResponseWriter, r *httpapi.LiveRequest) error {
		words, err := pulp.Pulled(r.Context(), r.Live, "words of "+r.Vars["title"], func(context.Context) (int, error) {
			fmt.Println("the remote is asked")
			return strings.Count(r.Vars["title"], "-") + 1, pulp.BadMetadata(r.Vars["title"], errors.New("it has no words"))
		})
		if errors.Is(err, pulp.ErrRemote) {
			return err
		}
		_, err = fmt.Fprintln(w, words)
		return err
	}, server.URL)
	defer end()
	shown(app, "v/read/no-words", "v/read/no-words")
	// Output:
	// the remote is asked
	// v/read/no-words 502 502: The remote does not deliver.
	// v/read/no-words 502 502: The remote does not deliver.
}

// The units of the version that a request sees are found by a field with a filter tag.
func ExampleContentType_In() {
	server := elsewhere(map[string]string{"read/walden": "hello"})
	defer server.Close()
	app, end := reading(func(w http.ResponseWriter, r *httpapi.LiveRequest) error {
		for c, err := range verses.In(r.Context(), r.Version, "title", r.Vars["title"]) {
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(w, c.Detail.Title, "is in version", r.Version.Number)
			return err
		}
		return r.FilesOrPull(w, time.Minute, got(r))
	}, server.URL)
	defer end()
	shown(app, "v/read/walden", "v/read/walden")
	// Output:
	// v/read/walden 200 hello
	// v/read/walden 200 walden is in version 1
}

// A repository whose units never change refuses another one in the place of one that it holds.
func ExampleRepositoryType_immutable() {
	server := elsewhere(nil)
	defer server.Close()
	texts := 0
	app, end := reading(func(w http.ResponseWriter, r *httpapi.LiveRequest) error {
		texts++
		f, err := r.App().Receive(r.Context(), strings.NewReader(fmt.Sprint("text ", texts)))
		if err != nil {
			return err
		}
		_, err = r.Keep(r.Context(), verses.Unit(Poem{r.Vars["title"], f.SHA256}, pulp.Remotely{Bytes: f}), time.Minute)
		var failed *pulp.TaskError
		if errors.As(err, &failed) {
			_, err = fmt.Fprint(w, failed.Code, ": ", failed.Text)
		}
		return err
	}, server.URL)
	defer end()
	shown(app, "v/read/walden", "v/read/walden")
	// Output:
	// v/read/walden 200
	// v/read/walden 200 PLP0023: Content would replace a unit with the same key in the repository, and overwrite is false.
}

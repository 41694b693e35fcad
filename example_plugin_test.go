package pulp_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"

	"github.com/gopulp/pulp"
)

// A Poem is a unit of the plugin of the next examples.
type Poem struct {
	Title  string `json:"title" pulp:"key,slot,filter" doc:"What it is called."`
	Digest string `json:"digest" pulp:"hidden,key"`
}

// A Bookcase is what the repositories of that plugin have beyond any other.
type Bookcase struct {
	Autopublish bool `json:"autopublish" default:"false" doc:"Whether new versions are published."`
}

var poems = &pulp.ContentType[Poem]{Name: "poem", Path: "poems", FilePath: func(p *Poem) string { return "poems/" + p.Title }}

// poetry is a plugin with that type of content, whose sync and publications are some functions.
func poetry(sync func(ctx context.Context, s *pulp.Sync, remote *pulp.Remote[pulp.None]) error, publish func(ctx context.Context, p *pulp.Publishing, pub *pulp.Publication[pulp.None]) error) pulp.Plugin {
	remotes := &pulp.RemoteType[pulp.None]{Name: "poetry"}
	publications := &pulp.PublicationType[pulp.None]{Name: "poetry", Repositories: "poetry", PassThrough: true, Publish: publish}
	repositories := &pulp.RepositoryType[Bookcase]{
		Name: "poetry", Content: []pulp.Part{poems}, Remotes: []pulp.Part{remotes},
		Sync: pulp.SyncFunc(func(ctx context.Context, s *pulp.Sync, _ *pulp.Repository[Bookcase], remote *pulp.Remote[pulp.None], _ pulp.SyncArgs) error {
			return sync(ctx, s, remote)
		}),
		OnVersion: pulp.Autopublish(publications, func(b *Bookcase) (pulp.None, bool) { return pulp.None{}, b.Autopublish }),
	}
	distributions := &pulp.DistributionType[pulp.None]{Name: "poetry", FromPublication: true}
	return pulp.Plugin{Name: "poetry", Version: "1.0.0", Parts: []pulp.Part{poems, remotes, repositories, publications, distributions}}
}

// elsewhere serves files by their paths; all that it serves is below its URL.
func elsewhere(files map[string]string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := files[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, text)
	}))
}

// line is what an index says of a file.
func line(path, text string) string {
	return fmt.Sprintf("%x %d %s\n", sha256.Sum256([]byte(text)), len(text), path)
}

// synced has an App sync from a URL, into a repository with some fields, and prints how that ended.
func synced(app *pulp.App, url string, fields map[string]any) {
	ctx := context.Background()
	var remote, repo struct {
		Href string `json:"pulp_href"`
	}
	fields["name"] = "r"
	check(app.Call(ctx, "POST", "remotes/poetry/poetry/", map[string]any{"name": "r", "url": url, "max_retries": 0}, &remote))
	check(app.Call(ctx, "POST", "repositories/poetry/poetry/", fields, &repo))
	check(app.Call(ctx, "POST", "distributions/poetry/poetry/", map[string]any{"name": "r", "base_path": "r", "repository": repo.Href}, nil))
	var task struct {
		Task, State string
		Error       struct{ Description string }
	}
	check(app.Call(ctx, "POST", repo.Href+"sync/", map[string]any{"remote": remote.Href}, &task))
	check(app.Call(ctx, "GET", task.Task, nil, &task))
	fmt.Println(strings.TrimSpace(task.State + " " + strings.ReplaceAll(task.Error.Description, url, "")))
}

// readPoems is a sync: it puts the poems of an index, which is believed if its digest is right.
func readPoems(ctx context.Context, s *pulp.Sync, remote *pulp.Remote[pulp.None]) error {
	sum, err := s.Read(ctx, remote.URL, "SHA256", 1000) // 1000 bytes are enough for it
	if err != nil {
		return err
	}
	words := append(strings.Fields(string(sum)), "", "")
	index, err := pulp.ParseRemotely("index", words[0], words[1])
	if err != nil {
		return pulp.BadMetadata("SHA256", err)
	}
	text, err := s.Fetch(ctx, remote.URL, index)
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(text); lines.Scan(); {
		words := append(strings.Fields(lines.Text()), "", "", "")
		f, err := pulp.ParseRemotely(words[2], words[0], words[1])
		if err != nil {
			return pulp.BadMetadata("index", err)
		}
		if f.URL, err = s.Resolve(remote.URL, f.Path); err != nil {
			return err
		}
		if err := s.Put(ctx, poems.Unit(Poem{path.Base(f.Path), f.SHA256}, f)); err != nil {
			return err
		}
	}
	return nil
}

// A plugin's sync reads the remote's metadata and puts units; downloading and adding them happen meanwhile.
// What is not as metadata says it is does not get in, and a sync that fails makes no version.
func ExampleSync() {
	index := line("walden", "hello")
	for _, text := range []string{"hello", "other"} {
		server := elsewhere(map[string]string{"SHA256": line("index", index), "index": index, "walden": text})
		app, end := exampleOf(pulp.Config{Plugins: []pulp.Plugin{poetry(readPoems, nil)}, Inline: true})
		synced(app, server.URL+"/", map[string]any{})
		server.Close()
		end()
	}
	// Output:
	// completed
	// failed fetch walden: digest does not match: expected sha256 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824, the 5 bytes that came have d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa
}

// A file whose digest no metadata tells is downloaded first, and the unit is made of it.
func ExampleSync_Obtain() {
	read := func(ctx context.Context, s *pulp.Sync, remote *pulp.Remote[pulp.None]) error {
		f, err := s.Obtain(ctx, pulp.Remotely{URL: s.Below("walden"), Size: -1, Limit: 1 << 20})
		if err != nil {
			return err
		}
		return s.Put(ctx, poems.Unit(Poem{"walden", f.SHA256}, pulp.Remotely{Bytes: f}))
	}
	server := elsewhere(map[string]string{"walden": "hello"})
	defer server.Close()
	app, end := exampleOf(pulp.Config{Plugins: []pulp.Plugin{poetry(read, nil)}, Inline: true})
	defer end()
	synced(app, server.URL+"/", map[string]any{})
	// Output:
	// completed
}

// What metadata says of a file is checked before anything is asked for.
func ExampleParseRemotely() {
	sum := strings.Repeat("ab", 32)
	for _, words := range [][3]string{{"pool/a", strings.ToUpper(sum), "7"}, {"../a", sum, "7"}, {"a", "ab", "7"}, {"a", sum, "-7"}} {
		f, err := pulp.ParseRemotely(words[0], words[1], words[2])
		fmt.Println(f.Path, f.Size, err)
	}
	// Output:
	// pool/a 7 <nil>
	//  0 "../a" is no path of a file below a directory
	//  0 "ab" is no sha256 checksum
	//  0 "-7" is no size in bytes
}

// The task's record says which file of the remote is bad, and why.
func ExampleBadMetadata() {
	err := pulp.BadMetadata("dists/stable/Release", errors.New("it has no field SHA256"))
	var failed *pulp.TaskError
	if !errors.As(err, &failed) {
		log.Fatal(err)
	}
	fmt.Println(failed.Code, failed.Text)
	// Output:
	// PLP0013 dists/stable/Release: it has no field SHA256
}

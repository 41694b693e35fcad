package pulp_test

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
)

// shown prints what an App serves at some paths below its content.
func shown(app *pulp.App, paths ...string) {
	for _, path := range paths {
		w := httptest.NewRecorder()
		httpapi.Handler(app).ServeHTTP(w, httptest.NewRequest("GET", "/pulp/content/"+path, nil))
		fmt.Println(strings.TrimSpace(fmt.Sprint(path, " ", w.Code, " ", w.Body)))
	}
}

// shelved has an App with some publications sync a poem into a repository that publishes its versions.
func shelved(publish func(ctx context.Context, p *pulp.Publishing, pub *pulp.Publication[pulp.None]) error, services ...pulp.SigningService) (app *pulp.App, end func()) {
	index := line("walden", "hello")
	server := elsewhere(map[string]string{"SHA256": line("index", index), "index": index, "walden": "hello"})
	defer server.Close()
	app, end = exampleOf(pulp.Config{Plugins: []pulp.Plugin{poetry(readPoems, publish)}, Inline: true, SigningServices: services})
	synced(app, server.URL+"/", map[string]any{"autopublish": true})
	return app, end
}

// A plugin lists the units of a version, with their files, in metadata.
func ExampleContentType_Published() {
	app, end := shelved(func(ctx context.Context, p *pulp.Publishing, _ *pulp.Publication[pulp.None]) error {
		return p.Write(ctx, "index", func(w io.Writer) error {
			for u, err := range poems.Published(ctx, p) {
				if err != nil {
					return err
				}
				fmt.Fprintf(w, "%s has %d bytes", u.Detail.Title, u.File.Size)
			}
			return nil
		})
	})
	defer end()
	shown(app, "r/index", "r/poems/walden")
	// Output:
	// completed
	// r/index 200 walden has 5 bytes
	// r/poems/walden 200 hello
}

// A file of metadata can be named by its digest: clients that read an older one go on to find it.
func ExamplePublishing_WriteUnder() {
	app, end := shelved(func(ctx context.Context, p *pulp.Publishing, _ *pulp.Publication[pulp.None]) error {
		f, err := p.WriteUnder(ctx, func(f pulp.PublishedFile) []string {
			return []string{"index", "by-hash/" + f.SHA256[:8]}
		}, func(w io.Writer) error {
			_, err := io.WriteString(w, "walden")
			return err
		})
		fmt.Println(f.Path, f.Size)
		return err
	})
	defer end()
	shown(app, "r/index", "r/by-hash/914fa1e8")
	// Output:
	// index 6
	// completed
	// r/index 200 walden
	// r/by-hash/914fa1e8 200 walden
}

// What vouches for the others is signed by a service that the configuration names.
func ExamplePublishing_Sign() {
	service := stamp("ann")
	app, end := shelved(func(ctx context.Context, p *pulp.Publishing, _ *pulp.Publication[pulp.None]) error {
		return p.Sign(ctx, service, pulp.ClearSignature, "signed", []byte("walden"))
	}, service)
	defer end()
	shown(app, "r/signed")
	// Output:
	// completed
	// r/signed 200 walden, signed by ann
}

// What is published may depend on settings of the repository.
func ExamplePublishedRepository() {
	_, end := shelved(func(ctx context.Context, p *pulp.Publishing, _ *pulp.Publication[pulp.None]) error {
		repo, err := pulp.PublishedRepository[Bookcase](ctx, p)
		if err == nil {
			fmt.Println(repo.Name, repo.Detail.Autopublish)
		}
		return err
	})
	defer end()
	// Output:
	// r true
	// completed
}

// A repository may publish each new version by itself; its settings say whether it does.
func ExampleAutopublish() {
	publish := func(context.Context, *pulp.Publishing, *pulp.Publication[pulp.None]) error {
		fmt.Println("published")
		return nil
	}
	_, end := shelved(publish)
	end()
	app, end := exampleOf(pulp.Config{Plugins: []pulp.Plugin{poetry(readPoems, publish)}, Inline: true})
	defer end()
	server := elsewhere(map[string]string{"SHA256": line("index", ""), "index": ""})
	defer server.Close()
	synced(app, server.URL+"/", map[string]any{"autopublish": false})
	// Output:
	// published
	// completed
	// completed
}

// Clients read which services there are, and their public keys, in the API.
func ExampleSigningServiceRecord() {
	app, end := exampleOf(pulp.Config{SigningServices: []pulp.SigningService{stamp("releases")}})
	defer end()
	var list struct {
		Results []pulp.SigningServiceRecord `json:"results"`
	}
	check(app.Call(context.Background(), "GET", "signing-services/", nil, &list))
	fmt.Println(list.Results[0].Name, list.Results[0].Fingerprint, list.Results[0].PublicKey)
	// Output:
	// releases F1 key of releases
}

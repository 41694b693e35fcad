package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/gopulp/pulp/internal/upstream"
)

// A tour goes through the steps of the job.
type tour struct {
	ctx      context.Context
	out      io.Writer
	server   *server
	up       *upstream.Upstream
	manifest string // the URL of the upstream's
	do       doer
	steps    int

	remote, repository, version, publication string // hrefs
	content                                  string // the URL below which the files are served
}

// walk takes all steps, and stops at the first that fails.
func (t *tour) walk() error {
	t.say("Mirror, version, publish and serve files, over the REST API.\n")
	t.say("  server    %s/pulp/api/v3/", t.server.url)
	t.say("  login     admin, password %s", t.server.password)
	t.say("  data      %s", t.server.dir)
	t.say("  upstream  %s", t.manifest)
	t.say("            %d files of %.1f MiB in sum, made up; it sends %d MiB a second\n",
		len(t.up.Files), float64(t.up.Size())/(1<<20), t.up.BytesPerSecond>>20)
	for _, step := range []struct {
		title string
		take  func() error
	}{
		{"Remote: where content comes from", t.makeRemote},
		{"Repository: what holds the content, in versions", t.makeRepository},
		{"Sync: a task that brings the content in, and makes a version", t.sync},
		{"Version: what the repository holds now, for ever", t.showVersion},
		{"Publication: the version with the metadata that clients need", t.publish},
		{"Distribution: the address at which a publication is served", t.distribute},
		{"Download: what any client does, without a login", t.download},
	} {
		t.steps++
		t.say("%d. %s", t.steps, step.title)
		if err := step.take(); err != nil {
			return fmt.Errorf("step %d (%s): %w", t.steps, step.title, err)
		}
		t.say("")
	}
	return nil
}

func (t *tour) makeRemote() (err error) {
	t.remote, err = t.create("remotes/file/file/", body{"name", "quickstart", "url", t.manifest})
	return err
}

func (t *tour) makeRepository() (err error) {
	t.repository, err = t.create("repositories/file/file/", body{"name", "quickstart"})
	return err
}

func (t *tour) sync() error {
	made, err := t.work(t.repository+"sync/", body{"remote", t.remote})
	if err != nil {
		return err
	}
	t.version, err = one(made, "/versions/")
	return err
}

func (t *tour) showVersion() error {
	var v struct {
		Number  int
		Summary struct {
			Present map[string]struct{ Count int }
		} `json:"content_summary"`
	}
	if err := t.ask(t.api(t.version, nil), &v); err != nil {
		return err
	}
	t.say("   => version %d holds %d files", v.Number, v.Summary.Present["file.file"].Count)
	return nil
}

func (t *tour) publish() error {
	made, err := t.work("/pulp/api/v3/publications/file/file/", body{"repository_version", t.version})
	if err != nil {
		return err
	}
	t.publication, err = one(made, "/publications/")
	return err
}

func (t *tour) distribute() error {
	made, err := t.work("/pulp/api/v3/distributions/file/file/",
		body{"name", "quickstart", "base_path", "quickstart", "publication", t.publication})
	if err != nil {
		return err
	}
	href, err := one(made, "/distributions/")
	if err != nil {
		return err
	}
	var d struct {
		BaseURL string `json:"base_url"`
	}
	if err := t.ask(t.api(href, nil), &d); err != nil {
		return err
	}
	t.content = t.server.url + d.BaseURL
	t.say("   => served at %s", t.content)
	return nil
}

func (t *tour) download() error {
	want := t.up.Files[len(t.up.Files)/2]
	r := request{url: t.content + want.Path, save: path.Base(want.Path)}
	t.show(r)
	got, err := t.do(t.ctx, r)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(got)
	if found := hex.EncodeToString(sum[:]); found != want.SHA256 {
		return fmt.Errorf("%s has the sha256 %s, the upstream's file has %s", r.url, found, want.SHA256)
	}
	t.say("   => %d bytes; the sha256 is the one of the upstream's file:\n      %s", len(got), want.SHA256)
	return nil
}

// create makes an object and returns its href.
func (t *tour) create(collection string, fields body) (href string, err error) {
	var object struct {
		Href string `json:"pulp_href"`
	}
	if err := t.ask(t.api("/pulp/api/v3/"+collection, fields), &object); err != nil {
		return "", err
	}
	t.say("   => made %s", object.Href)
	return object.Href, nil
}

// ask shows a request, makes it and decodes the answer.
func (t *tour) ask(r request, answer any) error {
	t.show(r)
	return t.fetch(r, answer)
}

func (t *tour) fetch(r request, answer any) error {
	text, err := t.do(t.ctx, r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s did not answer with JSON: %w", r.url, err)
	}
	return nil
}

// api is a request to the REST API. No fields make it a GET.
func (t *tour) api(href string, fields body) request {
	r := request{url: t.server.url + href, user: "admin", password: t.server.password}
	if fields != nil {
		r.body = fields.String()
	}
	return r
}

func (t *tour) show(r request) {
	t.say("\n   %s\n", strings.ReplaceAll(r.curl(), "\n", "\n   "))
}

func (t *tour) say(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }

func (t *tour) sayWhereItServes() {
	t.say("Serving until Ctrl-C; then everything is removed.\n")
	t.say("  content   %s", t.content)
	t.say("  API       %s/pulp/api/v3/", t.server.url)
	t.say("  its docs  %s/pulp/api/v3/docs/api.json", t.server.url)
	t.say("  login     admin, password %s", t.server.password)
}

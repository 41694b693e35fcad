package pulp_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/pulptest"
)

// A JSON body or answer.
type object = pulptest.Object

const (
	fileRepositories  = "repositories/file/file/"
	fileRemotes       = "remotes/file/file/"
	fileContent       = "content/file/files/"
	filePublications  = "publications/file/file/"
	fileDistributions = "distributions/file/file/"
)

// A site is an App with the file plugin, and helpers that name what they make by themselves.
type site struct {
	*pulptest.App
	made    int
	routing sync.Once
	handler http.Handler // what ask asks
}

func newFiles(t testing.TB, opts ...pulptest.Option) *site {
	t.Helper()
	return &site{App: pulptest.New(t, append(opts, pulptest.Plugins(file.Plugin()))...)}
}

func (s *site) name() string {
	s.made++
	return fmt.Sprintf("n%d", s.made)
}

// with returns the fields and a name, where they have none.
func (s *site) with(fields []object, more object) object {
	out := object{"name": s.name()}
	for _, f := range append([]object{more}, fields...) {
		for k, v := range f {
			out[k] = v
		}
	}
	return out
}

func (s *site) repository(t pulptest.T, fields ...object) object {
	t.Helper()
	return s.Create(t, fileRepositories, s.with(fields, nil))
}

// remote makes one that tries nothing twice.
func (s *site) remote(t pulptest.T, up *pulptest.Upstream, fields ...object) object {
	t.Helper()
	return s.Create(t, fileRemotes, s.with(fields, object{"url": up.URL(pulptest.ManifestName), "max_retries": 0}))
}

// unit makes a file unit with some bytes.
func (s *site) unit(t pulptest.T, path, body string) string {
	t.Helper()
	a := s.Do(t, "POST", fileContent+"upload/", pulptest.Form{"relative_path": path, "file": []byte(body)})
	require.Equal(t, 201, a.Code, "%s", a.Body)
	return a.Object(t).Href()
}

func (s *site) sync(t pulptest.T, repo, remote object, fields ...object) object {
	t.Helper()
	body := s.with(fields, object{"remote": remote.Href()})
	delete(body, "name")
	return s.Completes(t, repo.Href()+"sync/", body)
}

func (s *site) modify(t pulptest.T, repo object, body object) object {
	t.Helper()
	return s.Completes(t, repo.Href()+"modify/", body)
}

func (s *site) latest(t pulptest.T, repo object) string {
	t.Helper()
	return s.Get(t, repo.Href()).Text("latest_version_href")
}

func (s *site) publish(t pulptest.T, of object) object {
	t.Helper()
	return s.Create(t, filePublications, of)
}

func (s *site) distribute(t pulptest.T, base string, of object) object {
	t.Helper()
	return s.Create(t, fileDistributions, s.with([]object{of}, object{"base_path": base}))
}

// paths are the paths of the files of a version.
func (s *site) paths(t pulptest.T, version string) []string {
	t.Helper()
	out := []string{}
	for _, c := range s.List(t, fileContent, pulptest.Param("repository_version", version), "ordering=pulp_created") {
		out = append(out, c.Text("relative_path"))
	}
	return out
}

// count asks the database for a number.
func (s *site) count(t pulptest.T, query string, args ...any) int {
	t.Helper()
	var n int
	require.NoError(t, s.DB().Reader().DB.QueryRow(query, args...).Scan(&n))
	return n
}

// row reads a repository, so that a test can reserve it.
func (s *site) row(t pulptest.T, href string) *pulp.Repository[file.Repository] {
	t.Helper()
	parts := strings.Split(href, "/")
	id, err := pulp.ParseID(parts[slices.Index(parts, "repositories")+3])
	require.NoError(t, err)
	repo, err := pulp.NewModel[pulp.Repository[file.Repository]]().One(context.Background(), s.DB().Reader(), id)
	require.NoError(t, err)
	return repo
}

// perform starts a task and waits for it.
func perform[A, R any](app *pulp.App, task *pulp.Task[A, R], args A, opts ...pulp.DispatchOption) (R, error) {
	var ticket *pulp.Ticket[R]
	err := app.Tx(context.Background(), func(ctx context.Context, tx bun.Tx) (err error) {
		ticket, err = task.Dispatch(ctx, tx, args, opts...)
		return err
	})
	if err != nil {
		var none R
		return none, err
	}
	return ticket.Wait(context.Background())
}

package pulptest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/pulptest"
)

// A repository of files, the remote that it is synced from, and the upstream behind it.
func setUp(t *testing.T, app *pulptest.App, up *pulptest.Upstream) (repo, remote pulptest.Object) {
	t.Helper()
	remote = app.Create(t, "remotes/file/file/", pulptest.Object{"name": "up", "url": up.URL(pulptest.ManifestName), "max_retries": 0})
	return app.Create(t, "repositories/file/file/", pulptest.Object{"name": "foo", "remote": remote.Href()}), remote
}

func TestKitDrivesASyncFromUpstreamToClient(t *testing.T) {
	t.Parallel()
	app, up := pulptest.New(t, pulptest.Plugins(file.Plugin())), pulptest.NewUpstream(t)
	up.Put("dir/a b.bin", "hello")
	repo, _ := setUp(t, app, up)
	task := app.Completes(t, repo.Href()+"sync/", pulptest.Object{})
	require.Equal(t, []string{repo.Href() + "versions/1/"}, task.Texts("created_resources"))
	require.Equal(t, 1, up.Hits("dir/a b.bin"))

	pub := app.Create(t, "publications/file/file/", pulptest.Object{"repository": repo.Href()})
	app.Create(t, "distributions/file/file/", pulptest.Object{"name": "d", "base_path": "d", "publication": pub.Href()})
	require.Equal(t, "hello", string(app.Content(t, "d/dir/a b.bin").Body))
	require.Equal(t, string(up.Manifest()), string(app.Content(t, "d/PULP_MANIFEST").Body))
	require.Empty(t, app.Temps(t))
}

func TestGateHoldsTheUpstreamUntilItIsOpened(t *testing.T) {
	t.Parallel()
	app, up := pulptest.New(t, pulptest.Plugins(file.Plugin())), pulptest.NewUpstream(t)
	up.Put("a", "a")
	repo, _ := setUp(t, app, up)
	gate := up.Hold("a")
	first := app.Start(t, "POST", repo.Href()+"sync/", pulptest.Object{})
	gate.Await(t, 1)
	second := app.Start(t, "POST", repo.Href()+"sync/", pulptest.Object{})
	require.Equal(t, "running", app.State(t, first))
	require.Equal(t, "waiting", app.State(t, second))
	gate.Open()
	require.Equal(t, "completed", app.Wait(t, first).Text("state"))
	require.Equal(t, "completed", app.Wait(t, second).Text("state"))
}

func TestUpstreamLies(t *testing.T) {
	t.Parallel()
	app, up := pulptest.New(t, pulptest.Plugins(file.Plugin())), pulptest.NewUpstream(t)
	up.Put("a", "hello")
	repo, _ := setUp(t, app, up)
	up.Answer("a", pulptest.First(1, pulptest.WrongBytes))
	require.NotEmpty(t, app.Fails(t, repo.Href()+"sync/", pulptest.Object{}))
	require.Equal(t, repo.Href()+"versions/0/", app.Get(t, repo.Href()).Text("latest_version_href"))
	app.Completes(t, repo.Href()+"sync/", pulptest.Object{})
	require.Len(t, app.List(t, "content/file/files/", pulptest.Param("repository_version", repo.Href()+"versions/1/")), 1)
}

func TestRefusedShowsTheAnswer(t *testing.T) {
	t.Parallel()
	app := pulptest.New(t, pulptest.Plugins(file.Plugin()))
	answer := app.Refused(t, http.StatusBadRequest, "POST", "remotes/file/file/", pulptest.Object{"url": "x"})
	require.Contains(t, answer.Object(t), "name")
}

func TestDirectoryCanBeOpenedAgain(t *testing.T) {
	t.Parallel()
	app := pulptest.New(t, pulptest.Plugins(file.Plugin()))
	repo := app.Create(t, "repositories/file/file/", pulptest.Object{"name": "foo"})
	app.Stop()
	again := pulptest.New(t, pulptest.Plugins(file.Plugin()), pulptest.Dir(app.Dir))
	require.Equal(t, "foo", again.Get(t, repo.Href()).Text("name"))
}

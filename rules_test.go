package pulp_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

// newBoxSite is an App with the plugins "file" and "box".
func newBoxSite(t *testing.T, opts ...pulptest.Option) (*site, *boxPlugin) {
	t.Helper()
	b := newBoxes()
	return newFiles(t, append(opts, pulptest.Plugins(b.plugin()))...), b
}

// syncBoxes syncs a list of boxes into a repository.
func (s *site) syncBoxes(t *testing.T, repo object, up *pulptest.Upstream, mirror bool, lines ...string) string {
	t.Helper()
	up.Put("list", "")
	text := ""
	for _, l := range lines {
		text += l
	}
	up.Put("list", text)
	remote := s.Create(t, "remotes/box/box/", object{"name": s.name(), "url": up.URL("list"), "max_retries": 0})
	return s.Start(t, "POST", repo.Href()+"sync/", object{"remote": remote.Href(), "mirror": mirror})
}

func (s *site) boxes(t *testing.T) object {
	t.Helper()
	return s.Create(t, "repositories/box/box/", object{"name": s.name()})
}

func TestVersionNeedsItsRepositoryForItselfAlone(t *testing.T) {
	t.Parallel()
	task := &pulp.Task[int64, struct{}]{Name: "test.grab", Run: func(ctx context.Context, j *pulp.Job, repository int64) (struct{}, error) {
		_, err := j.NewVersion(ctx, repository, nil)
		return struct{}{}, err
	}}
	s := newFiles(t, pulptest.Parts(task))
	repo := s.row(t, s.repository(t).Href())
	other := s.row(t, s.repository(t).Href())
	for _, opts := range [][]pulp.DispatchOption{{}, {pulp.Shared(repo)}, {pulp.Exclusive(other)}} {
		_, err := perform(s.App.App, task, repo.ID, opts...)
		require.ErrorContains(t, err, pulp.ErrNotReserved.Error())
	}
	_, err := perform(s.App.App, task, repo.ID, pulp.Exclusive(repo))
	require.NoError(t, err)
}

func TestPublishingNeedsTheVersionOrItsRepository(t *testing.T) {
	t.Parallel()
	b := newBoxes()
	var version *pulp.Version
	task := &pulp.Task[struct{}, struct{}]{Name: "test.publish", Run: func(ctx context.Context, j *pulp.Job, _ struct{}) (struct{}, error) {
		return struct{}{}, b.publications.Create(ctx, j, version, boxPublication{Index: "index"})
	}}
	s := newFiles(t, pulptest.Plugins(b.plugin()), pulptest.Parts(task))
	repo := s.boxes(t)
	row, err := pulp.NewModel[pulp.Repository[pulp.None]]().First(t.Context(), s.DB().Reader())
	require.NoError(t, err)
	version, err = pulp.NewModel[pulp.Version]().First(t.Context(), s.DB().Reader())
	require.NoError(t, err)
	_, err = perform(s.App.App, task, struct{}{})
	require.ErrorContains(t, err, pulp.ErrNotReserved.Error())
	for _, r := range []pulp.Reservation{pulp.Shared(version), pulp.Shared(row), pulp.Exclusive(row)} {
		_, err = perform(s.App.App, task, struct{}{}, r)
		require.NoError(t, err)
	}
	require.Len(t, s.List(t, "publications/box/box/", pulptest.Param("repository", repo.Href())), 3)
}

func TestVersionIsNotDeletedWhileItIsPublished(t *testing.T) {
	t.Parallel()
	s, b := newBoxSite(t)
	up := pulptest.NewUpstream(t)
	repo := s.boxes(t)
	require.Equal(t, "completed", s.Wait(t, s.syncBoxes(t, repo, up, false, box(up, "a", "1", "a/x"))).Text("state"))
	b.gate = pulptest.NewGate()
	publishing := s.Start(t, "POST", "publications/box/box/", object{"repository_version": repo.Href() + "versions/1/"})
	b.gate.Await(t, 1)
	deleting := s.Start(t, "DELETE", repo.Href()+"versions/1/", nil)
	require.Equal(t, "waiting", s.State(t, deleting))
	require.Equal(t, repo.Href()+"versions/1/", s.latest(t, repo))
	b.gate.Open()
	published := s.Wait(t, publishing)
	require.Equal(t, "completed", published.Text("state"))
	deleted := s.Wait(t, deleting)
	require.Equal(t, "completed", deleted.Text("state"))
	require.Less(t, published.Text("finished_at"), deleted.Text("started_at"))
	require.Equal(t, "pulpcore.app.tasks.repository.delete_version", deleted.Text("name"))
	require.Equal(t, repo.Href()+"versions/0/", s.latest(t, repo))
	require.Empty(t, s.List(t, "publications/box/box/"), "publications go with their version")
}

func TestDeletingAVersionReservesItAndItsRepository(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	s.modify(t, repo, object{"add_content_units": []string{s.unit(t, "a", "a")}})
	version := s.Get(t, repo.Href()+"versions/1/")
	task := s.Wait(t, s.Start(t, "DELETE", version.Href(), nil))
	require.Subset(t, task.Texts("reserved_resources_record"), []string{repo.Text("prn"), version.Text("prn")})
	s.Refused(t, 404, "GET", version.Href(), nil)
	s.Refused(t, 404, "DELETE", version.Href(), nil)
}

func TestDistributedVersionsCannotBeDeleted(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	versions := []string{repo.Href() + "versions/0/"}
	for i, body := range []string{"1", "2", "3", "4"} {
		s.modify(t, repo, object{"add_content_units": []string{s.unit(t, "a", body)}})
		versions = append(versions, s.latest(t, repo))
		if i == 0 || i == 2 {
			s.publish(t, object{"repository_version": versions[i+1]})
		}
	}
	s.distribute(t, "version", object{"repository_version": versions[2]})
	s.distribute(t, "publication", object{"publication": s.List(t, filePublications, pulptest.Param("repository_version", versions[1]))[0].Href()})
	s.distribute(t, "repository", object{"repository": repo.Href()})
	before := len(s.List(t, "tasks/"))
	for _, n := range []int{1, 2, 3} {
		answer := s.Refused(t, 400, "DELETE", versions[n], nil)
		require.Contains(t, string(answer.Body), "currently being used to distribute content")
	}
	require.Len(t, s.List(t, "tasks/"), before, "no task was dispatched")
	s.Delete(t, versions[4])
	s.Delete(t, versions[0])
	s.Update(t, repo.Href(), object{"retain_repo_versions": 1})
	require.Len(t, s.List(t, repo.Href()+"versions/"), 3)
}

func TestVersionServedByARepositoryWithoutPublicationsIsTheLatest(t *testing.T) {
	t.Parallel()
	s, _ := newBoxSite(t)
	up := pulptest.NewUpstream(t)
	repo := s.boxes(t)
	s.Wait(t, s.syncBoxes(t, repo, up, false, box(up, "a", "1", "a")))
	s.Create(t, "publications/box/box/", object{"repository": repo.Href()})
	s.Wait(t, s.syncBoxes(t, repo, up, false, box(up, "a", "2", "a")))
	s.Create(t, "distributions/box/box/", object{"name": "d", "base_path": "d", "repository": repo.Href()})
	require.Equal(t, "a2", string(s.Content(t, "d/a").Body))
	s.Refused(t, 400, "DELETE", repo.Href()+"versions/2/", nil)
	s.Delete(t, repo.Href()+"versions/1/")
}

func TestLastVersionCannotBeDeleted(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	err := s.Failed(t, s.Start(t, "DELETE", repo.Href()+"versions/0/", nil))
	require.Equal(t, "PLP0011", err.Text("error_code"))
	require.Equal(t, repo.Href()+"versions/0/", s.latest(t, repo))
}

func TestVersionBasedOnOneThatIsGoneFails(t *testing.T) {
	t.Parallel()
	hold := pulptest.NewGate()
	task := &pulp.Task[struct{}, struct{}]{Name: "test.hold", Run: func(ctx context.Context, j *pulp.Job, _ struct{}) (struct{}, error) {
		return struct{}{}, hold.Pass(ctx)
	}}
	s := newFiles(t, pulptest.Parts(task))
	repo := s.repository(t)
	a, b := s.unit(t, "a", "a"), s.unit(t, "b", "b")
	s.modify(t, repo, object{"add_content_units": []string{a}})
	s.modify(t, repo, object{"add_content_units": []string{b}})
	held := make(chan error, 1)
	go func() {
		_, err := perform(s.App.App, task, struct{}{}, pulp.Exclusive(s.row(t, repo.Href())))
		held <- err
	}()
	hold.Await(t, 1)
	deleting := s.Start(t, "DELETE", repo.Href()+"versions/1/", nil)
	basing := s.Start(t, "POST", repo.Href()+"modify/", object{"base_version": repo.Href() + "versions/1/"})
	hold.Open()
	require.NoError(t, <-held)
	require.Equal(t, "completed", s.Wait(t, deleting).Text("state"))
	s.Failed(t, basing)
	require.Equal(t, []string{"a", "b"}, s.paths(t, s.latest(t, repo)))
}

func TestDeletedVersionCannotBePublished(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	s.modify(t, repo, object{"add_content_units": []string{s.unit(t, "a", "a")}})
	s.Delete(t, repo.Href()+"versions/1/")
	s.Refused(t, 400, "POST", filePublications, object{"repository_version": repo.Href() + "versions/1/"})
}

func TestRetentionKeepsTheNewestVersions(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t, object{"retain_repo_versions": 2})
	for _, body := range []string{"1", "2", "3"} {
		s.modify(t, repo, object{"add_content_units": []string{s.unit(t, "a", body), s.unit(t, body, "x")}})
	}
	require.Len(t, s.List(t, repo.Href()+"versions/"), 2)
	s.Refused(t, 404, "GET", repo.Href()+"versions/1/", nil)
	require.ElementsMatch(t, []string{"a", "1", "2", "3"}, s.paths(t, repo.Href()+"versions/3/"))
	summary := s.Get(t, repo.Href()+"versions/2/").Object("content_summary")
	require.Equal(t, 3, summary.Object("added", "file.file").Number("count"), "what gone versions added counts for the next")
}

func TestWithoutOverwriteNothingIsReplaced(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	old, new, more := s.unit(t, "a", "old"), s.unit(t, "a", "new"), s.unit(t, "b", "b")
	s.modify(t, repo, object{"add_content_units": []string{old}})
	err := s.Failed(t, s.Start(t, "POST", repo.Href()+"modify/", object{"add_content_units": []string{new, more}, "overwrite": false}))
	require.Equal(t, "PLP0023", err.Text("error_code"))
	require.Equal(t, repo.Href()+"versions/1/", s.latest(t, repo))
	s.modify(t, repo, object{"add_content_units": []string{old, more}, "overwrite": false})
	s.modify(t, repo, object{"add_content_units": []string{new}})
	s.modify(t, repo, object{"add_content_units": []string{old}, "remove_content_units": []string{new}, "overwrite": false})
	require.Equal(t, repo.Href()+"versions/4/", s.latest(t, repo))
}

func TestModifyRefusesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo, other := s.repository(t), s.repository(t)
	for field, body := range map[string]object{
		"add_content_units":    {"add_content_units": []string{"/pulp/api/v3/content/file/files/01234567-89ab-7def-8123-456789abcdef/"}},
		"remove_content_units": {"remove_content_units": []string{"*", "/pulp/api/v3/content/file/files/01234567-89ab-7def-8123-456789abcdef/"}},
		"base_version":         {"base_version": other.Href() + "versions/0/"},
	} {
		require.Contains(t, s.Refused(t, 400, "POST", repo.Href()+"modify/", body).Object(t), field)
	}
}

func TestFilesOfAVersionCanAllBeServed(t *testing.T) {
	t.Parallel()
	s, _ := newBoxSite(t)
	for name, c := range map[string]struct{ first, second []string }{
		"one path twice":                {[]string{"x/a"}, []string{"x/a"}},
		"a file where a directory is":   {[]string{"x/a/b/c"}, []string{"x/a"}},
		"a directory where a file is":   {[]string{"x/a"}, []string{"x/a/b/c"}},
		"a directory with a short name": {[]string{"x"}, []string{"x/y"}},
	} {
		up := pulptest.NewUpstream(t)
		one, two := box(up, "one "+name, "1", c.first...), box(up, "two "+name, "1", c.second...)
		repo := s.boxes(t)
		err := s.Failed(t, s.syncBoxes(t, repo, up, false, one, two))
		require.Equal(t, "PLP0022", err.Text("error_code"), name)
		require.Contains(t, err.Text("description"), "x", name)
		require.Equal(t, repo.Href()+"versions/0/", s.latest(t, repo), name)

		done := s.Wait(t, s.syncBoxes(t, repo, up, false, one))
		require.Equal(t, "completed", done.Text("state"), "%s: %v", name, done["error"])
		s.Failed(t, s.syncBoxes(t, repo, up, false, two))
		done = s.Wait(t, s.syncBoxes(t, repo, up, true, two))
		require.Equal(t, "completed", done.Text("state"), "%s: a mirror gives up the first: %v", name, done["error"])
	}
}

func TestMetadataMustNotHideFiles(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	for _, c := range [][2]string{{"x", "x"}, {"x/y", "x"}, {"x", "x/y"}} {
		repo := s.repository(t)
		s.modify(t, repo, object{"add_content_units": []string{s.unit(t, c[0], "a")}})
		err := s.Failed(t, s.Start(t, "POST", filePublications, object{"repository": repo.Href(), "manifest": c[1]}))
		require.Equal(t, "PLP0012", err.Text("error_code"), c)
	}
	require.Empty(t, s.List(t, filePublications))
	require.Zero(t, s.count(t, "SELECT count(*) FROM publication"), "a failed publication leaves no rows")
}

func TestPublicationThatLetsNothingThroughMayUseAnyPath(t *testing.T) {
	t.Parallel()
	s, _ := newBoxSite(t)
	up := pulptest.NewUpstream(t)
	repo := s.boxes(t)
	s.Wait(t, s.syncBoxes(t, repo, up, false, box(up, "a", "1", "index")))
	s.Create(t, "publications/box/box/", object{"repository": repo.Href(), "index": "index"})
}

func TestWhatWasOnItsWayWhenSavingFailedIsRemoved(t *testing.T) {
	t.Parallel()
	s, _ := newBoxSite(t)
	up := pulptest.NewUpstream(t)
	lines := []string{box(up, "same", "1"), box(up, "same", "2")}
	for i := range 2500 {
		lines = append(lines, box(up, fmt.Sprintf("b%d", i), "1", fmt.Sprintf("f%d", i)))
	}
	repo := s.boxes(t)
	require.Equal(t, "PLP0022", s.Failed(t, s.syncBoxes(t, repo, up, false, lines...)).Text("error_code"))
	require.Empty(t, s.Temps(t))
}

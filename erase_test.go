package pulp_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

// many is more than what is deleted in one transaction.
const many = 1100

// large makes a repository of many units, its remote, and a distribution of it at "d".
func (s *site) large(t *testing.T) (repo, remote object) {
	up := pulptest.NewUpstream(t)
	up.Answer(pulptest.ManifestName, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		for i := range many {
			fmt.Fprintf(w, "f%d,%064x,1\n", i, i)
		}
	})
	remote = s.remote(t, up, object{"policy": "on_demand"})
	repo = s.repository(t, object{"remote": remote.Href(), "autopublish": true})
	s.sync(t, repo, remote)
	s.distribute(t, "d", object{"repository": repo.Href()})
	require.Equal(t, 200, s.Content(t, "d/"+pulptest.ManifestName).Code)
	return repo, remote
}

func (s *site) comesToNothing(t *testing.T, what string, query string, args ...any) {
	t.Helper()
	require.Eventually(t, func() bool { return s.count(t, query, args...) == 0 }, 20*time.Second, 5*time.Millisecond, what)
}

func (s *site) repositoryIsGone(t *testing.T, repo object) {
	t.Helper()
	require.Equal(t, 404, s.Do(t, "GET", repo.Href(), nil).Code)
	require.Equal(t, 404, s.Do(t, "GET", repo.Href()+"versions/1/", nil).Code)
	require.Empty(t, s.List(t, fileRepositories))
	require.Empty(t, s.List(t, "repositories/"))
	require.Empty(t, s.List(t, "repository_versions/"))
	require.Empty(t, s.List(t, filePublications))
	require.Nil(t, s.List(t, fileDistributions)[0]["repository"])
	require.Equal(t, 404, s.Content(t, "d/"+pulptest.ManifestName).Code)
	require.Equal(t, 404, s.Content(t, "d/f1").Code)
	s.Refused(t, 400, "POST", filePublications, object{"repository": repo.Href()})
	s.Create(t, fileRepositories, object{"name": repo.Text("name")}) // its name is free
}

func TestLargeRepositoryIsDeletedInBatches(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo, remote := s.large(t)
	s.Delete(t, repo.Href())
	require.Zero(t, s.count(t, "SELECT count(*) FROM repository_content"))
	require.Zero(t, s.count(t, "SELECT count(*) FROM published_artifact"))
	s.repositoryIsGone(t, repo)
	s.Delete(t, remote.Href())
	require.Zero(t, s.count(t, "SELECT count(*) FROM remote_artifact"))
	require.Zero(t, s.count(t, "SELECT (SELECT count(*) FROM remote) + (SELECT count(*) FROM repository WHERE pulp_type = 0)"))
	content, _ := s.cleanUp(t, object{"orphan_protection_time": 0})
	require.Equal(t, many, content)
}

func TestDeletionThatWasCutShortShowsNothingAndGoesOn(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo, remote := s.large(t)
	for kind, o := range map[string]object{"repository": repo, "remote": remote} {
		buried, err := s.Bury(t.Context(), kind, int64(s.count(t, "SELECT id FROM "+kind+" WHERE name = ?", o.Text("name"))))
		require.NoError(t, err)
		require.True(t, buried)
	}
	require.Equal(t, many, s.count(t, "SELECT count(*) FROM repository_content"), "nothing of it has been erased")
	s.repositoryIsGone(t, repo)
	require.Equal(t, 404, s.Do(t, "GET", remote.Href(), nil).Code)
	require.Empty(t, s.List(t, "remotes/"))
	require.NoError(t, s.Sweep(t.Context()))
	for _, table := range []string{"repository_content", "remote_artifact", "published_artifact", "remote"} {
		s.comesToNothing(t, table, "SELECT count(*) FROM "+table)
	}
	s.comesToNothing(t, "repository", "SELECT count(*) FROM repository WHERE pulp_type = 0")
}

func TestTaskThatWaitedForADeletedRepositoryFindsNone(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo, remote := s.large(t)
	gate := s.Hold("pulpcore.app.tasks.base.general_delete")
	deletion := s.Start(t, "DELETE", repo.Href(), nil)
	gate.Await(t, 1)
	var late []string
	for verb, body := range map[string]object{"sync/": {"remote": remote.Href()}, "modify/": {"remove_content_units": []string{"*"}}} {
		late = append(late, s.Start(t, "POST", repo.Href()+verb, body))
	}
	late = append(late, s.Start(t, "PATCH", repo.Href(), object{"description": "late"}))
	gate.Open()
	require.Equal(t, "completed", s.Wait(t, deletion).Text("state"))
	for _, task := range late {
		s.Failed(t, task)
	}
	require.Zero(t, s.count(t, "SELECT count(*) FROM repository"))
}

func TestLargePublicationIsDeletedAtOnceAndErasedLater(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	s.modify(t, repo, object{"add_content_units": []string{s.unit(t, "a", "a")}})
	pub := s.publish(t, object{"repository": repo.Href()})
	s.distribute(t, "d", object{"publication": pub.Href()})
	_, err := s.DB().Writer().DB.Exec(`WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?)
INSERT INTO published_artifact (publication_id, relative_path, artifact_id) SELECT p.id, 'x' || n, (SELECT max(id) FROM artifact) FROM n, publication p`, many)
	require.NoError(t, err)
	s.Delete(t, pub.Href())
	require.Equal(t, 404, s.Do(t, "GET", pub.Href(), nil).Code)
	require.Equal(t, 404, s.Content(t, "d/a").Code)
	s.comesToNothing(t, "files", "SELECT count(*) FROM published_artifact")
	s.comesToNothing(t, "publication", "SELECT count(*) FROM publication")
}

func TestErasingReadsNoTableWhole(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	for _, query := range pulp.EraseStatements() {
		s.soundPlan(t, "erase", "empty", query)
	}
}

func TestUnitThatIsDeletedBeforeItIsAddedFailsTheTask(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo, unit, kept := s.repository(t), s.unit(t, "a", "a"), s.unit(t, "b", "b")
	gate := s.Hold("pulpcore.app.tasks.repository.add_and_remove")
	modify := s.Start(t, "POST", repo.Href()+"modify/", object{"add_content_units": []string{unit, kept}})
	gate.Await(t, 1)
	_, err := s.DB().Writer().DB.Exec("DELETE FROM content WHERE id = (SELECT min(id) FROM content)")
	require.NoError(t, err)
	gate.Open()
	require.Equal(t, "Units of content were deleted before they could be added.", s.Failed(t, modify).Text("description"))
	require.Equal(t, repo.Href()+"versions/0/", s.Get(t, repo.Href()).Text("latest_version_href"))
}

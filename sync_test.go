package pulp_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
	"github.com/gopulp/pulp/sqlite"
)

// nothingCameOf says that a sync which failed left nothing that anybody can see or that takes
// room: no version, no temp file, no blob that is not what its name says.
func (s *site) nothingCameOf(t *testing.T, repo object) {
	t.Helper()
	require.Equal(t, repo.Href()+"versions/0/", s.latest(t, repo))
	require.Empty(t, s.paths(t, repo.Href()+"versions/0/"))
	require.Empty(t, s.Temps(t))
	s.blobsAreTrue(t)
}

// blobsAreTrue says that each blob's name is the digest of its bytes.
func (s *site) blobsAreTrue(t *testing.T) {
	t.Helper()
	root := filepath.Join(s.Dir, "media", "artifact")
	require.NoError(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name := strings.ReplaceAll(strings.TrimPrefix(path, root), string(filepath.Separator), "")
		require.Equal(t, name, fmt.Sprintf("%x", sha256.Sum256(b)))
		return err
	}))
}

func TestPathsThatAreOddButRightAreSyncedAndServed(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	paths := []string{"a b/c d", "comma,in,it", "%41", "50%", "é/ü.bin", "q?x=1", "a#hash", "semi;colon", "plus+and&", "quote\"'", "<b>", "日本/語", "...", "a:b"}
	for _, p := range paths {
		up.Put(p, "bytes of "+p)
	}
	for _, policy := range []string{"immediate", "on_demand"} {
		repo, remote := s.repository(t), s.remote(t, up, object{"policy": policy})
		s.sync(t, repo, remote)
		require.ElementsMatch(t, paths, s.paths(t, s.latest(t, repo)))
		base := s.name()
		s.distribute(t, base, object{"publication": s.publish(t, object{"repository": repo.Href()}).Href()})
		for _, p := range paths {
			a := s.Content(t, base+"/"+p)
			require.Equal(t, 200, a.Code, "%s %s", p, a.Body)
			require.Equal(t, "bytes of "+p, string(a.Body))
		}
	}
}

func TestSyncWithoutChangeMakesNoVersion(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	up.Put("a", "a")
	repo, remote := s.repository(t), s.remote(t, up)
	for i, more := range []object{{}, {}, {"optimize": false}, {"mirror": true, "optimize": false}} {
		task := s.sync(t, repo, remote, more)
		require.Len(t, task.Texts("created_resources"), max(0, 1-i))
	}
	require.Equal(t, repo.Href()+"versions/1/", s.latest(t, repo))
	require.Equal(t, 1, up.Hits("a"), "what is here is not downloaded again")
}

func TestCanceledSyncLeavesNothing(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	for i := range 30 {
		up.Put(fmt.Sprint(i), fmt.Sprint(i))
	}
	gate := up.Hold("29")
	repo, remote := s.repository(t), s.remote(t, up)
	task := s.Start(t, "POST", repo.Href()+"sync/", object{"remote": remote.Href()})
	gate.Await(t, 1)
	require.Equal(t, "canceled", s.Cancels(t, task).Text("state"))
	s.nothingCameOf(t, repo)
	gate.Open()
	s.sync(t, repo, remote)
	require.Len(t, s.paths(t, repo.Href()+"versions/1/"), 30)
}

func TestMirrorPublishesTheUpstreamManifestAsItIs(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	up.Put("a", "a")
	up.Put("b", "b")
	manifest := "# made by hand\r\n" + strings.ToUpper(pulptest.Line("a", []byte("a"))[2:66])
	manifest = "# by hand\r\n a , " + strings.Split(manifest, "\n")[1] + ",1\r\n" + pulptest.Line("b", []byte("b"))
	up.SetManifest([]byte(manifest))
	repo, remote := s.repository(t), s.remote(t, up, object{"url": up.URL("PULP_MANIFEST?token=1")})
	s.modify(t, repo, object{"add_content_units": []string{s.unit(t, "old", "old")}})
	task := s.sync(t, repo, remote, object{"mirror": true})
	require.Len(t, task.Texts("created_resources"), 2, "a version and a publication")
	require.ElementsMatch(t, []string{"a", "b"}, s.paths(t, s.latest(t, repo)))
	s.distribute(t, "d", object{"repository": repo.Href()})
	require.Equal(t, manifest, string(s.Content(t, "d/PULP_MANIFEST").Body))
	require.Equal(t, "a", string(s.Content(t, "d/a").Body))
	require.Equal(t, 404, s.Content(t, "d/old").Code)
	require.Empty(t, s.sync(t, repo, remote, object{"mirror": true, "optimize": false}).Texts("created_resources"))
	require.Empty(t, s.Temps(t))
}

func TestAdditiveSyncKeepsWhatTheRemoteHasNot(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	up.Put("a", "1")
	repo, remote := s.repository(t), s.remote(t, up)
	s.sync(t, repo, remote)
	up.Remove("a")
	up.Put("b", "b")
	s.sync(t, repo, remote)
	require.ElementsMatch(t, []string{"a", "b"}, s.paths(t, s.latest(t, repo)))
	require.Empty(t, s.List(t, filePublications), "an additive sync publishes nothing")
	up.Put("a", "2")
	s.sync(t, repo, remote)
	require.ElementsMatch(t, []string{"a", "b"}, s.paths(t, s.latest(t, repo)))
	summary := s.Get(t, s.latest(t, repo)).Object("content_summary")
	require.Equal(t, 1, summary.Object("removed", "file.file").Number("count"), "the old a gives way")
}

func TestAutopublishPublishesEachNewVersion(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	up.Put("a", "a")
	repo, remote := s.repository(t, object{"autopublish": true, "manifest": "INDEX"}), s.remote(t, up)
	s.distribute(t, "d", object{"repository": repo.Href()})
	require.Equal(t, 404, s.Content(t, "d/a").Code, "nothing is published")
	require.Len(t, s.sync(t, repo, remote).Texts("created_resources"), 2)
	require.Equal(t, string(up.Manifest()), string(s.Content(t, "d/INDEX").Body))
	require.Len(t, s.modify(t, repo, object{"add_content_units": []string{s.unit(t, "b", "b")}}).Texts("created_resources"), 2)
	require.Equal(t, "b", string(s.Content(t, "d/b").Body))
	a := s.Refused(t, 400, "POST", repo.Href()+"sync/", object{"remote": remote.Href(), "mirror": true})
	require.JSONEq(t, `["Cannot use mirror mode with autopublished repository."]`, string(a.Body))
}

func TestUnchangedRemotesAreSkipped(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	skipped := func(task object) bool {
		reports, _ := task["progress_reports"].([]any)
		return slices.ContainsFunc(reports, func(r any) bool { return r.(map[string]any)["code"] == "sync.was_skipped" })
	}
	for name, c := range map[string]struct {
		change func(repo, remote object, up *pulptest.Upstream)
		more   object
		skips  bool
	}{
		"nothing changed": {func(_, _ object, _ *pulptest.Upstream) {}, nil, true},
		"optimize is off": {func(_, _ object, _ *pulptest.Upstream) {}, object{"optimize": false}, false},
		"now a mirror":    {func(_, _ object, _ *pulptest.Upstream) {}, object{"mirror": true}, false},
		"the manifest":    {func(_, _ object, up *pulptest.Upstream) { up.Put("more", "more") }, nil, false},
		"the repository": {func(repo, _ object, _ *pulptest.Upstream) {
			s.modify(t, repo, object{"add_content_units": []string{s.unit(t, "x", "x")}})
		}, nil, false},
		"the version is gone": {func(repo, _ object, _ *pulptest.Upstream) { s.Delete(t, repo.Href()+"versions/1/") }, nil, false},
		"the URL": {func(_, remote object, up *pulptest.Upstream) {
			s.Update(t, remote.Href(), object{"url": up.URL("PULP_MANIFEST?2")})
		}, nil, false},
		"the policy, to less": {func(_, remote object, _ *pulptest.Upstream) {
			s.Update(t, remote.Href(), object{"policy": "on_demand"})
		}, nil, true},
	} {
		up := pulptest.NewUpstream(t)
		up.Put("a", "a")
		repo, remote := s.repository(t), s.remote(t, up)
		require.False(t, skipped(s.sync(t, repo, remote)), "the first sync")
		c.change(repo, remote, up)
		require.Equal(t, c.skips, skipped(s.sync(t, repo, remote, c.more)), name)
	}
}

func TestSyncFromAnotherRemoteIsNotSkipped(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	up.Put("a", "a")
	repo := s.repository(t)
	one, two := s.remote(t, up), s.remote(t, up)
	s.sync(t, repo, one)
	require.NotContains(t, fmt.Sprint(s.sync(t, repo, two)["progress_reports"]), "skipped")
	require.Contains(t, fmt.Sprint(s.sync(t, repo, two)["progress_reports"]), "skipped")
}

func TestImmediateDownloadsWhatIsMissing(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	up.Put("a", "a")
	up.Put("b", "b")
	for _, optimize := range []bool{true, false} {
		for _, policy := range []string{"on_demand", "streamed"} {
			up.Put("a", "a"+s.name())
			repo, remote := s.repository(t), s.remote(t, up, object{"policy": policy})
			hits := up.Hits("a")
			s.sync(t, repo, remote)
			require.Equal(t, hits, up.Hits("a"), "nothing is downloaded")
			s.Update(t, remote.Href(), object{"policy": "immediate"})
			s.sync(t, repo, remote, object{"optimize": optimize})
			require.Equal(t, hits+1, up.Hits("a"))
			require.Equal(t, repo.Href()+"versions/1/", s.latest(t, repo), "the same units")
			for _, c := range s.List(t, fileContent, pulptest.Param("repository_version", s.latest(t, repo))) {
				require.NotEmpty(t, c.Text("artifact"))
			}
			s.sync(t, repo, remote, object{"optimize": optimize})
			require.Equal(t, hits+1, up.Hits("a"))
		}
	}
}

func TestDownloadConcurrencyIsHonoured(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	for i := range 60 {
		up.Put(fmt.Sprint(i), fmt.Sprint(i))
	}
	var gates []*pulptest.Gate
	for _, path := range []string{"3", "4", "5"} {
		gates = append(gates, up.Hold(path))
	}
	repo, remote := s.repository(t), s.remote(t, up, object{"download_concurrency": 3})
	task := s.Start(t, "POST", repo.Href()+"sync/", object{"remote": remote.Href()})
	for _, g := range gates {
		g.Await(t, 1)
	}
	up.OpenGates()
	require.Equal(t, "completed", s.Wait(t, task).Text("state"))
	require.Equal(t, 3, up.Busiest())
}

func TestCredentialsGoToTheOriginAlone(t *testing.T) {
	t.Parallel()
	s, up, other := newFiles(t), pulptest.NewUpstream(t), pulptest.NewUpstream(t)
	up.Put("a", "a")
	other.Put("a", "a")
	up.Answer("a", pulptest.RedirectTo(other.URL("a")))
	repo, remote := s.repository(t), s.remote(t, up, object{"username": "me", "password": "canary", "headers": []object{{"X-Token": "canary"}}})
	s.sync(t, repo, remote)
	for _, r := range up.Requests() {
		user, password, _ := r.BasicAuth()
		require.Equal(t, "me canary canary", user+" "+password+" "+r.Header.Get("X-Token"))
	}
	require.Len(t, other.Requests(), 1)
	require.NotContains(t, fmt.Sprint(other.Requests()[0].Header), "canary")
	require.Empty(t, other.Requests()[0].Header.Get("Authorization"))
	require.NotContains(t, s.Log.String(), "canary")
}

func TestOneReaderIsEnough(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t, pulptest.SQLite(sqlite.Readers(1))), pulptest.NewUpstream(t)
	up.Put("a/b/c", "c")
	up.Put("a/b/d", "d")
	repo, remote := s.repository(t, object{"autopublish": true}), s.remote(t, up, object{"policy": "on_demand"})
	s.sync(t, repo, remote)
	s.distribute(t, "d", object{"repository": repo.Href()})
	require.Equal(t, "c", string(s.Content(t, "d/a/b/c").Body))
	require.Equal(t, 200, s.Content(t, "d/a/").Code)
	s.modify(t, repo, object{"remove_content_units": []string{"*"}})
	s.Get(t, s.latest(t, repo))
}

package pulp_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

func TestReclaimedFilesAreFetchedAgainWhenTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	up := pulptest.NewUpstream(t)
	up.Put("a", "bytes of a")
	up.Put("b", "bytes of b")
	repo, other := s.repository(t, object{"autopublish": true}), s.repository(t)
	s.sync(t, repo, s.remote(t, up))
	s.distribute(t, "d", object{"repository": repo.Href()})
	b := s.List(t, fileContent, "relative_path=b")[0].Href()
	s.modify(t, other, object{"add_content_units": []string{b}})
	uploaded := s.unit(t, "c", "bytes of c")
	s.modify(t, repo, object{"add_content_units": []string{uploaded}})
	s.age(t)

	done := func(body object) int {
		return s.Completes(t, "repositories/reclaim_space/", body).Objects("progress_reports")[0].Number("done")
	}
	require.Zero(t, done(object{"repo_hrefs": []string{repo.Href()}, "repo_versions_keeplist": []string{s.latest(t, repo)}}))
	require.Equal(t, 1, done(object{"repo_hrefs": []string{repo.Href()}}), "b is another repository's, too, and no remote has c")
	require.Equal(t, 1, done(object{"repo_hrefs": []string{"*"}}), "now nobody else has b")
	for _, path := range []string{"a", "b", "c"} {
		require.Equal(t, "bytes of "+path, string(s.Content(t, "d/"+path).Body))
	}
	s.blobsAreTrue(t)
	for _, body := range []object{{}, {"repo_hrefs": []string{}}, {"repo_hrefs": []string{"*", repo.Href()}}, {"repo_hrefs": []string{b}}} {
		require.Equal(t, 400, s.Do(t, "POST", "repositories/reclaim_space/", body).Code, "%v", body)
	}
}

func TestRepairLooksAfterAllFiles(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	up := pulptest.NewUpstream(t)
	up.Put("a", "bytes of a")
	up.Put("b", "bytes of b")
	s.sync(t, s.repository(t), s.remote(t, up))
	s.unit(t, "c", "bytes of c") // in no repository, and no remote has it
	for i, blob := range s.blobs(t) {
		if i == 0 {
			require.NoError(t, os.Remove(blob))
			continue
		}
		require.NoError(t, os.Chmod(blob, 0o600))
		require.NoError(t, os.WriteFile(blob, []byte("wrong bytes"), 0o600))
	}
	reports := s.Completes(t, "repair/", object{}).Objects("progress_reports")
	require.Equal(t, []int{1, 2, 2}, []int{reports[0].Number("done"), reports[1].Number("done"), reports[2].Number("done")})
	require.Len(t, s.blobs(t), 2, "wrong bytes that nobody can mend are removed")
	s.blobsAreTrue(t)
}

package pulp_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

// age makes the bytes in the storage look as if they had been stored long ago.
func (s *site) age(t *testing.T) {
	t.Helper()
	old := time.Now().Add(-48 * time.Hour)
	for _, blob := range s.blobs(t) {
		require.NoError(t, os.Chtimes(blob, old, old))
	}
}

// blobs are the files of the storage.
func (s *site) blobs(t *testing.T) []string {
	t.Helper()
	out, err := filepath.Glob(s.Dir + "/media/artifact/*/*")
	require.NoError(t, err)
	return out
}

func (s *site) cleanUp(t *testing.T, body object) (content, artifacts int) {
	t.Helper()
	task := s.Completes(t, "orphans/cleanup/", body)
	reports := task.Objects("progress_reports")
	require.Equal(t, "clean-up.content", reports[0].Text("code"))
	require.Equal(t, "clean-up.artifacts", reports[1].Text("code"))
	return reports[0].Number("done"), reports[1].Number("done")
}

func TestCleanUpDeletesWhatNobodyNeeds(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	kept, orphan := s.unit(t, "kept", "kept"), s.unit(t, "orphan", "orphan")
	s.modify(t, repo, object{"add_content_units": []string{kept}})
	s.publish(t, object{"repository": repo.Href()}) // its manifest is an artifact without content
	s.age(t)
	require.Len(t, s.List(t, fileContent, "orphaned_for=0"), 1, "a look before the deletion")
	require.Empty(t, s.List(t, fileContent, "orphaned_for=-1"), "it is too young")
	require.Empty(t, s.List(t, fileContent, "orphaned_for=5"))

	content, artifacts := s.cleanUp(t, object{})
	require.Equal(t, []int{0, 0}, []int{content, artifacts}, "a day protects it")
	content, artifacts = s.cleanUp(t, object{"orphan_protection_time": 0})
	require.Equal(t, []int{1, 1}, []int{content, artifacts})
	require.Equal(t, 404, s.Do(t, "GET", orphan, nil).Code)
	require.Equal(t, 200, s.Do(t, "GET", kept, nil).Code)
	require.Len(t, s.blobs(t), 2, "the file that is kept, and the manifest")
	s.blobsAreTrue(t)
}

func TestCleanUpOfNamedUnitsLeavesOthers(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	one, two := s.unit(t, "one", "one"), s.unit(t, "two", "two")
	content, _ := s.cleanUp(t, object{"content_hrefs": []string{one}, "orphan_protection_time": 0})
	require.Equal(t, 1, content)
	require.Equal(t, 404, s.Do(t, "GET", one, nil).Code)
	require.Equal(t, 200, s.Do(t, "GET", two, nil).Code)
	for field, body := range map[string]object{
		"content_hrefs":          {"content_hrefs": []string{one}},
		"orphan_protection_time": {"orphan_protection_time": -1},
	} {
		a := s.Do(t, "POST", "orphans/cleanup/", body)
		require.Equal(t, 400, a.Code)
		require.Contains(t, a.Object(t), field)
	}
	require.Equal(t, 400, s.Do(t, "POST", "orphans/cleanup/", object{"content_hrefs": []string{}}).Code)
	s.Wait(t, s.Start(t, "DELETE", "orphans/", nil))
}

func TestUnitsOfDeletedVersionsAreOrphans(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	unit := s.unit(t, "a", "a")
	s.modify(t, repo, object{"add_content_units": []string{unit}})
	first := s.latest(t, repo)
	s.modify(t, repo, object{"remove_content_units": []string{unit}})
	content, _ := s.cleanUp(t, object{"orphan_protection_time": 0})
	require.Zero(t, content, "version 1 has it")
	s.Wait(t, s.Start(t, "DELETE", first, nil))
	content, _ = s.cleanUp(t, object{"orphan_protection_time": 0})
	require.Equal(t, 1, content)
	again := s.unit(t, "a", "a")
	s.modify(t, repo, object{"add_content_units": []string{again}})
	require.Equal(t, []string{"a"}, s.paths(t, s.latest(t, repo)))
}

func TestCleanUpSweepsBytesThatNobodyNames(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	up := s.Create(t, "uploads/", object{"size": 4})
	require.Equal(t, 200, s.Do(t, "PUT", up.Href(), pulptest.Form{"file": []byte("half")}, "Content-Range", "bytes 0-3/4").Code)
	s.age(t)
	s.cleanUp(t, object{"orphan_protection_time": 0})
	require.Len(t, s.blobs(t), 1, "the upload is under way")
	s.Do(t, "DELETE", up.Href(), nil)
	s.cleanUp(t, object{"orphan_protection_time": 0})
	require.Empty(t, s.blobs(t))
}

func TestYoungBytesAreNotSwept(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	up := s.Create(t, "uploads/", object{"size": 4})
	require.Equal(t, 200, s.Do(t, "PUT", up.Href(), pulptest.Form{"file": []byte("half")}, "Content-Range", "bytes 0-3/4").Code)
	s.Do(t, "DELETE", up.Href(), nil)
	s.cleanUp(t, object{"orphan_protection_time": 0})
	require.Len(t, s.blobs(t), 1, "a row that names them may be on its way")
}

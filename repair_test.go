package pulp_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

// blob is where the bytes of a file lie.
func (s *site) blob(body string) string {
	return filepath.Join(s.Dir, "media", "artifact", digest(body)[:2], digest(body)[2:])
}

// reports are what a task says of its progress.
func reports(task object) map[string]int {
	out := map[string]int{}
	list, _ := task["progress_reports"].([]any)
	for _, r := range list {
		o := object(r.(map[string]any))
		out[o.Text("code")] = o.Number("done")
	}
	return out
}

func TestRepairFetchesWhatIsMissingOrDamaged(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	repo := s.repository(t, object{"autopublish": true})
	for _, body := range []string{"whole", "missing", "damaged", "cut"} {
		up.Put(body, body)
	}
	up.Put("missing, too", "missing") // the same bytes at another path are one file
	s.sync(t, repo, s.remote(t, up))
	s.modify(t, repo, object{"add_content_units": []string{s.unit(t, "mine", "only here")}})
	s.distribute(t, "d", object{"repository": repo.Href()})
	damage := func() {
		require.NoError(t, os.Remove(s.blob("missing")))
		for body, wrong := range map[string]string{"damaged": "DAMAGED", "cut": "cu", "only here": "only HERE"} {
			require.NoError(t, os.Chmod(s.blob(body), 0o600))
			require.NoError(t, os.WriteFile(s.blob(body), []byte(wrong), 0o600))
		}
	}
	damage()
	repairing := s.latest(t, repo) + "repair/"
	task := s.Completes(t, repairing, object{"verify_checksums": false})
	require.Equal(t, map[string]int{"repair.missing": 1, "repair.corrupted": 0, "repair.repaired": 1}, reports(task))
	require.Contains(t, task.Texts("reserved_resources_record"), "shared:"+repo.Text("prn"))
	require.Equal(t, "DAMAGED", string(s.Content(t, "d/damaged").Body), "nobody looked")

	require.NoError(t, os.Remove(s.blob("missing")))
	task = s.Completes(t, repairing, object{})
	require.Equal(t, map[string]int{"repair.missing": 1, "repair.corrupted": 3, "repair.repaired": 3}, reports(task))
	for _, body := range []string{"whole", "missing", "damaged", "cut"} {
		require.Equal(t, body, string(s.Content(t, "d/"+body).Body))
	}
	require.Equal(t, 500, s.Content(t, "d/mine").Code, "wrong bytes are not served")
	s.blobsAreTrue(t)
	require.Empty(t, s.Temps(t))
	task = s.Completes(t, repairing, object{})
	require.Equal(t, map[string]int{"repair.missing": 1, "repair.corrupted": 0, "repair.repaired": 0}, reports(task))
	require.Equal(t, 1, up.Hits("whole"))
}

func TestRepairKeepsToTheDigestWhateverTheUpstreamSends(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	up.Put("a", "right")
	repo := s.repository(t)
	s.sync(t, repo, s.remote(t, up))
	require.NoError(t, os.Remove(s.blob("right")))
	up.Answer("a", pulptest.WrongBytes)
	task := s.Completes(t, s.latest(t, repo)+"repair/", object{})
	require.Equal(t, map[string]int{"repair.missing": 1, "repair.corrupted": 0, "repair.repaired": 0}, reports(task))
	require.NoFileExists(t, s.blob("right"))
	up.Answer("a", nil)
	task = s.Completes(t, s.latest(t, repo)+"repair/", object{})
	require.Equal(t, map[string]int{"repair.missing": 1, "repair.corrupted": 0, "repair.repaired": 1}, reports(task))
}

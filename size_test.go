package pulp_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

func TestSizeTellsWhatOnlyThisRepositoryHas(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	one, two := s.repository(t), s.repository(t)
	own, also, twice := s.unit(t, "own", strings.Repeat("o", 100)), s.unit(t, "also", strings.Repeat("a", 10)), s.unit(t, "twice", strings.Repeat("o", 100))
	s.modify(t, one, object{"add_content_units": []string{own, also, twice}})
	s.modify(t, one, object{"remove_content_units": []string{own}}) // an older version has it still
	s.modify(t, two, object{"add_content_units": []string{also}})
	up.Put("lazy", strings.Repeat("l", 7))
	s.sync(t, two, s.remote(t, up, object{"policy": "on_demand"}))
	size := func(repo object) object { return s.Get(t, repo.Href()+"size/") }
	require.Equal(t, object{"files": 2.0, "unique_bytes": 100.0, "shared_bytes": 10.0, "absent_bytes": 0.0}, figuresOf(size(one)))
	require.Equal(t, object{"files": 1.0, "unique_bytes": 0.0, "shared_bytes": 10.0, "absent_bytes": 7.0}, figuresOf(size(two)))

	s.publish(t, object{"repository": one.Href()})
	require.Greater(t, figuresOf(size(one))["unique_bytes"], 100.0, "and its manifest")
	s.Refused(t, 404, "GET", fileRepositories+"01890000-0000-7000-8000-000000000000/size/", nil)
	_, err := s.RepositorySize(t.Context(), 4711)
	require.ErrorIs(t, err, pulp.ErrNotFound)
}

// figuresOf are the fields as encoding/json reads numbers.
func figuresOf(o object) object {
	out := object{}
	for name := range o {
		out[name] = float64(o.Number(name))
	}
	return out
}

func TestVersionsReplacedLongAgoAreDeletedOnceADay(t *testing.T) {
	t.Parallel()
	clock := pulptest.NewClock()
	s := newFiles(t, pulptest.Time(clock), pulptest.Configure(func(c *pulp.Config) { c.VersionRetention = 10 * 24 * time.Hour }))
	pinned, plain := s.repository(t), s.repository(t)
	for _, path := range []string{"a", "b", "c"} {
		unit := s.unit(t, path, path)
		for _, repo := range []object{pinned, plain} {
			s.modify(t, repo, object{"add_content_units": []string{unit}})
		}
	}
	pub := s.publish(t, object{"repository_version": pinned.Text("versions_href") + "1/"})
	s.distribute(t, "d", object{"publication": pub.Href()})
	versions := func(repo object) (out []int) {
		for _, v := range s.List(t, repo.Text("versions_href")) {
			out = append(out, v.Number("number"))
		}
		return out
	}
	s.Advance(t, 9*24*time.Hour)
	require.Equal(t, []int{3, 2, 1, 0}, versions(plain))
	s.Advance(t, 2*24*time.Hour)
	require.Eventually(t, func() bool { return len(versions(plain)) == 1 && len(versions(pinned)) == 2 }, 20*time.Second, 10*time.Millisecond)
	require.Equal(t, []int{3}, versions(plain), "the latest one stays, however old")
	require.Equal(t, []int{3, 1}, versions(pinned), "and what is distributed")
	require.ElementsMatch(t, []string{"a", "b", "c"}, s.paths(t, s.latest(t, plain)))
	require.Equal(t, "a", string(s.Content(t, "d/a").Body))
}

func TestFileThatIsGoneOrCutIsFetchedAgain(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	repo := s.repository(t, object{"autopublish": true})
	up.Put("gone", "gone for good")
	up.Put("cut", "cut in half")
	s.sync(t, repo, s.remote(t, up))
	s.distribute(t, "d", object{"repository": repo.Href()})
	require.NoError(t, os.Remove(s.blob("gone for good")))
	require.NoError(t, os.Chmod(s.blob("cut in half"), 0o600))
	require.NoError(t, os.Truncate(s.blob("cut in half"), 3))
	require.Equal(t, "gone for good", string(s.Content(t, "d/gone").Body))
	require.Equal(t, "cut in half", string(s.Content(t, "d/cut").Body))
	require.Contains(t, s.Log.String(), "a stored file is damaged")
	f, err := s.Figures(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, f.Mended)
	require.EqualValues(t, 5, f.Downloads, "with the manifest")
	require.Positive(t, f.Stored)
	s.blobsAreTrue(t)

	require.NoError(t, os.Truncate(s.blob("cut in half"), 3))
	up.Answer("cut", pulptest.Status(404))
	require.Equal(t, 500, s.Content(t, "d/cut").Code, "and never served as it is")
}

package pulp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

func quota(n int64) pulptest.Option {
	return pulptest.Configure(func(c *pulp.Config) { c.Quota = n })
}

// Whoever would take more than the quota gets 507 and a reason, nothing of the file stays, and
// after a clean-up there is room again.
func TestQuotaRefusesUploadsUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	s := newFiles(t, quota(1_000_000))
	kept := strings.Repeat("k", 700_000)
	s.unit(t, "a", kept)
	large := pulptest.Form{"relative_path": "b", "file": []byte(strings.Repeat("x", 600_000))}
	a := s.Do(t, "POST", fileContent+"upload/", large)
	require.Equal(t, 507, a.Code, "%s", a.Body)
	require.Contains(t, string(a.Body), "its quota is 1000000 bytes")
	require.Empty(t, s.Temps(t), "no part of it is left")
	require.Len(t, s.blobs(t), 1)

	s.Completes(t, "orphans/cleanup/", object{"orphan_protection_time": 0})
	a = s.Do(t, "POST", fileContent+"upload/", large)
	require.Equal(t, 201, a.Code, "%s", a.Body)
}

func TestQuotaFailsASyncWithAReason(t *testing.T) {
	t.Parallel()
	s := newFiles(t, quota(1000))
	up := pulptest.NewUpstream(t)
	for _, path := range []string{"a", "b", "c"} {
		up.Put(path, strings.Repeat(path, 400))
	}
	repo, remote := s.repository(t), s.remote(t, up)
	task := s.Fails(t, repo.Href()+"sync/", object{"remote": remote.Href()})
	require.Contains(t, task, "its quota is 1000 bytes")
	require.Empty(t, s.paths(t, s.latest(t, repo)))
	require.Empty(t, s.Temps(t))
}

// What is served on demand is refused, too, and is no 404: the remote has it.
func TestQuotaRefusesWhatIsFetchedOnDemand(t *testing.T) {
	t.Parallel()
	s := newFiles(t, quota(1000))
	up := pulptest.NewUpstream(t)
	up.Put("a", strings.Repeat("a", 2000))
	repo := s.repository(t, object{"autopublish": true})
	s.sync(t, repo, s.remote(t, up, object{"policy": "on_demand"}))
	s.distribute(t, "d", object{"repository": repo.Href()})
	require.Equal(t, 507, s.Content(t, "d/a").Code)
	require.Zero(t, up.Hits("a"), "it is known before that it does not fit")
}

func TestMinFreeRefusesBeforeTheDiskIsFull(t *testing.T) {
	t.Parallel()
	s := newFiles(t, pulptest.Configure(func(c *pulp.Config) { c.MinFree = 1 << 60 }))
	a := s.Do(t, "POST", fileContent+"upload/", pulptest.Form{"relative_path": "a", "file": []byte("a")})
	if a.Code == 201 {
		t.Skip("this system does not tell how much is free")
	}
	require.Equal(t, 507, a.Code)
	require.Contains(t, string(a.Body), "The disk is almost full")
	require.Equal(t, 200, s.Do(t, "GET", "status/", nil).Code, "all else goes on")
}

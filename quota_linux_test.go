package pulp_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

// A disk that is really full gives 507 and failed tasks, and no part of a file; when there is
// room again, all goes on, and all that was accepted is whole.
func TestFullDiskIsARefusalAndPasses(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("this test needs the right to mount: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(disk, unix.MNT_DETACH)) })
	s := newFiles(t, pulptest.Dir(filepath.Join(disk, "data")), pulptest.Configure(func(c *pulp.Config) { c.MinFree = -1 }))
	repo := s.repository(t)
	up := pulptest.NewUpstream(t)
	random := rand.NewChaCha8([32]byte{})
	file := func() []byte {
		b := make([]byte, 1<<20)
		random.Read(b)
		return b
	}
	up.Put("s", string(bytes.Repeat([]byte("s"), 3<<20)))
	remote := s.remote(t, up)
	accepted := 0
	for accepted < 30 {
		a := s.Do(t, "POST", fileContent+"upload/", pulptest.Form{"relative_path": "a", "file": file()})
		if a.Code != 201 {
			require.Equal(t, 507, a.Code, "%s", a.Body)
			break
		}
		accepted++
	}
	require.Less(t, accepted, 24)
	require.Empty(t, s.Temps(t))
	// The tasks need some room for themselves, which the files of before left at least once.
	require.NoError(t, unix.Mount("", disk, "", unix.MS_REMOUNT, "size=25m"))
	task := s.Fails(t, repo.Href()+"sync/", object{"remote": remote.Href()})
	require.Contains(t, task, "no space left on device")
	require.Empty(t, s.Temps(t))
	v, err := s.Verify(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, accepted, v.Files)
	require.NoError(t, unix.Mount("", disk, "", unix.MS_REMOUNT, "size=48m"))
	s.sync(t, repo, remote)
	require.Len(t, s.paths(t, s.latest(t, repo)), 1)
	_, err = os.Stat(disk)
	require.NoError(t, err)
}

package pulp_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

func TestOpenThatFailsLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("the system does not tell which files are open")
	}
	dir := t.TempDir()
	db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Off))
	require.NoError(t, err)
	require.NotEmpty(t, openBelow(t, dir))
	_, err = pulp.Open(t.Context(), db, pulp.Config{Checksums: []string{"no such"}})
	require.ErrorContains(t, err, "checksums")
	require.Empty(t, openBelow(t, dir))
}

// openBelow are the files of a directory that this process has open.
func openBelow(t *testing.T, dir string) (open []string) {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, fd := range all {
		if path, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(path, dir) {
			open = append(open, path)
		}
	}
	return open
}

package sqlite_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/sqlite"
)

func TestOpenTakesADirectoryOrAFile(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	for path, file := range map[string]string{
		"new/dir":              "new/dir/pulp.db",
		"x/mine.db":            "x/mine.db",
		"y/mine.sqlite":        "y/mine.sqlite",
		"odd ?#%41&;'\"äö/dir": "odd ?#%41&;'\"äö/dir/pulp.db",
	} {
		if runtime.GOOS == "windows" && strings.Contains(path, "?") {
			continue
		}
		db := open(t, filepath.Join(top, filepath.FromSlash(path)))
		file = filepath.Join(top, filepath.FromSlash(file))
		require.FileExists(t, file)
		require.Equal(t, filepath.Dir(file), db.Dir())
		require.False(t, db.Shared())
		require.NoError(t, add(t.Context(), db, "x"))
		require.Len(t, names(t, db), 1)
	}
	if runtime.GOOS != "windows" {
		made, err := os.Stat(filepath.Join(top, "new", "dir"))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), made.Mode().Perm())
	}
	_, err := sqlite.Open("")
	require.Error(t, err)
}

func TestSecondOpenIsRefusedUntilTheFirstIsClosed(t *testing.T) {
	t.Parallel()
	db := open(t, "")
	for _, options := range [][]sqlite.Option{nil, {sqlite.Shared()}} {
		_, err := sqlite.Open(db.Dir(), options...)
		require.ErrorIs(t, err, sqlite.ErrLocked)
		require.ErrorContains(t, err, "process "+strconv.Itoa(os.Getpid()))
		require.ErrorContains(t, err, "stop that process")
	}
	require.NoError(t, db.Close())
	open(t, db.Dir())
}

func TestSharedAndExclusiveDoNotMix(t *testing.T) {
	t.Parallel()
	first := open(t, "", sqlite.Shared())
	second := open(t, first.Dir(), sqlite.Shared())
	require.True(t, second.Shared())
	_, err := sqlite.Open(first.Dir())
	require.ErrorIs(t, err, sqlite.ErrLocked)
	require.NotContains(t, err.Error(), "process "+strconv.Itoa(os.Getpid()))
}

func TestOpenSetsThePragmasThatItPromises(t *testing.T) {
	t.Parallel()
	for sync, level := range map[sqlite.Sync]string{sqlite.Full: "2", sqlite.Normal: "1", sqlite.Off: "0"} {
		db := open(t, "", sqlite.Synchronous(sync))
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": level, "foreign_keys": "1", "temp_store": "2"} {
			var got string
			require.NoError(t, db.Writer().QueryRow("PRAGMA "+pragma).Scan(&got))
			require.Equal(t, want, got, pragma)
		}
		var readOnly bool
		require.NoError(t, db.Reader().QueryRow("PRAGMA query_only").Scan(&readOnly))
		require.True(t, readOnly)
	}
}

func TestWrongLibcIsReported(t *testing.T) {
	t.Parallel()
	require.Empty(t, sqlite.CheckDriver(nil), "nothing is known")
	require.Empty(t, sqlite.CheckDriver(required(t)), "go.mod asks for the pair that belongs together")
	wrong := required(t)
	wrong["modernc.org/libc"] = "v9.9.9"
	require.Contains(t, sqlite.CheckDriver(wrong), "v9.9.9")
	wrong["modernc.org/sqlite"] = ""
	require.Empty(t, sqlite.CheckDriver(wrong), "not the driver that the check knows")
}

// required reads the versions that go.mod asks for.
func required(t *testing.T) map[string]string {
	text, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	versions := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require ")); len(f) >= 2 {
			versions[f[0]] = f[1]
		}
	}
	require.NotEmpty(t, versions["modernc.org/sqlite"])
	require.NotEmpty(t, versions["modernc.org/libc"])
	return versions
}

func TestOnlyTheOwnerCanReadTheDatabase(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("file modes are those of Unix")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	db, err := sqlite.Open(dir)
	require.NoError(t, err)
	defer db.Close()
	for _, name := range []string{"pulp.db", "pulp.db-wal", "pulp.db-shm", "pulp.lock"} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), name)
	}
}

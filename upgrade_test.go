package pulp_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
	"github.com/gopulp/pulp/sqlite"
)

// What the plugin of this file stored in its first release, and what it stores now.
type (
	oldDisc struct {
		Title  string `json:"title" pulp:"key,slot,filter"`
		Artist string `json:"artist" pulp:"filter"`
		Side   string `json:"side" pulp:"key"`
	}
	oldShelf struct {
		Loud bool `json:"loud"`
	}
	disc struct {
		Side string `json:"side" pulp:"key"` // it was behind the name, so that keys are other ones now
		Name string `json:"name" pulp:"key,slot,filter"`
		Year int64  `json:"year" pulp:"filter"`
	}
	stereo struct {
		Volume int64 `json:"volume"`
	}
)

// discs is the plugin with its types of a release.
func discs[C, R any](ofDiscs, ofShelves []pulp.Upgrade) (pulp.Plugin, *pulp.ContentType[C]) {
	content := &pulp.ContentType[C]{Name: "disc", Path: "discs", Upgrade: ofDiscs}
	repositories := &pulp.RepositoryType[R]{Name: "disc", Content: []pulp.Part{content}, Upgrade: ofShelves}
	return pulp.Plugin{Name: "disc", Version: "1.0.0", Parts: []pulp.Part{content, repositories}}, content
}

// toVolume makes a number of what was yes or no.
func toVolume(detail map[string]json.RawMessage) error {
	detail["volume"] = json.RawMessage("5")
	if string(detail["loud"]) == "true" {
		detail["volume"] = json.RawMessage("11")
	}
	delete(detail, "loud")
	return nil
}

func today() (pulp.Plugin, *pulp.ContentType[disc]) {
	return discs[disc, stereo](
		[]pulp.Upgrade{pulp.Renamed("title", "name"), pulp.Added("year", 1900), pulp.Dropped("artist")}, []pulp.Upgrade{toVolume})
}

// theOlder is a data directory that the first release wrote, with three discs and two repositories. With
// UPDATE_GOLDEN it is written anew.
func theOlder(t *testing.T) (dir string) {
	t.Helper()
	const fixture = "testdata/upgrade/first.tar.gz"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		writeOlder(t, fixture)
	}
	packed, err := os.ReadFile(fixture)
	require.NoError(t, err)
	zipped, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	dir = t.TempDir()
	for files := tar.NewReader(zipped); ; {
		h, err := files.Next()
		if err == io.EOF {
			return dir
		}
		require.NoError(t, err)
		data, err := io.ReadAll(files)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(h.Name)), data, 0o600))
	}
}

func writeOlder(t *testing.T, fixture string) {
	plugin, content := discs[oldDisc, oldShelf](nil, nil)
	s := pulptest.New(t, pulptest.Plugins(plugin))
	ids, err := s.SaveUnits(s.With(t.Context()), content.Unit(oldDisc{"Blue", "Joni", "A"}), content.Unit(oldDisc{"Low", "David", "B"}), content.Unit(oldDisc{"Hats", "Paul", "A"}))
	require.NoError(t, err)
	require.Len(t, ids, 3)
	loud := s.Create(t, "repositories/disc/disc/", object{"name": "loud", "loud": true})
	s.Create(t, "repositories/disc/disc/", object{"name": "quiet"})
	hrefs := []string{}
	for _, d := range s.List(t, "content/disc/discs/") {
		hrefs = append(hrefs, d.Href())
	}
	s.Completes(t, loud.Href()+"modify/", object{"add_content_units": hrefs})
	s.Stop()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	files := tar.NewWriter(zipped)
	for _, name := range []string{"pulp.db", "pulp.key"} {
		data, err := os.ReadFile(filepath.Join(s.Dir, name))
		require.NoError(t, err)
		require.NoError(t, files.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data))}))
		_, err = files.Write(data)
		require.NoError(t, err)
	}
	require.NoError(t, files.Close())
	require.NoError(t, zipped.Close())
	require.NoError(t, os.MkdirAll(filepath.Dir(fixture), 0o755))
	require.NoError(t, os.WriteFile(fixture, packed.Bytes(), 0o644))
}

// refused opens a directory with a plugin, which must fail.
func refused(t *testing.T, dir string, plugin pulp.Plugin) error {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	db, err := sqlite.Open(dir, sqlite.Logger(quiet))
	require.NoError(t, err)
	_, err = pulp.Open(t.Context(), db, pulp.Config{Plugins: []pulp.Plugin{plugin}, Logger: quiet})
	require.Error(t, err)
	return err
}

func TestRowsOfAnOlderReleaseAreUpgradedByOpen(t *testing.T) {
	t.Parallel()
	dir := theOlder(t)
	plugin, content := today()
	s := &site{App: pulptest.New(t, pulptest.Dir(dir), pulptest.Plugins(plugin))}
	found := s.List(t, "content/disc/discs/", "name=Blue")
	require.Len(t, found, 1)
	require.Equal(t, 1900, found[0].Number("year"))
	require.NotContains(t, found[0], "artist")
	require.Len(t, s.List(t, "content/disc/discs/", "year=1900"), 3, "filters find what was added")
	require.Equal(t, 11, s.List(t, "repositories/disc/disc/", "name=loud")[0].Number("volume"))
	require.Equal(t, 5, s.List(t, "repositories/disc/disc/", "name=quiet")[0].Number("volume"))

	// Units are known by what they are now, and take the places that they took.
	before := s.count(t, "SELECT count(*) FROM content")
	ids, err := s.SaveUnits(s.With(t.Context()), content.Unit(disc{Side: "A", Name: "Blue"}), content.Unit(disc{Side: "B", Name: "Blue"}))
	require.NoError(t, err)
	require.Equal(t, before+1, s.count(t, "SELECT count(*) FROM content"))
	repo := s.List(t, "repositories/disc/disc/", "name=loud")[0]
	require.NotEqual(t, ids[0], ids[1])
	for _, d := range s.List(t, "content/disc/discs/", "name=Blue") {
		if d.Text("side") == "B" {
			s.Completes(t, repo.Href()+"modify/", object{"add_content_units": []string{d.Href()}})
		}
	}
	held := s.List(t, "content/disc/discs/", pulptest.Param("repository_version", s.Get(t, repo.Href()).Text("latest_version_href")))
	require.Len(t, held, 3, "the new side B took the place of side A")
	s.Stop()

	// It happens once, and is not taken back.
	copies, err := filepath.Glob(filepath.Join(dir, "pulp.db.before-*disc*"))
	require.NoError(t, err)
	require.Len(t, copies, 1, "one for all types")
	again := pulptest.New(t, pulptest.Dir(dir), pulptest.Plugins(plugin))
	require.Len(t, again.List(t, "content/disc/discs/", "year=1900"), 3)
	again.Stop()
	older, _ := discs[oldDisc, oldShelf](nil, nil)
	require.ErrorIs(t, refused(t, dir, older), pulp.ErrNewerData)
}

func TestUpgradeThatMakesTwoUnitsOneChangesNothing(t *testing.T) {
	t.Parallel()
	dir := theOlder(t)
	same, _ := discs[disc, stereo]([]pulp.Upgrade{pulp.Dropped("title"), pulp.Added("name", "the same")}, []pulp.Upgrade{toVolume})
	err := refused(t, dir, same)
	require.ErrorIs(t, err, pulp.ErrConflict)
	require.ErrorContains(t, err, "upgrade disc.disc")
	bad, _ := discs[disc, stereo]([]pulp.Upgrade{func(map[string]json.RawMessage) error { return io.ErrUnexpectedEOF }}, nil)
	require.ErrorIs(t, refused(t, dir, bad), io.ErrUnexpectedEOF)
	plugin, _ := today()
	s := pulptest.New(t, pulptest.Dir(dir), pulptest.Plugins(plugin))
	require.Len(t, s.List(t, "content/disc/discs/", "year=1900"), 3)
}

func TestTypeWithoutRowsHasHadAllSteps(t *testing.T) {
	t.Parallel()
	plugin, _ := today()
	s := pulptest.New(t, pulptest.Plugins(plugin))
	copies, err := filepath.Glob(filepath.Join(s.Dir, "pulp.db.before-*disc*"))
	require.NoError(t, err)
	require.Empty(t, copies)
	s.Create(t, "repositories/disc/disc/", object{"name": "r", "volume": 3})
	s.Stop()
	again := pulptest.New(t, pulptest.Dir(s.Dir), pulptest.Plugins(plugin))
	require.Equal(t, 3, again.List(t, "repositories/disc/disc/")[0].Number("volume"), "it is not upgraded")
}

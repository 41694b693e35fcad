package deb_test

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

// A source is a Debian repository elsewhere, of one package.
type source struct {
	*pulptest.Upstream
	key    pulp.SigningService
	header string // of Release
	files  map[string]string
}

const helloPath = "pool/main/h/hello/hello_1.0_amd64.deb"

// newSource makes one whose index is compressed as its ending says.
func newSource(t *testing.T, key pulp.SigningService, ending string) *source {
	t.Helper()
	s := &source{Upstream: pulptest.NewUpstream(t), key: key, header: "Suite: stable\nCodename: fine\nComponents: main contrib\nArchitectures: amd64\n", files: map[string]string{}}
	file := build(t, "hello", "1.0", "amd64")
	s.Put(helloPath, string(file))
	s.files["main/binary-amd64/Packages"+ending] = compress(t, ending, entry(file, helloPath))
	s.files["contrib/binary-amd64/Packages"] = ""
	s.sign(t)
	return s
}

// entry is the paragraph of hello in an index.
func entry(file []byte, path string) string {
	return fmt.Sprintf("Package: hello\nVersion: 1.0\nArchitecture: amd64\nX-Odd: kept\nDescription: d\nFilename: %s\nSize: %d\nSHA256: %x\n\n", path, len(file), sha256.Sum256(file))
}

func compress(t *testing.T, ending, text string) string {
	t.Helper()
	var b bytes.Buffer
	switch ending {
	case "":
		return text
	case ".gz":
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(text))
		require.NoError(t, w.Close())
	case ".zst":
		w, err := zstd.NewWriter(&b)
		require.NoError(t, err)
		_, _ = w.Write([]byte(text))
		require.NoError(t, w.Close())
	case ".bz2", ".xz":
		name := map[string]string{".bz2": "bzip2", ".xz": "xz"}[ending]
		pulptest.Tool(t, name)
		cmd := exec.Command(name, "-c")
		cmd.Stdin, cmd.Stdout = strings.NewReader(text), &b
		require.NoError(t, cmd.Run())
	}
	return b.String()
}

// release is the text of Release.
func (s *source) release() string {
	out := s.header + "SHA256:\n"
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		text := s.files[name]
		out += fmt.Sprintf(" %x %d %s\n", sha256.Sum256([]byte(text)), len(text), name)
	}
	return out
}

// sign makes the files of dists what they should be.
func (s *source) sign(t *testing.T) {
	t.Helper()
	for name, text := range s.files {
		s.Put("dists/stable/"+name, text)
	}
	s.Put("dists/stable/InRelease", signed(t, s.key, pulp.ClearSignature, s.release()))
}

// start makes a repository and the body of its sync from the source, with settings of the remote.
func (s *source) start(t *testing.T, app *pulptest.App, settings object) (repo object, body object) {
	t.Helper()
	fields := object{"name": rand.Text(), "url": s.URL(""), "distributions": "stable", "gpgkey": s.key.PublicKey()}
	for name, value := range settings {
		fields[name] = value
	}
	remote := app.Create(t, "remotes/deb/apt/", fields)
	return app.Create(t, "repositories/deb/apt/", object{"name": rand.Text()}), object{"remote": remote.Href()}
}

// refuses syncs and returns why that failed; there must be no version.
func (s *source) refuses(t *testing.T, app *pulptest.App, settings object) string {
	t.Helper()
	repo, body := s.start(t, app, settings)
	why := app.Fails(t, repo.Href()+"sync/", body)
	require.Len(t, app.List(t, repo.Href()+"versions/"), 1, "no version")
	require.Empty(t, app.Temps(t))
	return why
}

func TestSyncReadsEveryCompression(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	key := newService(t, "up")
	for _, ending := range []string{"", ".gz", ".xz", ".zst", ".bz2"} {
		t.Run("Packages"+ending, func(t *testing.T) {
			repo, body := newSource(t, key, ending).start(t, app, nil)
			app.Completes(t, repo.Href()+"sync/", body)
			got := app.List(t, "content/deb/packages/", "repository_version="+app.Get(t, repo.Href()).Text("latest_version_href"))
			require.Len(t, got, 1)
			require.Equal(t, "hello", got[0].Text("package"))
			require.Equal(t, helloPath, got[0].Text("relative_path"))
			require.Len(t, app.List(t, "content/deb/package_release_components/", "distribution=stable&component=main"), 1)
			require.Equal(t, "fine", app.List(t, "content/deb/releases/")[0].Text("codename"))
			app.Completes(t, repo.Href()+"sync/", body)
			require.Len(t, app.List(t, repo.Href()+"versions/"), 2, "the same again makes no version")
		})
	}
}

func TestSyncFallsBackToReleaseAndItsSignature(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	s := newSource(t, newService(t, "up"), ".gz")
	s.Remove("dists/stable/InRelease")
	s.Put("dists/stable/Release", s.release())
	require.Contains(t, s.refuses(t, app, nil), "not signed")
	s.Put("dists/stable/Release.gpg", signed(t, s.key, pulp.DetachedSignature, s.release()))
	repo, body := s.start(t, app, nil)
	app.Completes(t, repo.Href()+"sync/", body)
	s.Put("dists/stable/Release", s.release()+" ")
	require.Contains(t, s.refuses(t, app, nil), "signature")
}

func TestSyncFollowsAChangeMeanwhileOrFailsClearly(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	s := newSource(t, newService(t, "up"), ".gz")
	old := s.release()
	s.files["main/binary-amd64/Packages.gz"] = compress(t, ".gz", strings.Replace(entry(build(t, "hello", "1.0", "amd64"), helloPath), "Description: d", "Description: new", 1))
	s.sign(t)
	stale := []byte(signed(t, s.key, pulp.ClearSignature, old))
	s.Answer("dists/stable/InRelease", func(w http.ResponseWriter, _ *http.Request, _ []byte) { _, _ = w.Write(stale) })
	require.Contains(t, s.refuses(t, app, object{"max_retries": 0}), "not to be had as Release says")
	require.Equal(t, 2, s.Hits("dists/stable/InRelease"), "Release says the same still: nothing is being updated")
	s.Answer("dists/stable/InRelease", pulptest.First(1, func(w http.ResponseWriter, _ *http.Request, _ []byte) { _, _ = w.Write(stale) }))
	repo, body := s.start(t, app, object{"max_retries": 0})
	app.Completes(t, repo.Href()+"sync/", body)
	require.Equal(t, "new", app.List(t, "content/deb/packages/")[0].Text("description"))
}

func TestSyncFollowsAnIndexThatIsGoneMeanwhile(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	s := newSource(t, newService(t, "up"), ".gz")
	stale := []byte(signed(t, s.key, pulp.ClearSignature, s.release()))
	s.files["main/binary-amd64/Packages.zst"] = compress(t, ".zst", entry(build(t, "hello", "1.0", "amd64"), helloPath))
	delete(s.files, "main/binary-amd64/Packages.gz")
	s.Remove("dists/stable/main/binary-amd64/Packages.gz")
	s.sign(t)
	s.Answer("dists/stable/InRelease", pulptest.First(1, func(w http.ResponseWriter, _ *http.Request, _ []byte) { _, _ = w.Write(stale) }))
	repo, body := s.start(t, app, nil)
	app.Completes(t, repo.Href()+"sync/", body)
	require.Len(t, app.List(t, "content/deb/packages/"), 1)
}

// What a remote without a key says of a file is not believed of the same file from another remote.
func TestWhatOneRemoteSaysIsNotTakenForWhatAnotherSays(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	evil, good := newSource(t, newService(t, "evil"), ".gz"), newSource(t, newService(t, "up"), ".gz")
	evil.files["main/binary-amd64/Packages.gz"] = compress(t, ".gz", strings.Replace(entry(build(t, "hello", "1.0", "amd64"), helloPath), "X-Odd: kept", "Depends: evil", 1))
	evil.sign(t)
	for _, s := range []*source{evil, good} {
		repo, body := s.start(t, app, nil)
		app.Completes(t, repo.Href()+"sync/", body)
		if s == good {
			got := app.List(t, "content/deb/packages/", "repository_version="+app.Get(t, repo.Href()).Text("latest_version_href"))
			require.Len(t, got, 1)
			require.Empty(t, got[0].Text("depends"))
		}
	}
}

func TestBuildsThatDifferUnderOneVersionAreRefused(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	s := newSource(t, newService(t, "up"), ".gz")
	other := build(t, "hello", "1.0", "amd64", "X-Other: yes\n")
	s.Put("pool/other.deb", string(other))
	s.files["contrib/binary-amd64/Packages"] = entry(other, "pool/other.deb")
	s.sign(t)
	require.Contains(t, s.refuses(t, app, nil), "same natural key")
}

func TestSyncRefusesAPackageOfAnotherDigest(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	s := newSource(t, newService(t, "up"), ".gz")
	s.Answer(helloPath, pulptest.WrongBytes)
	require.Contains(t, s.refuses(t, app, object{"max_retries": 0}), "hello_1.0_amd64.deb")
}

func TestIndexesAreFetchedByTheirDigests(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	s := newSource(t, newService(t, "up"), ".gz")
	s.header += "Acquire-By-Hash: yes\n"
	index := s.files["main/binary-amd64/Packages.gz"]
	s.sign(t)
	s.Remove("dists/stable/main/binary-amd64/Packages.gz")
	s.Put(fmt.Sprintf("dists/stable/main/binary-amd64/by-hash/SHA256/%x", sha256.Sum256([]byte(index))), index)
	repo, body := s.start(t, app, object{"policy": "on_demand"})
	app.Completes(t, repo.Href()+"sync/", body)
	require.Equal(t, 0, s.Hits(helloPath), "on demand")
	require.Len(t, app.List(t, "content/deb/packages/"), 1)
}

// apt installs from backports only what it is asked to: from their mirror, too.
func TestAMirrorKeepsWhatReleaseSaysToApt(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	s := newSource(t, newService(t, "up"), ".gz")
	said := "Origin: Ann\nLabel: Tools\nNotAutomatic: yes\nButAutomaticUpgrades: yes\n"
	s.header += said
	s.sign(t)
	repo, body := s.start(t, app, nil)
	app.Completes(t, repo.Href()+"sync/", body)
	app.Completes(t, "publications/deb/apt/", object{"repository": repo.Href()})
	app.Create(t, "distributions/deb/apt/", object{"name": "d", "base_path": "d", "repository": repo.Href()})
	got := string(app.Content(t, "d/dists/stable/Release").Body)
	for line := range strings.Lines(said + "Suite: stable\nCodename: fine\n") {
		require.Contains(t, got, line)
	}
}

func TestWhatWasFetchedIsServedWhenTheUpstreamIsGone(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	s := newSource(t, newService(t, "up"), ".gz")
	repo, body := s.start(t, app, nil)
	app.Completes(t, repo.Href()+"sync/", body)
	app.Completes(t, "publications/deb/apt/", object{"repository": repo.Href()})
	app.Create(t, "distributions/deb/apt/", object{"name": "d", "base_path": "d", "repository": repo.Href()})
	for name := range s.Files() {
		s.Remove(name)
	}
	require.Equal(t, 200, app.Content(t, "d/"+helloPath).Code)
	text := string(gunzip(t, app.Content(t, "d/dists/stable/main/binary-amd64/Packages.gz").Body))
	require.Contains(t, text, "X-Odd: kept\n")
	require.Contains(t, text, "Filename: "+helloPath+"\n")
	app.Fails(t, repo.Href()+"sync/", body)
	require.Equal(t, 200, app.Content(t, "d/"+helloPath).Code)
}

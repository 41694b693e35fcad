package deb_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

// An apt is the real client, in a root of its own.
type apt struct {
	dir  string
	work string
}

// newApt makes a client of one source that trusts one key.
func newApt(t *testing.T, url, dist, component string, key pulp.SigningService) *apt {
	t.Helper()
	pulptest.Tool(t, "apt-get")
	a := &apt{dir: t.TempDir(), work: t.TempDir()}
	for _, d := range []string{"state/lists/partial", "cache/archives/partial", "etc"} {
		require.NoError(t, os.MkdirAll(filepath.Join(a.dir, d), 0o755))
	}
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, "status"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, "key.asc"), []byte(key.PublicKey()), 0o644))
	source := "deb [arch=amd64 signed-by=" + filepath.Join(a.dir, "key.asc") + "] " + url + " " + dist + " " + component + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, "etc/sources.list"), []byte(source), 0o644))
	return a
}

func (a *apt) run(args ...string) (string, error) {
	cmd := exec.Command("apt-get", append([]string{
		"-o", "Dir::State=" + a.dir + "/state", "-o", "Dir::State::status=" + a.dir + "/status", "-o", "Dir::Cache=" + a.dir + "/cache",
		"-o", "Dir::Etc::sourcelist=" + a.dir + "/etc/sources.list", "-o", "Dir::Etc::sourceparts=-", "-o", "Dir::Etc::trustedparts=-",
		"-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none", "-o", "APT::Architecture=amd64", "-o", "APT::Update::Error-Mode=any",
		"-o", "Acquire::Retries=0"}, args...)...)
	cmd.Dir = a.work
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// does runs apt-get, which must succeed.
func (a *apt) does(t *testing.T, args ...string) string {
	t.Helper()
	out, err := a.run(args...)
	require.NoError(t, err, out)
	return out
}

// published makes a repository with a package, published below base.
func published(t *testing.T, app *pulptest.App, base string, file []byte) (repo object) {
	t.Helper()
	service := app.List(t, "signing-services/")[0].Href()
	repo = app.Create(t, "repositories/deb/apt/", object{"name": base, "autopublish": true, "signing_service": service})
	upload(t, app, repo.Href(), file, "stable")
	app.Create(t, "distributions/deb/apt/", object{"name": base, "base_path": base, "repository": repo.Href()})
	return repo
}

func TestAptInstallsFromUploadsAndFromTheirMirror(t *testing.T) {
	t.Parallel()
	app, key := newApp(t)
	file := build(t, "hellopulp", "1:1.0-1", "amd64")
	published(t, app, "ours", file)
	root := app.ContentURL("ours/")
	remote := app.Create(t, "remotes/deb/apt/", object{"name": "m", "url": root, "distributions": "stable", "architectures": "amd64", "gpgkey": key.PublicKey(), "policy": "on_demand"})
	service := app.List(t, "signing-services/")[0].Href()
	mirror := app.Create(t, "repositories/deb/apt/", object{"name": "mirror", "autopublish": true, "signing_service": service})
	app.Completes(t, mirror.Href()+"sync/", object{"remote": remote.Href(), "mirror": true})
	app.Create(t, "distributions/deb/apt/", object{"name": "mirror", "base_path": "mirror", "repository": mirror.Href()})
	for _, at := range []struct{ base, dist, component string }{{"ours/", "stable", "main"}, {"ours/", "default", "all"}, {"mirror/", "stable", "main"}} {
		a := newApt(t, app.ContentURL(at.base), at.dist, at.component, key)
		a.does(t, "update")
		require.Contains(t, a.does(t, "-s", "install", "hellopulp"), "Inst hellopulp (1:1.0-1 ")
		a.does(t, "download", "hellopulp")
		got, err := filepath.Glob(filepath.Join(a.work, "*.deb"))
		require.NoError(t, err)
		require.Len(t, got, 1)
		bytes, err := os.ReadFile(got[0])
		require.NoError(t, err)
		require.Equal(t, file, bytes)
	}
}

func TestAptRefusesWhatAnotherKeySigned(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	published(t, app, "ours", build(t, "hellopulp", "1.0", "amd64"))
	out, err := newApt(t, app.ContentURL("ours/"), "stable", "main", newService(t, "theirs")).run("update")
	require.Error(t, err)
	require.Contains(t, out, "NO_PUBKEY")
}

func TestAptRefusesACorruptedPackage(t *testing.T) {
	t.Parallel()
	app, key := newApp(t)
	file := build(t, "hellopulp", "1.0", "amd64")
	published(t, app, "ours", file)
	up := pulptest.NewUpstream(t)
	for _, name := range []string{"dists/stable/InRelease", "dists/stable/main/binary-amd64/Packages.gz"} {
		up.Put(name, string(app.Content(t, "ours/"+name).Body))
	}
	broken := append([]byte(nil), file...)
	broken[len(broken)-1] ^= 1
	up.Put("pool/upload/h/hellopulp/hellopulp_1.0_amd64.deb", string(broken))
	a := newApt(t, up.URL(""), "stable", "main", key)
	a.does(t, "update")
	out, err := a.run("download", "hellopulp")
	require.Error(t, err)
	require.Contains(t, out, "Hash Sum mismatch")
}

func TestAptGoesOnWhileTheRepositoryIsPublishedAnew(t *testing.T) {
	t.Parallel()
	app, key := newApp(t)
	repo := published(t, app, "ours", build(t, "hellopulp", "1.0", "amd64"))
	a := newApt(t, app.ContentURL("ours/"), "stable", "main", key)
	a.does(t, "update")
	old := string(app.Content(t, "ours/dists/stable/main/binary-amd64/Packages.gz").Body)
	upload(t, app, repo.Href(), build(t, "hellopulp", "2.0", "amd64"), "stable")
	app.Completes(t, repo.Href()+"modify/", object{"remove_content_units": []string{app.List(t, "content/deb/packages/", "version=1.0")[0].Href()}})
	require.NotEqual(t, old, string(app.Content(t, "ours/dists/stable/main/binary-amd64/Packages.gz").Body))
	a.does(t, "download", "hellopulp=1.0")
	a.does(t, "update")
	require.Contains(t, a.does(t, "-s", "install", "hellopulp"), "Inst hellopulp (2.0 ")
}

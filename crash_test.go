//go:build unix

package pulp_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/pulptest"
	"github.com/gopulp/pulp/sqlite"
)

// crashDir says to a copy of this test's program that it is the server, and on which directory.
const crashDir = "PULP_TEST_SERVE"

// TestBeAVictim is no test, but what the killed process runs.
func TestBeAVictim(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		t.Skip("for the copy of this program that a test kills")
	}
	require.NoError(t, serve(dir))
}

// serve is what a server's main does. It tells its address in a file.
func serve(dir string) error {
	db, err := sqlite.Open(dir)
	if err != nil {
		return err
	}
	app, err := pulp.Open(context.Background(), db, pulp.Config{Plugins: []pulp.Plugin{file.Plugin()}, AdminPassword: "password"})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go http.Serve(l, httpapi.Handler(app))
	at := filepath.Join(dir, "address")
	if err := os.WriteFile(at+".new", []byte(l.Addr().String()), 0o600); err != nil {
		return err
	}
	if err := os.Rename(at+".new", at); err != nil {
		return err
	}
	return app.Run(context.Background())
}

// A prey is a server in a process of its own.
type prey struct {
	*pulptest.Client
	process *exec.Cmd
}

func startPrey(t *testing.T, dir string) *prey {
	t.Helper()
	at := filepath.Join(dir, "address")
	if err := os.Remove(at); err != nil {
		require.ErrorIs(t, err, os.ErrNotExist)
	}
	v := &prey{process: exec.Command(os.Args[0], "-test.run=^TestBeAVictim$")}
	v.process.Env, v.process.Stderr = append(os.Environ(), crashDir+"="+dir), os.Stderr
	require.NoError(t, v.process.Start())
	t.Cleanup(v.kill)
	var address []byte
	require.Eventually(t, func() bool {
		b, err := os.ReadFile(at)
		address = b
		return err == nil
	}, 30*time.Second, 5*time.Millisecond)
	v.Client = pulptest.NewClient("http://"+string(address), "admin", "password")
	return v
}

// kill ends the process as a power button would, as far as it is concerned.
func (v *prey) kill() {
	if v.process.ProcessState == nil {
		v.process.Process.Kill()
		v.process.Wait()
	}
}

func TestKilledSyncsLeaveNoHalfVersion(t *testing.T) {
	t.Parallel()
	rounds, each := 3, 1500
	switch {
	case pulptest.Heavy():
		rounds, each = 20, 750
	case testing.Short():
		rounds, each = 2, 300
	}
	up := pulptest.NewUpstream(t)
	dir := t.TempDir()
	v := startPrey(t, dir)
	repo := v.Create(t, fileRepositories, object{"name": "repo", "autopublish": true})
	remote := v.Create(t, fileRemotes, object{"name": "up", "url": up.URL(pulptest.ManifestName)})
	files, complete := 0, 0
	for round := range rounds {
		for range each {
			up.Put(fmt.Sprintf("d%d/f%d", files%10, files), fmt.Sprintf("round %d file %d", round, files))
			files++
		}
		mark := fmt.Sprintf("d%d/f%d", 0, files-10*(1+rand.IntN(each/10-10)))
		gate := up.Hold(mark) // some way into the downloads
		task := v.Start(t, "POST", repo.Href()+"sync/", object{"remote": remote.Href()})
		gate.Await(t, 1)
		gate.Open()
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond) // the moment is random: that is the point
		v.kill()

		v = startPrey(t, dir)
		ended := v.Get(t, task)
		if ended.Text("state") == "completed" {
			complete = files
		} else {
			require.Equal(t, "failed", ended.Text("state"))
			require.Equal(t, "Worker has gone missing.", ended.Object("error").Text("reason"))
		}
		latest := v.Get(t, repo.Href()).Text("latest_version_href")
		require.Equal(t, complete, v.Get(t, latest).Object("content_summary", "present", "file.file").Number("count"))
		require.Equal(t, complete, v.Get(t, fileContent+"?limit=1&"+pulptest.Param("repository_version", latest)).Number("count"))

		v.Completes(t, repo.Href()+"sync/", object{"remote": remote.Href()})
		latest = v.Get(t, repo.Href()).Text("latest_version_href")
		complete = files
		require.Equal(t, complete, v.Get(t, latest).Object("content_summary", "present", "file.file").Number("count"))
		require.Len(t, v.List(t, filePublications), v.Get(t, latest).Number("number"))
		(&site{App: &pulptest.App{Dir: dir}}).blobsAreTrue(t)
	}
}

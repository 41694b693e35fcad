package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

// What is generated is a plugin: it is built, vetted and tested without an edit, and its program
// mirrors and serves.
func TestPluginBuildsPassesItsTestsAndServes(t *testing.T) {
	if !pulptest.Heavy() {
		t.Skip("builds modules: PULP_TEST_HEAVY=1 runs it")
	}
	for _, args := range tried {
		t.Run(args[0], func(t *testing.T) {
			dir := generated(t, args...)
			goRuns(t, dir, "build", "./...")
			goRuns(t, dir, "vet", "./...")
			goRuns(t, dir, "test", "./...")
			if args[0] == "firmware" {
				serves(t, dir)
			}
		})
	}
}

// goRuns runs the go command, without a network.
func goRuns(t *testing.T, dir string, args ...string) {
	t.Helper()
	pulptest.Command{Dir: dir, Env: []string{"GOPROXY=off", "GOFLAGS=-trimpath", "GOWORK=off"}}.Does(t, "go", args...)
}

// serves starts the program, has it mirror an upstream, and reads a file from it.
func serves(t *testing.T, dir string) {
	binary := filepath.Join(t.TempDir(), "server.exe")
	goRuns(t, dir, "build", "-o", binary, "./cmd/server")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	cmd := exec.CommandContext(ctx, binary, "-addr", addr, "-data", t.TempDir())
	cmd.Env = append(os.Environ(), "PULP_ADMIN_PASSWORD=secret")
	var log bytes.Buffer
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	defer func() {
		stop()
		cmd.Wait() // it was killed
		if t.Failed() {
			t.Log(log.String())
		}
	}()
	require.Eventually(t, func() bool {
		res, err := http.Get("http://" + addr + "/pulp/api/v3/status/")
		if err == nil {
			res.Body.Close()
		}
		return err == nil && res.StatusCode == http.StatusOK
	}, time.Minute, 20*time.Millisecond)
	mirrors(t, pulptest.NewClient("http://"+addr, "admin", "secret"))
}

func mirrors(t *testing.T, api *pulptest.Client) {
	up := pulptest.NewUpstream(t)
	up.Put("a-1.bin", "hello")
	up.Put("index.jsonl", `{"type": "firmware", "name": "a", "version": "1", "path": "a-1.bin", "size": 5, "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}`)
	remote := api.Create(t, "remotes/firmware/firmware/", pulptest.Object{"name": "up", "url": up.URL("index.jsonl"), "policy": "on_demand"})
	repo := api.Create(t, "repositories/firmware/firmware/", pulptest.Object{"name": "copy", "remote": remote.Href(), "autopublish": true})
	api.Create(t, "distributions/firmware/firmware/", pulptest.Object{"name": "copy", "base_path": "copy", "repository": repo.Href()})
	api.Completes(t, repo.Href()+"sync/", pulptest.Object{})
	require.Zero(t, up.Hits("a-1.bin"))
	require.Equal(t, "hello", string(api.Content(t, "copy/a-1.bin").Body))
	require.Equal(t, 1, up.Hits("a-1.bin"))
}

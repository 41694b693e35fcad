package pulp_test

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/internal/httpload"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/pulptest"
)

// servedDir tells a child process which data directory to serve.
const servedDir = "PULP_BENCH_SERVE"

// BenchmarkContentNginx gets files of 1 MiB and of 100 MiB over 16 connections, and compares what a
// request costs of the processor, in user and kernel mode, with nginx that sends the same files by
// sendfile. Both are processes of their own, called by turns.
func BenchmarkContentNginx(b *testing.B) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		b.Skip("this benchmark needs nginx")
	}
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		b.Skip("there is no /proc/self/schedstat here")
	}
	dir, plain := b.TempDir(), b.TempDir()
	s := newFiles(b, pulptest.Dir(dir))
	repo := s.repository(b, object{"autopublish": true})
	sizes := map[string]int{"1MiB": 1 << 20, "100MiB": 100 << 20}
	for name, size := range sizes {
		body := strings.Repeat(name+" of content\n", size/16)
		require.NoError(b, os.WriteFile(filepath.Join(plain, name), []byte(body), 0o644))
		s.modify(b, repo, object{"add_content_units": []string{s.unit(b, name, body)}})
	}
	s.distribute(b, "d", object{"repository": repo.Href()})
	s.Stop()
	ours, theirs := startServing(b, dir), startNginx(b, nginx, plain)
	for name, n := range map[string]int{"1MiB": 4000, "100MiB": 64} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				mine, other := byTurns(
					func() float64 { return ours.cost(b, "/d/"+name, n) },
					func() float64 { return theirs.cost(b, "/"+name, n) })
				b.ReportMetric(mine*1e6, "µs-cpu/request")
				b.ReportMetric(other*1e6, "µs-nginx")
				b.ReportMetric(other/mine, "of-nginx")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// A served is a process that serves files.
type served struct {
	pid          int
	addr, prefix string
}

// cost is how many seconds of the processor one of n requests costs.
func (s served) cost(b *testing.B, path string, n int) float64 {
	requests := make([]httpload.Request, n)
	for i := range requests {
		requests[i] = httpload.Request{Method: "GET", Path: s.prefix + path, Code: 200}
	}
	before := usedBy(b, s.pid)
	require.Empty(b, httpload.SendAll(s.addr, "", 16, requests))
	return (usedBy(b, s.pid) - before).Seconds() / float64(n)
}

func startServing(b *testing.B, dir string) served {
	child := exec.Command(os.Args[0], "-test.run=^TestServingProcess$")
	child.Env = append(os.Environ(), servedDir+"="+dir)
	in, err := child.StdinPipe()
	require.NoError(b, err)
	out, err := child.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, child.Start())
	b.Cleanup(func() {
		require.NoError(b, in.Close())
		require.NoError(b, child.Wait())
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(b, err)
	at, err := url.Parse(strings.TrimSpace(line))
	require.NoError(b, err)
	return served{child.Process.Pid, at.Host, strings.TrimSuffix(at.Path, "/")}
}

// TestServingProcess is not a test of its own: it is the process that serves.
func TestServingProcess(t *testing.T) {
	dir := os.Getenv(servedDir)
	if dir == "" {
		t.Skip("only for BenchmarkContentNginx")
	}
	app := pulptest.New(t, pulptest.Dir(dir), pulptest.Plugins(file.Plugin()))
	fmt.Println(app.ContentURL(""))
	_, _ = os.Stdin.Read(make([]byte, 1)) // until its parent closes the pipe
}

const nginxConf = `daemon off; master_process off; user root; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 64; }
http {
  sendfile on; tcp_nopush on; access_log off; keepalive_requests 1000000;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server { listen %[2]s; root %[3]s; }
}`

func startNginx(b *testing.B, nginx, root string) served {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	addr := free.Addr().String()
	require.NoError(b, free.Close())
	dir := b.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	require.NoError(b, os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, addr, root), 0o600))
	child := exec.Command(nginx, "-p", dir, "-c", conf)
	require.NoError(b, child.Start())
	b.Cleanup(func() {
		_ = child.Process.Signal(os.Interrupt)
		_ = child.Wait()
	})
	require.Eventually(b, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	return served{child.Process.Pid, addr, ""}
}

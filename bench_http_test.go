package pulp_test

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/internal/httpload"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/sqlite"
)

// The benchmarks of the API over HTTP are ratios, as those of tasks are: the App and a handler
// that somebody wrote by hand for this one collection (bench_http_floor_test.go) answer the same
// requests from copies of the same 10,000 repositories, by turns, and the medians count. Clients
// keep their connections. Call them with a fixed number, as in
//
//	go test -run '^$' -bench HTTP -benchtime 3000x .

const benchRepositories = 10_000 // in the benchmarks

const benchPath = shopAPI + "repositories/file/file/"

var benchLogin = "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:secret"))

// BenchmarkHTTP has commits that do not wait for the disk, so that the code is compared.
func BenchmarkHTTP(b *testing.B) { benchHTTP(b, sqlite.Normal) }

// BenchmarkHTTPFull has what the App does unless told otherwise: each answer to a write comes
// after the disk's.
func BenchmarkHTTPFull(b *testing.B) { benchHTTP(b, sqlite.Full) }

func benchHTTP(b *testing.B, synchronous sqlite.Sync) {
	p := newHTTPPair(b, synchronous, benchRepositories)
	for _, op := range []struct {
		name    string
		request func(i int) httpload.Request
	}{
		{"list", func(int) httpload.Request { return asking("GET", benchPath+"?limit=100", "", 200) }},
		{"read", func(i int) httpload.Request { return asking("GET", p.href(i), "", 200) }},
		{"create", func(i int) httpload.Request {
			p.made++
			return asking("POST", benchPath, fmt.Sprintf(`{"name":"made-%d-%d","description":"made","pulp_labels":{"env":"prod"}}`, p.made, i), 201)
		}},
		{"patch", func(i int) httpload.Request {
			p.made++
			return asking("PATCH", p.href(i), fmt.Sprintf(`{"description":"changed %d"}`, p.made), 202)
		}},
	} {
		for _, connections := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s-%d", op.name, connections), func(b *testing.B) {
				requests := make([]httpload.Request, b.N)
				run := func(url string) float64 {
					for i := range requests {
						requests[i] = op.request(i)
					}
					return rate(b.N, func() { require.Empty(b, httpload.SendAll(url, benchLogin, connections, requests)) })
				}
				floor, ours := byTurns(func() float64 { return run(p.floor) }, func() float64 { return run(p.ours) })
				b.ReportMetric(ours, "req/s")
				b.ReportMetric(floor, "floor/s")
				b.ReportMetric(ours/floor, "x-floor")
			})
		}
	}
}

// A httpPair is two servers with the same repositories.
type httpPair struct {
	ours, floor string // their URLs
	hrefs       []string
	made        int
}

// href spreads requests over the repositories.
func (p *httpPair) href(i int) string { return p.hrefs[i*7919%len(p.hrefs)] }

func newHTTPPair(tb testing.TB, synchronous sqlite.Sync, repositories int) *httpPair {
	tb.Helper()
	dir, copied := tb.TempDir(), tb.TempDir()
	p := &httpPair{hrefs: benchData(tb, dir, repositories)}
	require.NoError(tb, os.CopyFS(copied, os.DirFS(dir)))
	app := openBench(tb, dir, synchronous)
	p.ours = serveBench(tb, httpapi.Handler(app))
	p.floor = serveBench(tb, newFloor(tb, filepath.Join(copied, "pulp.db"), synchronous))
	return p
}

func openBench(tb testing.TB, dir string, synchronous sqlite.Sync) *pulp.App {
	quiet := slog.New(slog.DiscardHandler)
	db, err := sqlite.Open(dir, sqlite.Synchronous(synchronous), sqlite.Logger(quiet))
	require.NoError(tb, err)
	app, err := pulp.Open(tb.Context(), db, pulp.Config{Plugins: []pulp.Plugin{file.Plugin()}, AdminPassword: "secret", Logger: quiet})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, app.Close()) })
	return app
}

func serveBench(tb testing.TB, h http.Handler) string {
	s := httptest.NewServer(h)
	tb.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// benchData makes the repositories, all of which name a remote, and returns their hrefs.
func benchData(tb testing.TB, dir string, repositories int) []string {
	db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Off))
	require.NoError(tb, err)
	app, err := pulp.Open(tb.Context(), db, pulp.Config{Plugins: []pulp.Plugin{file.Plugin()}, AdminPassword: "secret", Logger: slog.New(slog.DiscardHandler)})
	require.NoError(tb, err)
	s := &shop{App: app, Handler: httpapi.Handler(app), dir: dir}
	remote := s.make(tb, "remotes/file/file/", `{"name":"r","url":"http://example.org/PULP_MANIFEST"}`)
	hrefs := make([]string, repositories)
	each(tb, 16, len(hrefs), func(i int) error {
		hrefs[i] = s.make(tb, "repositories/file/file/", fmt.Sprintf(
			`{"name":"repository-%d","description":"A description of moderate length.","remote":%q,"pulp_labels":{"env":"prod"}}`, i, remote))
		return nil
	})
	require.NoError(tb, app.Close())
	return hrefs
}

// TestFloorOfTheBenchmarkAnswersAsTheAppDoes sees that what is compared does the same.
func TestFloorOfTheBenchmarkAnswersAsTheAppDoes(t *testing.T) {
	t.Parallel()
	p := newHTTPPair(t, sqlite.Off, 120)
	for _, path := range []string{p.href(1), benchPath + "?limit=100"} {
		ours, floor := ask(t, p.ours, asking("GET", path, "", 200)), ask(t, p.floor, asking("GET", path, "", 200))
		require.JSONEq(t, strings.ReplaceAll(ours, p.ours, "host"), strings.ReplaceAll(floor, p.floor, "host"))
	}
	for _, url := range []string{p.ours, p.floor} {
		made := ask(t, url, asking("POST", benchPath, `{"name":"new","pulp_labels":{}}`, 201))
		require.Contains(t, made, `"name":"new"`)
		require.Contains(t, ask(t, url, asking("PATCH", p.href(1), `{"description":"new"}`, 202)), `{"task":"`+shopAPI+`tasks/`)
		require.Contains(t, ask(t, url, asking("GET", p.href(1), "", 200)), `"description":"new"`)
	}
}

func ask(t *testing.T, addr string, r httpload.Request) string {
	t.Helper()
	c, err := httpload.Dial(addr, benchLogin)
	require.NoError(t, err)
	defer c.Close()
	body, err := c.Do(r, true)
	require.NoError(t, err)
	return string(body)
}

func asking(method, path, body string, code int) httpload.Request {
	return httpload.Request{Method: method, Path: path, Body: body, Code: code}
}

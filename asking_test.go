package pulp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/sqlite"
	"github.com/stretchr/testify/require"
)

// A shop is an App with these parts, asked over HTTP as admin.
type shop struct {
	*pulp.App
	http.Handler
	dir string
	log *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *syncBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *syncBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func openShop(t testing.TB, plugins ...pulp.Plugin) *shop {
	t.Helper()
	s, err := tryShop(t, shopSchema, pulp.Config{Parts: shopParts, Plugins: plugins, SigningServices: []pulp.SigningService{stamp("ours")}})
	require.NoError(t, err)
	return s
}

// tryShop opens an App with tables of the host; its tasks run.
func tryShop(t testing.TB, tables string, cfg pulp.Config) (*shop, error) {
	t.Helper()
	s := &shop{dir: t.TempDir(), log: &syncBuffer{}}
	db, err := sqlite.Open(s.dir, sqlite.Synchronous(sqlite.Off))
	require.NoError(t, err)
	_, err = db.Writer().DB.ExecContext(t.Context(), tables)
	require.NoError(t, err)
	cfg.AdminPassword, cfg.Workers = "secret", 2
	cfg.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if s.App, err = pulp.Open(t.Context(), db, cfg); err != nil {
		return nil, err
	}
	s.Handler = httpapi.Handler(s.App)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.App.Run(ctx) }()
	<-s.Started()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
		require.NoError(t, s.App.Close())
	})
	return s, nil
}

const (
	waitFor = 60 * time.Second
	often   = 2 * time.Millisecond
)

const shopAPI = "/pulp/api/v3/"

// A reply is an answer: its code and its body.
type reply struct {
	code int
	body string
}

// ask sends a request with a JSON body; a path without a slash before it lies below the API's root.
func (s *shop) ask(t testing.TB, method, path, body string) reply {
	t.Helper()
	return s.send(t, method, path, "application/json", strings.NewReader(body))
}

func (s *shop) send(t testing.TB, method, path, kind string, body io.Reader) reply {
	t.Helper()
	if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "http") {
		path = shopAPI + path
	}
	r := httptest.NewRequest(method, path, body)
	r.SetBasicAuth("admin", "secret")
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return reply{w.Code, w.Body.String()}
}

// object is the body as an object.
func (r reply) object(t testing.TB) map[string]any {
	t.Helper()
	var out map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.body), &out), "%d %s", r.code, r.body)
	return out
}

func (r reply) field(t testing.TB, name string) string {
	t.Helper()
	return fmt.Sprint(r.object(t)[name])
}

// make creates an object and returns its href.
func (s *shop) make(t testing.TB, path, body string) string {
	t.Helper()
	r := s.ask(t, "POST", path, body)
	require.Equal(t, http.StatusCreated, r.code, r.body)
	return r.field(t, "pulp_href")
}

// end waits for the task that an answer names and returns it.
func (s *shop) end(t testing.TB, r reply) map[string]any {
	t.Helper()
	require.Equal(t, http.StatusAccepted, r.code, r.body)
	href := r.field(t, "task")
	var task map[string]any
	require.Eventually(t, func() bool {
		task = s.ask(t, "GET", href, "").object(t)
		return task["finished_at"] != nil
	}, waitFor, often)
	return task
}

// rows counts what a query finds.
func (s *shop) rows(t testing.TB, query string) (n int) {
	t.Helper()
	require.NoError(t, s.DB().Reader().DB.QueryRowContext(t.Context(), query).Scan(&n))
	return n
}

// names are the values of a field in a list.
func (s *shop) names(t testing.TB, path, field string) []string {
	t.Helper()
	r := s.ask(t, "GET", path, "")
	require.Equal(t, http.StatusOK, r.code, r.body)
	out := []string{}
	for _, o := range r.object(t)["results"].([]any) {
		out = append(out, fmt.Sprint(o.(map[string]any)[field]))
	}
	return out
}

func encoded(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

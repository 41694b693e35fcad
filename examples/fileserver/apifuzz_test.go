package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/certguard"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/pulptest"
)

// TestAPIKeepsToItsDocument sends requests that are made of the OpenAPI document, fair and
// hostile ones, over every operation: no answer may be a fault of the server or contradict the
// document, every task must end, and what is left must verify. With PULP_TEST_HEAVY=1 it sends
// more than 20,000; PULP_TEST_SEED repeats the requests of a seed, as far as the server's own
// choices (keys, the order of tasks) let it.
func TestAPIKeepsToItsDocument(t *testing.T) {
	if testing.Short() {
		t.Skip("sends hundreds of requests")
	}
	senders, rounds := 1, 2
	if pulptest.Heavy() {
		senders, rounds = 4, 25
	}
	f, seed := newAPIFuzzer(t), firstSeed(t)
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() { f.send(seed+uint64(i), rounds) })
	}
	wg.Wait()
	f.endTasks()
	f.readAll()
	f.report(rounds)
}

func firstSeed(t *testing.T) uint64 {
	seed, err := strconv.ParseUint(os.Getenv("PULP_TEST_SEED"), 10, 64)
	if err != nil {
		seed = 1
	}
	t.Logf("seed %d", seed)
	return seed
}

// An apiFuzzer is an App with what is known of it.
type apiFuzzer struct {
	t       *testing.T
	app     *pulptest.App
	handler http.Handler
	doc     *apiDocument
	pool    *pool
	samples map[string][]any

	mu    sync.Mutex
	sent  int
	done  map[string]int      // successes by operation
	codes map[int]int         // answers by code
	wrong map[string][]string // examples by what is wrong and with which operation
}

func newAPIFuzzer(t *testing.T) *apiFuzzer {
	up := pulptest.NewUpstream(t)
	up.Put("a.bin", "hello")
	up.Put("b/c.txt", "x")
	trusting := func(r *http.Request) (pulp.Caller, error) { return pulp.Caller{Username: root, Superuser: true}, nil } // whatever becomes of the accounts
	app := pulptest.New(t, pulptest.Plugins(file.Plugin(), certguard.Plugin()), pulptest.HTTP(httpapi.Authenticators(trusting)))
	app.Create(t, "users/", pulptest.Object{"username": nobody})
	require.NoError(t, app.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		_, err := app.NewGroup(ctx, tx, "a group, which nobody can make over HTTP")
		return err
	}))
	f := &apiFuzzer{t: t, app: app, samples: samplesFor(up.URL(pulptest.ManifestName)), done: map[string]int{}, codes: map[int]int{}, wrong: map[string][]string{}}
	admin, err := app.Caller(t.Context(), root)
	require.NoError(t, err)
	known := func(r *http.Request) (pulp.Caller, error) {
		switch r.Header.Get(asHeader) {
		case root:
			return admin, nil // whatever it is called by now
		case nobody:
			return caller(r.Context(), app.App)
		}
		return pulp.Caller{}, nil
	}
	f.handler = httpapi.Handler(app.App, httpapi.Authenticators(known, httpapi.Basic(app.App), httpapi.Session(app.App)))
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, httptest.NewRequest("GET", app.APIPath()+"docs/api.json?pk_path=1", nil))
	doc, err := parseDocument(w.Body.Bytes())
	require.NoError(t, err)
	f.doc, f.pool = doc, newPool(doc)
	return f
}

// caller is who has an account without roles, or who has none, should requests have taken it away.
func caller(ctx context.Context, app *pulp.App) (pulp.Caller, error) {
	c, err := app.Caller(ctx, nobody)
	if errors.Is(err, pulp.ErrNotFound) {
		return pulp.Caller{Username: nobody}, nil
	}
	return c, err
}

// send sends requests for all operations, in another order each round.
func (f *apiFuzzer) send(seed uint64, rounds int) {
	r := rand.New(rand.NewPCG(seed, 0))
	g := &generator{Rand: r, doc: f.doc, pool: f.pool, samples: f.samples}
	for round := range rounds {
		where := fmt.Sprintf("seed %d, round %d", seed, round)
		if round%5 == 0 {
			f.furnish(g, where)
		}
		for _, i := range r.Perm(len(f.doc.operations)) {
			c := g.call(f.doc.operations[i])
			f.note(c, f.ask(c), where)
		}
	}
}

// furnish makes objects of all kinds, and looks at all lists, so that there is something to play with.
func (f *apiFuzzer) furnish(g *generator, where string) {
	g.calm = true
	defer func() { g.calm = false }()
	f.app.Do(f.t, "PATCH", "users/1/", pulptest.Object{"username": root}) // it may have another name by now
	for range 3 {
		for _, op := range f.doc.operations {
			if !strings.Contains(op.template, "{") && (op.method == "POST" || op.method == "GET") {
				c := g.call(op)
				if op.method == "GET" {
					c.url.RawQuery = "" // all that there is
				}
				f.note(c, f.ask(c), where)
			}
		}
	}
}

// An answer is what came back for a call.
type answer struct {
	code   int
	header http.Header
	body   []byte
	stream bool
}

// ask has the handler answer a call. Streams of events are ended when they begin.
func (f *apiFuzzer) ask(c *call) *answer {
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, c.op.method, "/", bytes.NewReader(c.body))
	r.URL, r.RequestURI, r.Header = &c.url, c.url.RequestURI(), c.header
	w := &streamEnder{ResponseRecorder: httptest.NewRecorder(), end: cancel}
	f.serve(w, r)
	return &answer{w.Code, w.Result().Header, w.Body.Bytes(), w.stream}
}

// serve lets a stream that was ended break off its connection, as it may.
func (f *apiFuzzer) serve(w *streamEnder, r *http.Request) {
	defer func() {
		if v := recover(); v != nil && (v != http.ErrAbortHandler || !w.stream) { //nolint:errorlint // a panic's value
			panic(v)
		}
	}()
	f.handler.ServeHTTP(w, r)
}

type streamEnder struct {
	*httptest.ResponseRecorder
	end    func()
	stream bool
}

func (w *streamEnder) WriteHeader(code int) {
	if w.stream = w.Header().Get("Content-Type") == "text/event-stream"; w.stream {
		w.end()
	}
	w.ResponseRecorder.WriteHeader(code)
}

// indices are left out where what is wrong is gathered.
var indices = regexp.MustCompile(`\[\d+\]`)

// note judges an answer and learns from it.
func (f *apiFuzzer) note(c *call, a *answer, where string) {
	body, wrong := f.doc.judge(c, a)
	switch {
	case a.code < 300:
		f.pool.learn(body)
	case a.code == 404 && c.header.Get(asHeader) == root:
		f.pool.forget(c.url.Path)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent++
	f.codes[a.code]++
	if a.code < 400 || a.code == 409 {
		f.done[c.op.OperationID]++
	}
	for _, w := range wrong {
		key := c.op.OperationID + ": " + indices.ReplaceAllString(w, "[]")
		f.wrong[key] = append(f.wrong[key], fmt.Sprintf("%s: %s\n→ %d %s", where, c, a.code, brief(string(a.body))))
	}
}

// fault notes something that is wrong at the end.
func (f *apiFuzzer) fault(what, example string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrong[what] = append(f.wrong[what], example)
}

// endTasks cancels what has not ended and looks at how all tasks have ended.
func (f *apiFuzzer) endTasks() {
	for _, href := range f.pool.tasks {
		if a := f.app.Do(f.t, "GET", href, nil); a.Code == 200 && a.Object(f.t)["finished_at"] == nil {
			f.app.Do(f.t, "PATCH", href, pulptest.Object{"state": "canceled"})
		}
	}
	for _, task := range f.app.List(f.t, "tasks/") {
		task = f.app.Wait(f.t, task.Href())
		if task.Text("state") != "failed" {
			continue
		}
		e := task.Object("error")
		if text, _ := e["description"].(string); e["error_code"] == nil && e["reason"] == nil && (text == "" || leaks.MatchString(text)) {
			f.fault("task "+task.Text("name")+" failed by a fault of the server", fmt.Sprint(e))
		}
	}
}

// readAll reads every list to its end, and verifies the directory.
func (f *apiFuzzer) readAll() {
	for _, op := range f.doc.operations {
		if op.method == "GET" && strings.HasSuffix(op.OperationID, "_list") && !strings.Contains(op.template, "{") {
			c := &call{op: op, header: http.Header{asHeader: {root}}}
			c.url.Path, c.url.RawQuery = op.template, "limit=100000"
			f.note(c, f.ask(c), "at the end")
		}
	}
	if _, err := f.app.Verify(f.t.Context()); err != nil {
		f.fault("the directory does not verify", err.Error())
	}
	if left := f.app.Temps(f.t); len(left) > 0 {
		f.fault("files that nobody kept are left", fmt.Sprint(left))
	}
	for line := range strings.Lines(f.app.Log.String()) {
		if strings.Contains(line, "panic") || strings.Contains(line, "level=ERROR") {
			f.fault("the log has an error", line)
		}
	}
}

// report fails the test with one example of each thing that is wrong.
func (f *apiFuzzer) report(rounds int) {
	counts, _ := json.Marshal(f.codes)
	f.t.Logf("%d requests: %s; %d tasks", f.sent, counts, len(f.pool.tasks))
	for _, what := range sorted(f.wrong) {
		f.t.Errorf("%s (%d times)\n%s", what, len(f.wrong[what]), f.wrong[what][0])
	}
	var never []string
	for _, op := range f.doc.operations {
		// Taking a role that was given before is a matter of luck; the recorded answers show it.
		if f.done[op.OperationID] == 0 && !strings.HasSuffix(op.OperationID, "_remove_role") {
			never = append(never, op.OperationID)
		}
	}
	if rounds > 10 && len(never) > tolerated {
		f.t.Errorf("the requests are not good enough: %v never succeeded", never)
	}
}

// tolerated is how many operations may never succeed, by bad luck.
const tolerated = 5

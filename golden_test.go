package pulp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/certguard"
	"github.com/gopulp/pulp/plugins/file"
)

// TestRESTIsAsRecorded plays the requests of each testdata/rest/*.golden against an App with
// the file plugin, and compares the answers with what stands below the dashes. After an answer
// that names a task, the task's end is waited for. Ids are numbered in the order in which they
// appear, and requests name them so. Who asks is admin, or whom a header "User: name password"
// names. The step DISPATCH makes a group of one task, which waits. UPDATE_GOLDEN=1 writes the answers into the files.
func TestRESTIsAsRecorded(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/rest/*.golden")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".golden"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			s, n := openShop(t, recordedPlugins()...), &numbers{ids: map[string]string{}}
			var got strings.Builder
			for _, step := range strings.Split(string(data), ">>> ")[1:] {
				asked, _, _ := strings.Cut(step, "-----\n")
				fmt.Fprintf(&got, ">>> %s-----\n%s\n", asked, n.play(t, s, asked))
			}
			if os.Getenv("UPDATE_GOLDEN") != "" {
				require.NoError(t, os.WriteFile(name, []byte(got.String()), 0o644))
				return
			}
			require.Equal(t, string(data), got.String())
		})
	}
}

// recordedPlugins are those whose operations the records show, all of them.
func recordedPlugins() []pulp.Plugin { return []pulp.Plugin{file.Plugin(), certguard.Plugin()} }

// TestEveryOperationIsRecorded fails for an operation that no record asks for, or which no record
// shows to succeed.
func TestEveryOperationIsRecorded(t *testing.T) {
	t.Parallel()
	s, recorded := openShop(t, recordedPlugins()...), map[string]bool{}
	files, err := filepath.Glob("testdata/rest/*.golden")
	require.NoError(t, err)
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, step := range strings.Split(string(data), ">>> ")[1:] {
			asked, answered, _ := strings.Cut(step, "-----\n")
			line, _, _ := strings.Cut(asked, "\n")
			method, path, _ := strings.Cut(line, " ")
			path, _, _ = strings.Cut(path, "?")
			if answered < "4" {
				recorded[method+" "+shape(path)] = true
			}
		}
	}
	for _, op := range s.Operations() {
		if strings.HasPrefix(op.Path, "shop/") || op.ID == "tasks_events" {
			continue // what only tests have; a stream without an end, see TestStreamOfAllTasksCanBeOfOneName
		}
		assert.True(t, recorded[op.Method+" "+shape(op.Path)], "no record of testdata/rest shows how %s (%s %s) succeeds", op.ID, op.Method, op.Path)
	}
}

// shape is a path without what names an object.
func shape(path string) string { return anObject.ReplaceAllString(path, "/{}/") }

var anObject = regexp.MustCompile(`/(\{\w+\}|<\d+>|\d+)/`)

// numbers gives what differs from run to run a name that does not.
type numbers struct {
	ids   map[string]string // id → "<1>"
	known []string
}

var (
	anID      = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anOldID   = regexp.MustCompile(`<(\d+)>`)
	volatiles = []struct {
		re   *regexp.Regexp
		with string
	}{
		{regexp.MustCompile(`"\d{4}-\d\d-\d\dT[0-9:.]+Z"`), `"<time>"`},
		{regexp.MustCompile(`"\d+@[^"]+"`), `"<worker>"`},
		{regexp.MustCompile(`("logging_cid": )"[^"]+"`), `$1"<cid>"`},
		{regexp.MustCompile(`("(?:total|used|free)": )\d{4,}`), `$1"<bytes>"`},
	}
)

// play sends a request: a line with method and path, headers, and a body.
func (n *numbers) play(t *testing.T, s *shop, asked string) string {
	t.Helper()
	asked = anOldID.ReplaceAllStringFunc(asked, func(old string) string {
		var i int
		fmt.Sscanf(old, "<%d>", &i)
		require.LessOrEqual(t, i, len(n.known), asked)
		return n.known[i-1]
	})
	line, rest, _ := strings.Cut(asked, "\n")
	if line == "DISPATCH" {
		return n.unify(dispatchLater(t, s)) + "\n"
	}
	method, path, _ := strings.Cut(line, " ")
	header := http.Header{"Content-Type": {"application/json"}}
	for rest != "" {
		h, below, _ := strings.Cut(rest, "\n")
		name, value, ok := strings.Cut(h, ": ")
		if !ok || strings.HasPrefix(h, "{") || strings.HasPrefix(h, "-") {
			break
		}
		header.Set(name, value)
		rest = below
	}
	if strings.HasPrefix(header.Get("Content-Type"), "multipart") {
		rest = strings.ReplaceAll(rest, "\n", "\r\n")
	}
	r := httptest.NewRequest(method, shopAPI+path, strings.NewReader(rest))
	r.Header = header
	if user, password, ok := strings.Cut(header.Get("User"), " "); ok {
		r.SetBasicAuth(user, password)
	} else {
		r.SetBasicAuth("admin", "secret")
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code == http.StatusAccepted {
		s.end(t, reply{w.Code, w.Body.String()})
	}
	return n.normal(t, w)
}

func (n *numbers) normal(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	text := w.Body.String()
	if json.Valid(w.Body.Bytes()) {
		var b bytes.Buffer
		require.NoError(t, json.Indent(&b, w.Body.Bytes(), "", "  "))
		text = b.String()
	}
	return fmt.Sprintf("%d %s\n%s\n", w.Code, w.Header().Get("Content-Type"), n.unify(text))
}

func (n *numbers) unify(text string) string {
	text = anID.ReplaceAllStringFunc(text, func(id string) string {
		if n.ids[id] == "" {
			n.known = append(n.known, id)
			n.ids[id] = fmt.Sprintf("<%d>", len(n.known))
		}
		return n.ids[id]
	})
	for _, v := range volatiles {
		text = v.re.ReplaceAllString(text, v.with)
	}
	return text
}

// dispatchLater is the step DISPATCH: a group with a task that waits for its hour. It returns their ids.
func dispatchLater(t *testing.T, s *shop) string {
	t.Helper()
	var ids string
	require.NoError(t, s.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		g, err := s.NewGroup(ctx, tx, "what waits")
		if err != nil {
			return err
		}
		ticket, err := slowProbe.Dispatch(ctx, tx, Probe{Word: "x"}, pulp.Group(g), pulp.After(time.Hour))
		if err == nil {
			ids = g.ID.String() + " " + ticket.ID.String()
		}
		return err
	}))
	return ids
}

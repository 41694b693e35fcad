package deb_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

var (
	anID     = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anOldID  = regexp.MustCompile(`<(\d+)>`)
	anObject = regexp.MustCompile(`/(\{\w+\}|<\d+>|\d+)/`)
	aTime    = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[0-9:.]+Z"`)
	aDigest  = regexp.MustCompile(`"[0-9a-f]{32,128}"`)
	anOrigin = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
)

// TestRESTIsAsRecorded plays the requests of each testdata/*.golden, and compares the answers with what
// stands below the dashes, as the test of that name of the core does. A body that begins with FORM is a
// form with those fields and a package. The URL of a remote is UPSTREAM. UPDATE_GOLDEN=1 writes the answers.
func TestRESTIsAsRecorded(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.golden")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	recorded := map[string]bool{}
	app, _ := newApp(t)
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		app, _ := newApp(t)
		n := &numbers{ids: map[string]string{}, upstream: newSource(t, newService(t, "up"), ".gz").URL("")}
		var got strings.Builder
		for _, step := range strings.Split(string(data), ">>> ")[1:] {
			asked, _, _ := strings.Cut(step, "-----\n")
			line, _, _ := strings.Cut(asked, "\n")
			line, _, _ = strings.Cut(line, "?")
			recorded[anObject.ReplaceAllString(line, "/{}/")] = true
			fmt.Fprintf(&got, ">>> %s-----\n%s\n", asked, n.play(t, app, asked))
		}
		if os.Getenv("UPDATE_GOLDEN") != "" {
			require.NoError(t, os.WriteFile(name, []byte(got.String()), 0o644))
			continue
		}
		require.Equal(t, string(data), got.String(), name)
	}
	for _, op := range app.Operations() {
		if strings.Contains(op.Path, "/deb/") && !strings.Contains(op.Path, "role") && !strings.Contains(op.Path, "label") && !strings.Contains(op.Path, "permissions") && !strings.HasSuffix(op.Path, "/size/") { // those the core records
			require.True(t, recorded[op.Method+" "+anObject.ReplaceAllString(op.Path, "/{}/")], "no record shows %s %s", op.Method, op.Path)
		}
	}
}

// numbers gives what differs from run to run a name that does not.
type numbers struct {
	ids      map[string]string // id → "<1>"
	known    []string
	upstream string
}

func (n *numbers) play(t *testing.T, app *pulptest.App, asked string) string {
	t.Helper()
	asked = anOldID.ReplaceAllStringFunc(asked, func(old string) string {
		var i int
		fmt.Sscanf(old, "<%d>", &i)
		require.LessOrEqual(t, i, len(n.known), asked)
		return n.known[i-1]
	})
	line, text, _ := strings.Cut(strings.ReplaceAll(asked, "UPSTREAM", n.upstream), "\n")
	method, path, _ := strings.Cut(line, " ")
	var body any
	if fields, ok := strings.CutPrefix(text, "FORM "); ok {
		form := pulptest.Form{}
		require.NoError(t, json.Unmarshal([]byte(fields), &form))
		form["file"] = build(t, "hello", "1:1.0-1", "amd64", "Depends: libc6\n")
		body = form
	} else if text != "" {
		body = json.RawMessage(text)
	}
	a := app.Do(t, method, path, body)
	if a.Code == 202 {
		app.Wait(t, a.Object(t).Text("task"))
	}
	out := string(a.Body)
	if json.Valid(a.Body) {
		var b bytes.Buffer
		require.NoError(t, json.Indent(&b, a.Body, "", "  "))
		out = b.String()
	}
	out = anID.ReplaceAllStringFunc(out, func(id string) string {
		if n.ids[id] == "" {
			n.known = append(n.known, id)
			n.ids[id] = fmt.Sprintf("<%d>", len(n.known))
		}
		return n.ids[id]
	})
	out = aDigest.ReplaceAllString(aTime.ReplaceAllString(out, `"<time>"`), `"<digest>"`)
	return fmt.Sprintf("%d %s\n%s\n", a.Code, a.Header.Get("Content-Type"), anOrigin.ReplaceAllString(out, "UPSTREAM"))
}

package pulptest

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
)

var (
	anID     = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anOldID  = regexp.MustCompile(`<(\d+)>`)
	anObject = regexp.MustCompile(`/(\{\w+\}|<\d+>|\d+)/`)
	aTime    = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[0-9:.]+Z"`)
	aDigest  = regexp.MustCompile(`"[0-9a-f]{32,128}"`)
	anOrigin = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
)

// Records are requests to a plugin's part of the API, and the answers to them, in files testdata/*.golden: a request
// stands below ">>> METHOD path", its answer below "-----". Ids are numbers in the order in which they came; URL
// of the upstream is UPSTREAM. A body that begins with FORM is a form with those fields and a file.
type Records struct {
	// Plugin is the plugin's name. Each of its operations must be recorded, except for those that are the same for all.
	Plugin string
	// New makes the App for a file of records.
	New func() *App
	// Upstream is the URL that UPSTREAM stands for.
	Upstream string
	// File is the one in forms.
	File []byte
}

// Play sends the requests and compares the answers. With UPDATE_GOLDEN=1 in the environment it writes them.
func (r Records) Play(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.golden")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	recorded := map[string]bool{}
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		app, n := r.New(), &numbers{ids: map[string]string{}, Records: r}
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
	common := regexp.MustCompile("role|label|permissions|/size/$") // those the core records
	for _, op := range r.New().Operations() {
		if strings.Contains(op.Path, "/"+r.Plugin+"/") && !common.MatchString(op.Path) {
			require.True(t, recorded[op.Method+" "+anObject.ReplaceAllString(op.Path, "/{}/")], "no record shows %s %s", op.Method, op.Path)
		}
	}
}

// numbers gives what differs from run to run a name that does not.
type numbers struct {
	Records
	ids   map[string]string // id → "<1>"
	known []string
}

func (n *numbers) play(t *testing.T, app *App, asked string) string {
	t.Helper()
	asked = anOldID.ReplaceAllStringFunc(asked, func(old string) string {
		var i int
		_, _ = fmt.Sscanf(old, "<%d>", &i) // the pattern fits
		require.LessOrEqual(t, i, len(n.known), asked)
		return n.known[i-1]
	})
	line, text, _ := strings.Cut(strings.ReplaceAll(asked, "UPSTREAM", n.Upstream), "\n")
	method, path, _ := strings.Cut(line, " ")
	var body any
	if fields, ok := strings.CutPrefix(text, "FORM "); ok {
		form := Form{}
		require.NoError(t, json.Unmarshal([]byte(fields), &form))
		form["file"] = n.File
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

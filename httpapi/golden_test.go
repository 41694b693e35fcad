package httpapi_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the answers into the golden files")

// TestAnswersAreAsRecorded sends the request of each testdata/*.golden and compares the
// answer with what stands below the dashes. "@admin" stands for the admin's credentials.
func TestAnswersAreAsRecorded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	files, err := filepath.Glob("testdata/*.golden")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".golden"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			asked, want, _ := strings.Cut(string(data), "-----\n")
			got := answer(t, s, asked)
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(asked+"-----\n"+got), 0o644))
				return
			}
			require.Equal(t, want, got)
		})
	}
}

// answer sends a request in text form and writes the answer in text form.
func answer(t *testing.T, h http.Handler, asked string) string {
	t.Helper()
	asked = strings.ReplaceAll(asked, "@admin", "Authorization: Basic YWRtaW46c2VjcmV0")
	head, body, _ := strings.Cut(asked, "\n\n")
	head = strings.TrimSuffix(head, "\n")
	body = strings.ReplaceAll(strings.TrimSuffix(body, "\n"), "\n", "\r\n")
	wire := fmt.Sprintf("%s\nHost: pulp.example\nContent-Length: %d\n\n", head, len(body))
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(wire, "\n", "\r\n") + body)))
	require.NoError(t, err)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)

	var out bytes.Buffer
	res := w.Result()
	fmt.Fprintln(&out, res.StatusCode)
	for _, name := range slices.Sorted(maps.Keys(w.Header())) {
		if name != "Correlation-ID" && name != "Access-Control-Expose-Headers" {
			fmt.Fprintf(&out, "%s: %s\n", name, strings.Join(w.Header()[name], ", "))
		}
	}
	fmt.Fprintf(&out, "\n%s\n", w.Body.String())
	return out.String()
}

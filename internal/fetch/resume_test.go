package fetch_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gopulp/pulp/internal/fetch"
	"github.com/stretchr/testify/require"
)

// half sends half of body under an entity tag, and breaks off.
func half(w http.ResponseWriter, tag string) {
	w.Header().Set("ETag", tag)
	w.Header().Set("Content-Length", "15")
	io.WriteString(w, body[:7])
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func rest(w http.ResponseWriter, tag, contentRange, text string) {
	w.Header().Set("ETag", tag)
	w.Header().Set("Content-Range", contentRange)
	w.WriteHeader(http.StatusPartialContent)
	io.WriteString(w, text)
}

func TestATransferThatBrokeOffIsResumedIfNothingSpeaksAgainstIt(t *testing.T) {
	t.Parallel()
	const strong, asked = `"v1"`, "bytes=7-"
	for name, c := range map[string]struct {
		tag   string // of the half that comes first
		then  func(w http.ResponseWriter)
		asked []string // the ranges of all requests
	}{
		"the rest":                    {strong, func(w http.ResponseWriter) { rest(w, strong, "bytes 7-14/15", body[7:]) }, []string{"", asked}},
		"the rest of an unknown size": {strong, func(w http.ResponseWriter) { rest(w, strong, "bytes 7-14/*", body[7:]) }, []string{"", asked}},
		"a weak tag":                  {`W/"v1"`, nil, []string{"", ""}},
		"no tag":                      {"", nil, []string{"", ""}},
		"another file by now":         {strong, func(w http.ResponseWriter) { io.WriteString(w, body) }, []string{"", asked}},
		"another range":               {strong, func(w http.ResponseWriter) { rest(w, strong, "bytes 6-14/15", body[6:]) }, []string{"", asked, ""}},
		"another tag":                 {strong, func(w http.ResponseWriter) { rest(w, `"v2"`, "bytes 7-14/15", body[7:]) }, []string{"", asked, ""}},
		"a range that is none":        {strong, func(w http.ResponseWriter) { rest(w, strong, "bytes", body[7:]) }, []string{"", asked, ""}},
		"a refused range":             {strong, func(w http.ResponseWriter) { w.WriteHeader(http.StatusRequestedRangeNotSatisfiable) }, []string{"", asked, ""}},
		"a refusal for the moment":    {strong, func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }, []string{"", asked, asked}},
		"wrong bytes":                 {strong, func(w http.ResponseWriter) { rest(w, strong, "bytes 7-14/15", strings.Repeat("x", 8)) }, []string{"", asked, ""}},
		"too many bytes":              {strong, func(w http.ResponseWriter) { rest(w, strong, "bytes 7-14/15", body[7:]+"x") }, []string{"", asked, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ranges []string
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				ranges = append(ranges, r.Header.Get("Range"))
				require.Equal(t, r.Header.Get("Range") != "", r.Header.Get("If-Range") == strong)
				switch {
				case len(ranges) == 1:
					half(w, c.tag)
				case len(ranges) == 2 && c.then != nil:
					c.then(w)
				case r.Header.Get("Range") != "":
					rest(w, strong, "bytes 7-14/15", body[7:])
				default:
					io.WriteString(w, body)
				}
			})
			got, _, err := get(t, client(t, fetch.Config{MaxRetries: 3}), right(s.URL))
			require.NoError(t, err)
			require.Equal(t, body, got)
			require.Equal(t, c.asked, ranges)
		})
	}
}

// Without a digest nobody would notice that the halves are of two files.
func TestWithoutADigestNothingIsResumed(t *testing.T) {
	t.Parallel()
	n := 0
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		require.Empty(t, r.Header.Get("Range"))
		if n++; n == 1 {
			half(w, `"v1"`)
		}
		io.WriteString(w, body)
	})
	got, _, err := get(t, client(t, fetch.Config{MaxRetries: 1}), anything(s.URL))
	require.NoError(t, err)
	require.Equal(t, body, got)
}

func TestWhatNeverComesLeavesNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") == "" {
			half(w, `"v1"`)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	_, _, err := get(t, client(t, fetch.Config{MaxRetries: 2}), right(s.URL))
	require.ErrorIs(t, err, fetch.ErrStatus)
}

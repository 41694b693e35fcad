package httpapi_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/stretchr/testify/require"
)

// raw sends bytes to a server and returns all that comes back.
func raw(t *testing.T, server *httptest.Server, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(answer)
}

func TestListingThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	res, err := http.Get(server.URL + "/pulp/content/broken/")
	if err == nil {
		_, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	require.Error(t, err)
	require.Contains(t, s.log.String(), "the disk is gone")
}

func TestListingThatFailsAtOnceIsAnError(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Handler = httpapi.HandlerOf(s.app, nil, func(context.Context, string) (*pulp.Served, error) {
		return &pulp.Served{Listing: &pulp.Listing{Entries: func(yield func(pulp.Entry, error) bool) {
			yield(pulp.Entry{}, errors.New("the disk is gone"))
		}}}, nil
	})
	w := s.do("GET", "/pulp/content/", "")
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.NotContains(t, w.Body.String(), "disk")
}

// A sink records what it is asked to read from.
type sink struct {
	*httptest.ResponseRecorder
	from io.Reader
}

func (s *sink) ReadFrom(r io.Reader) (int64, error) {
	s.from = r
	return io.Copy(s.ResponseRecorder, r)
}

func TestFilesGoFromTheDiskToTheNetworkWithoutACopy(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, []byte("0123456789"), 0o600))
	s := newSite(t)
	h := httpapi.HandlerOf(s.app, nil, func(context.Context, string) (*pulp.Served, error) {
		f, err := os.Open(path)
		return &pulp.Served{File: &pulp.ServedFile{ReadSeekCloser: f, Name: "f", Size: 10}}, err
	})
	w := &sink{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(w, httptest.NewRequest("GET", "/pulp/content/f", nil))
	require.Equal(t, "0123456789", w.Body.String())
	limited, ok := w.from.(*io.LimitedReader)
	require.True(t, ok, "%T", w.from)
	require.IsType(t, (*os.File)(nil), limited.R, "net/http sends a file with sendfile only if it sees one")
}

func TestHostilePathsLeadNowhere(t *testing.T) {
	t.Parallel()
	for path, plain := range map[string]bool{
		"": true, "a": true, "a/": true, "a/b c": true, `..\a`: true, "...": true, "a/.b": true, "é": true, "%2e": true,
		"/": false, "a//b": false, "a//": false, "..": false, "a/../b": false, "a/..": false, "../": false, "./a": false,
		"a/.": false, "a\x00b": false, "\xff": false,
	} {
		require.Equal(t, plain, httpapi.PlainPath(path), "%q", path)
	}
}

func TestMediaTypesComeFromTheName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a.JSON": "application/json", "a.tar.gz": "application/gzip", "README": "application/octet-stream",
		"a.": "application/octet-stream", "a.unheard": "application/octet-stream", ".xml": "application/xml",
	} {
		require.Equal(t, want, httpapi.MediaType(name), name)
	}
}

func FuzzPlainPathsStayBelowTheirRoot(f *testing.F) {
	for _, seed := range []string{"", "a/b", "../a", "a/../../b", "a//b", ".", "a\x00", `a\..\b`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if !httpapi.PlainPath(path) {
			return
		}
		bare := strings.TrimSuffix(path, "/")
		require.Equal(t, filepath.Join("/root", bare), strings.TrimSuffix("/root/"+bare, "/"), "cleaning changes nothing")
	})
}

func TestWhoAsksForContentMattersOnlyToGuards(t *testing.T) {
	t.Parallel()
	asked := 0
	logins := httpapi.Authenticators(func(*http.Request) (pulp.Caller, error) {
		asked++
		return pulp.Caller{Username: "ann"}, nil
	})
	for path, want := range map[string]int{"open": 0, "guarded": 1} {
		asked = 0
		h := httpapi.HandlerOf(newSite(t).app, nil, func(ctx context.Context, at string) (*pulp.Served, error) {
			for range 2 {
				if at == "guarded" && pulp.CallerOf(ctx).Username != "ann" {
					return nil, pulp.ErrDenied
				}
			}
			return nil, pulp.ErrNotFound
		}, logins)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/pulp/content/"+path, nil))
		require.Equal(t, 404, w.Code)
		require.Equal(t, want, asked, path)
	}
}

package httpapi_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/sqlite"
	"github.com/stretchr/testify/require"
)

type page struct {
	Count          int
	Next, Previous *string
	Results        []json.RawMessage
}

func pageOf(t *testing.T, w *httptest.ResponseRecorder) (p page) {
	t.Helper()
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	return p
}

func TestHandlerMountsUnderAnyPrefix(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Handler = http.StripPrefix("/a/mirror of us", s.Handler)

	p := pageOf(t, s.do("GET", "/a/mirror%20of%20us/pulp/api/v3/books/shop/?limit=1", ""))
	require.Equal(t, "http://example.com/a/mirror%20of%20us/pulp/api/v3/books/shop/?limit=1&offset=1", *p.Next)

	w := s.do("GET", "/a/mirror%20of%20us/pulp/api/v3/books/shop", "")
	require.Equal(t, http.StatusMovedPermanently, w.Code)
	require.Equal(t, "/a/mirror%20of%20us/pulp/api/v3/books/shop/", w.Header().Get("Location"))

	w = s.do("GET", "/a/mirror%20of%20us/pulp/content/shelf", "")
	require.Equal(t, "/a/mirror%20of%20us/pulp/content/shelf/", w.Header().Get("Location"))

	w = s.do("GET", "/a/mirror%20of%20us/pulp/api/v3/docs/api.json", "")
	require.Contains(t, w.Body.String(), `"/a/mirror of us/pulp/api/v3/books/shop/"`)
	require.Contains(t, w.Body.String(), `"{shop_book_href}"`)
}

func TestHandlerWithoutStripPrefixHasNoPrefix(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := pageOf(t, s.do("GET", "http://pulp.example/pulp/api/v3/books/shop/?limit=1", ""))
	require.Equal(t, "http://pulp.example/pulp/api/v3/books/shop/?limit=1&offset=1", *p.Next)
}

func TestOnlyTrustedProxiesMakeLinks(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	// The address of requests that httptest makes is 192.0.2.1.
	for _, c := range []struct{ trusted, proto, host, want string }{
		{"", "https", "evil.example", "http://example.com"},
		{"10.0.0.0/8", "https", "evil.example", "http://example.com"},
		{"192.0.2.0/24", "https", "pulp.example:8443", "https://pulp.example:8443"},
		{"192.0.2.0/24", "http, https", "evil.example, pulp.example", "https://pulp.example"},
		{"192.0.2.0/24", "javascript", `"><b>`, "http://example.com"},
		{"192.0.2.0/24", "", "", "http://example.com"},
	} {
		var opts []httpapi.Option
		if c.trusted != "" {
			opts = append(opts, httpapi.TrustProxies(netip.MustParsePrefix(c.trusted)))
		}
		s := site.with(opts...)
		p := pageOf(t, s.do("GET", "/pulp/api/v3/books/shop/?limit=1", "", "X-Forwarded-Proto", c.proto, "X-Forwarded-Host", c.host))
		require.Equal(t, c.want+"/pulp/api/v3/books/shop/?limit=1&offset=1", *p.Next, "%+v", c)
	}
}

func TestValidCorrelationIDsComeBackAndOthersAreReplaced(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for id, kept := range map[string]bool{
		"0194b8e95425799bad0a86c71e160158":        true,
		"0194B8E95425799BAD0A86C71E160158":        true,
		"0194b8e9-5425-799b-ad0a-86c71e160158":    true,
		"0194b8e9-5425-799b-ad0a-86c71e16015":     false,
		"0194b8e9542-5-799b-ad0a-86c71e160158":    false,
		"x194b8e95425799bad0a86c71e160158":        false,
		"0194b8e95425799bad0a86c71e160158\nfaked": false,
		"": false,
	} {
		w := s.do("GET", "/pulp/api/v3/open/", "", "Correlation-ID", id)
		got := w.Header()["Correlation-ID"] //lint:ignore SA1008 clients look for this spelling
		require.Len(t, got, 1)
		if kept {
			require.Equal(t, id, got[0])
		} else {
			require.Regexp(t, "^[0-9a-f]{32}$", got[0])
		}
		require.Equal(t, []string{"Correlation-ID"}, w.Header()["Access-Control-Expose-Headers"])
	}
}

func TestCorrelationIDIsSpelledSoOnTheWire(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newSite(t))
	t.Cleanup(server.Close)
	wire := raw(t, server, "GET /pulp/api/v3/livez/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	require.Regexp(t, regexp.MustCompile(`(?m)^Correlation-ID: [0-9a-f]{32}\r$`), wire)
}

func TestPanicsAndFaultsAreLoggedAndNotTold(t *testing.T) {
	t.Parallel()
	const id = "0194b8e95425799bad0a86c71e160158"
	for _, how := range []string{"panic", "secret"} {
		s := newSite(t)
		w := s.do("GET", "/pulp/api/v3/fail/"+how+"/", "", "Correlation-ID", id)
		require.Equal(t, http.StatusInternalServerError, w.Code)
		require.NotContains(t, w.Body.String(), "hunter2")
		require.Contains(t, s.log.String(), "hunter2")
		require.Contains(t, s.log.String(), id)
	}
	s := newSite(t)
	s.do("GET", "/pulp/api/v3/fail/fields/", "")
	require.Empty(t, s.log.String(), "what a client does wrong is no news for the operator")
}

func TestClientsThatLeaveAreNoNews(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, leave := context.WithCancel(t.Context())
	leave()
	r := httptest.NewRequestWithContext(ctx, "GET", "/pulp/api/v3/books/shop/", nil)
	r.SetBasicAuth("admin", "secret")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	require.NotEqual(t, http.StatusOK, w.Code)
	require.Empty(t, s.log.String())
}

func TestBodiesHaveALimitAndFilesHaveNone(t *testing.T) {
	t.Parallel()
	s := newSite(t, httpapi.BodyLimit(64))
	const to = "/pulp/api/v3/books/shop/"
	long := strings.Repeat("x", 65)
	form := func(disposition string) string {
		return "--x\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + long + "\r\n--x--\r\n"
	}
	const multipart = "multipart/form-data; boundary=x"
	for _, c := range []struct {
		kind, body string
		code       int
	}{
		{"application/json", `{"a":"` + long + `"}`, 413},
		{"application/x-www-form-urlencoded", "a=" + long, 413},
		{multipart, form(`name="a"`), 413},
		{multipart, form(`name="a"; filename="b"`), 201},
		{multipart, strings.Repeat("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n", 1001) + "--x--", 400},
	} {
		w := s.do("POST", to, c.body, "Content-Type", c.kind)
		require.Equal(t, c.code, w.Code, "%s: %s", c.kind, w.Body)
	}
}

// TestFilesOfARequestAreGoneAfterIt looks for the bytes of files that no operation kept.
func TestFilesOfARequestAreGoneAfterIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const marker = "0b7c6a1e-what-nobody-kept"
	part := "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\n" + marker + "\r\n"
	for _, body := range []string{part + "--x--\r\n", part + part + "--x--\r\n", part + "--x\r\nbroken"} {
		s.do("POST", "/pulp/api/v3/books/shop/", body, "Content-Type", "multipart/form-data; boundary=x")
	}
	require.NoError(t, filepath.WalkDir(s.app.DB().Dir(), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		require.NotContains(t, string(data), marker, path)
		return err
	}))
}

func TestHostsBringTheirOwnAuthenticators(t *testing.T) {
	t.Parallel()
	header := func(r *http.Request) (pulp.Caller, error) {
		switch name := r.Header.Get("X-User"); name {
		case "":
			return pulp.Caller{}, nil
		case "root":
			return pulp.Caller{}, reason{pulp.ErrUnauthenticated, "Nobody is root."}
		default:
			return pulp.Caller{Username: name}, nil
		}
	}
	s := newSite(t)
	s = s.with(httpapi.Authenticators(header, httpapi.Basic(s.app)))
	const to = "/pulp/api/v3/books/shop/7/"
	require.Equal(t, http.StatusForbidden, s.do("GET", to, "", "X-User", "eve", "Authorization", "").Code, "eve has no roles")
	require.Contains(t, s.do("GET", to, "").Body.String(), `"caller":"admin"`)
	w := s.do("GET", to, "", "X-User", "root")
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.Contains(t, w.Body.String(), "Nobody is root.")
}

func TestCredentialsInLatin1AndUTF8AreTheSame(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(t.TempDir(), sqlite.Synchronous(sqlite.Off))
	require.NoError(t, err)
	app, err := pulp.Open(t.Context(), db, pulp.Config{AdminPassword: "café"})
	require.NoError(t, err)
	t.Cleanup(func() { app.Close() })
	for _, password := range []string{"caf\xe9", "café"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth("admin", password)
		caller, err := httpapi.Basic(app)(r)
		require.NoError(t, err)
		require.Equal(t, "admin", caller.Username)
	}
}

func TestOtherSitesCannotMisuseABrowser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := s.do("DELETE", "/pulp/api/v3/books/shop/7/", "", "Origin", "http://evil.example")
	require.Equal(t, http.StatusForbidden, w.Code, "a browser says that another site asks")
	w = s.do("DELETE", "/pulp/api/v3/books/shop/7/", "", "Origin", "http://example.com")
	require.Equal(t, http.StatusNoContent, w.Code)

	trusting := http.NewCrossOriginProtection()
	require.NoError(t, trusting.AddTrustedOrigin("http://ui.example"))
	s = s.with(httpapi.CrossOrigin(trusting))
	w = s.do("DELETE", "/pulp/api/v3/books/shop/7/", "", "Origin", "http://ui.example")
	require.Equal(t, http.StatusNoContent, w.Code)
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newSite(t))
	t.Cleanup(server.Close)
	for _, path := range []string{"/pulp/api/v3/open/", "/pulp/api/v3/docs/api.json", "/pulp/content/shelf/", "/pulp/content/shelf/plain.txt"} {
		res, err := http.Head(server.URL + path)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode, path)
		require.Empty(t, body, path)
	}
}

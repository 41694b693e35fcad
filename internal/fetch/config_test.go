package fetch_test

import (
	"io"
	"log"
	"strings"
	"testing"
	"time"

	"github.com/gopulp/pulp/internal/fetch"
	"github.com/stretchr/testify/require"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func TestABadConfigNamesTheField(t *testing.T) {
	t.Parallel()
	u := origin(t, "http://example.com/")
	for want, cfg := range map[string]fetch.Config{
		"ca_cert":              {CACert: "canary"},
		"client_cert":          {ClientCert: "canary", Origin: u},
		"client_key":           {ClientCert: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ClientKey: "canary", Origin: u},
		"proxy_url":            {ProxyURL: "http://joe:canary@proxy/"},
		"proxy_username":       {ProxyURL: "http://proxy/", ProxyPassword: "canary"},
		"headers":              {Headers: [][2]string{{"X", "canary\r\nY: z"}}, Origin: u},
		"url":                  {Username: "joe", Password: "canary"},
		"total_timeout":        {TotalTimeout: -time.Second},
		"download_concurrency": {Concurrency: -1},
		"rate_limit":           {RateLimit: -1},
	} {
		_, err := fetch.New(cfg)
		var field *fetch.FieldError
		require.ErrorAs(t, err, &field, want)
		require.Equal(t, want, field.Field, "%v", err)
		require.NotContains(t, err.Error(), "canary")
	}
	for _, cfg := range []fetch.Config{
		{ClientKey: "canary"}, {ProxyURL: "proxy:3128"}, {ProxyUsername: "a", ProxyPassword: "b"},
		{Headers: [][2]string{{"a b", "c"}}, Origin: u}, {UserAgent: "a\nb"}, {Headers: [][2]string{{"X-Token", "x"}}},
	} {
		_, err := fetch.New(cfg)
		require.Error(t, err)
	}
	c := client(t, fetch.Config{MaxRetries: -5, Headers: [][2]string{{"User-Agent", "only this needs no origin"}}})
	_, _, err := get(t, c, anything("http://127.0.0.1:1/"))
	require.ErrorIs(t, err, fetch.ErrConnection)
}

func TestAHostThatDoesNotExist(t *testing.T) {
	t.Parallel()
	_, _, err := get(t, client(t, fetch.Config{}), anything("http://no-such-host.invalid/"))
	require.ErrorIs(t, err, fetch.ErrDNS)
	require.ErrorContains(t, err, "no-such-host.invalid")
}

func TestRedactKeepsWhatHelps(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://joe:secret@h:8443/a%20b?x=y#z": "https://h:8443/a%20b?***",
		"http://h/":                             "http://h/",
		"file:///srv/x":                         "file:///srv/x",
		"http://%zz":                            "(not a URL)",
		"joe:secret":                            "(not a URL)",
	} {
		require.Equal(t, want, fetch.Redact(raw))
	}
}

func TestWhichURLsARemoteMayHave(t *testing.T) {
	t.Parallel()
	imports := []string{"/srv/import", "relative"}
	for _, raw := range []string{"http://h", "https://h:1/PULP_MANIFEST?x=y", "HTTP://h/", "file:///srv/import/a%20b/M", "file://localhost/srv/import/M", "http://[::1]:80/"} {
		require.NoError(t, fetch.ValidURL(raw, imports), raw)
	}
	for raw, kind := range map[string]error{
		"":                            fetch.ErrScheme,
		"/path":                       fetch.ErrScheme,
		"h/path":                      fetch.ErrScheme,
		"http:h":                      fetch.ErrScheme,
		"http:///path":                fetch.ErrScheme,
		"http://:80/":                 fetch.ErrScheme,
		"ftp://h/":                    fetch.ErrScheme,
		"http://joe@h/":               fetch.ErrScheme,
		"http://joe:secret@h/":        fetch.ErrScheme,
		"file://host/srv/import/M":    fetch.ErrScheme,
		"file:relative":               fetch.ErrScheme,
		"http://h/\x00":               fetch.ErrScheme,
		"file:///etc/passwd":          fetch.ErrDenied,
		"file:///srv/import/../x":     fetch.ErrDenied,
		"file:///srv/import/%2e%2e/x": fetch.ErrDenied,
		"file:///srv/important":       fetch.ErrDenied,
		"file:///relative/x":          fetch.ErrDenied,
		"file:///srv/import/a%00b":    fetch.ErrDenied,
	} {
		require.ErrorIs(t, fetch.ValidURL(raw, imports), kind, raw)
	}
	var e *fetch.Error
	require.ErrorAs(t, fetch.ValidURL("http://joe:secret@h/", nil), &e)
	require.True(t, strings.HasPrefix(e.Detail, "the URL must not contain"), e.Detail)
}

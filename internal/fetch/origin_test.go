package fetch_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/gopulp/pulp/internal/fetch"
	"github.com/stretchr/testify/require"
)

// seen keeps what a server was sent.
type seen struct {
	mu      sync.Mutex
	headers []http.Header
}

func (s *seen) note(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.headers = append(s.headers, r.Header.Clone())
}

// last returns the header of the latest request.
func (s *seen) last(t *testing.T) http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NotEmpty(t, s.headers)
	return s.headers[len(s.headers)-1]
}

func TestCredentialsStayWithTheOrigin(t *testing.T) {
	t.Parallel()
	var home, away seen
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { away.note(r); io.WriteString(w, body) })
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		home.note(r)
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, strings.Replace(other.URL, "http://", "http://user:pass@", 1)+"/x", http.StatusFound)
		case "/home":
			http.Redirect(w, r, "/file", http.StatusFound)
		default:
			io.WriteString(w, body)
		}
	})
	c := client(t, fetch.Config{
		Origin: origin(t, s.URL+"/PULP_MANIFEST"), Username: "joe", Password: "canary", UserAgent: "pulp/1",
		Headers: [][2]string{{"x-token", "canary"}, {"Cookie", "canary"}, {"user-agent", "mine"}},
	})
	req := right(s.URL + "/home")
	req.Header = http.Header{"accept": {"text/plain"}}
	_, _, err := get(t, c, req)
	require.NoError(t, err)
	h := home.last(t)
	require.Equal(t, "Basic am9lOmNhbmFyeQ==", h.Get("Authorization"))
	require.Equal(t, []string{"canary"}, h.Values("X-Token"))
	require.Equal(t, "pulp/1 mine", h.Get("User-Agent"))
	require.Equal(t, "text/plain", h.Get("Accept"))

	for raw, server := range map[string]*seen{s.URL + "/away": &away, other.URL: &away, strings.Replace(s.URL, "127.0.0.1", "localhost", 1): &home} {
		_, _, err = get(t, c, right(raw))
		require.NoError(t, err)
		h := server.last(t)
		for _, secret := range []string{"Authorization", "Cookie", "X-Token"} {
			require.Empty(t, h.Values(secret), "%s at %s", secret, raw)
		}
		require.Equal(t, "pulp/1 mine", h.Get("User-Agent"))
	}
}

func TestErrorsTellNoSecret(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo": // into what net/http quotes in its error
			hijack(w, "HTTP/1.1 "+r.Header.Get("X-Token")+r.Header.Get("Authorization")+"\r\n\r\n")
		case "/redirect":
			w.Header().Set("Location", "ftp://u:canary@h/p?t=canary#canary")
			w.WriteHeader(302)
		case "/nonsense":
			w.Header().Set("Location", "http://u:canary@%zz/?canary")
			w.WriteHeader(302)
		default:
			w.WriteHeader(404)
		}
	})
	c := client(t, fetch.Config{Origin: origin(t, s.URL), Username: "joe", Password: "canary", Headers: [][2]string{{"X-Token", "a canary b"}}})
	for _, raw := range []string{
		s.URL + "/echo", s.URL + "/redirect", s.URL + "/nonsense", s.URL + "/404?token=canary#canary", "http://joe:canary@127.0.0.1:1/",
		"http://127.0.0.1:1/?canary", "http://joe:canary@%zz/", "http:canary", "mailto:canary", "http://[::canary]/", "file:///etc/x?canary", "",
	} {
		_, _, err := get(t, c, anything(raw))
		require.Error(t, err, raw)
		require.NotContains(t, err.Error(), "canary", raw)
		require.NotContains(t, err.Error(), "am9lOmNhbmFyeQ", raw)
		if err := fetch.ValidURL(raw, nil); err != nil {
			require.NotContains(t, err.Error(), "canary", raw)
		}
	}
}

func certificate(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

func key(t *testing.T, s *httptest.Server) string {
	der, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func serveTLS(t *testing.T, auth tls.ClientAuthType, h http.HandlerFunc) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{ClientAuth: auth}
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	s := serveTLS(t, tls.RequireAnyClientCert, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) })
	open := serveTLS(t, tls.RequestClientCert, func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			w.WriteHeader(418)
		}
		io.WriteString(w, body)
	})
	mine := fetch.Config{TLSValidation: true, CACert: "a comment\n" + certificate(s), ClientCert: certificate(s), ClientKey: key(t, s), Origin: origin(t, s.URL)}

	_, _, err := get(t, client(t, mine), right(s.URL))
	require.NoError(t, err)
	_, _, err = get(t, client(t, mine), right(open.URL))
	require.NoError(t, err, "the client certificate was shown to another origin")
	oneFile := mine
	oneFile.ClientCert, oneFile.ClientKey = mine.ClientCert+mine.ClientKey, ""
	_, _, err = get(t, client(t, oneFile), right(s.URL))
	require.NoError(t, err)

	_, _, err = get(t, client(t, fetch.Config{TLSValidation: true, MaxRetries: 3}), right(open.URL))
	require.ErrorIs(t, err, fetch.ErrTLS)
	require.NotContains(t, err.Error(), "tried", "an untrusted certificate does not pass")
	_, _, err = get(t, client(t, fetch.Config{}), right(open.URL))
	require.NoError(t, err)
	_, _, err = get(t, client(t, fetch.Config{}), right(s.URL))
	require.ErrorIs(t, err, fetch.ErrTLS, "%v", err)
	plain := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	_, _, err = get(t, client(t, fetch.Config{}), right(strings.Replace(plain.URL, "http:", "https:", 1)))
	require.ErrorIs(t, err, fetch.ErrTLS)
}

func TestAnUnencryptedRedirectNeedsADigest(t *testing.T) {
	t.Parallel()
	plain := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) })
	s := serveTLS(t, tls.NoClientCert, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain.URL, http.StatusFound) })
	c := client(t, fetch.Config{})
	_, _, err := get(t, c, anything(s.URL))
	require.ErrorIs(t, err, fetch.ErrRedirect)
	_, _, err = get(t, c, right(s.URL))
	require.NoError(t, err)
}

func TestAProxyIsUsedWithItsCredentials(t *testing.T) {
	t.Parallel()
	var saw seen
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		saw.note(r)
		if r.Header.Get("Proxy-Authorization") != "Basic cHJveHk6Y2FuYXJ5" {
			w.WriteHeader(407)
			return
		}
		io.WriteString(w, body)
	})
	cfg := fetch.Config{ProxyURL: proxy.URL, ProxyUsername: "proxy", ProxyPassword: "canary"}
	_, _, err := get(t, client(t, cfg), right("http://no-such-host.invalid/file"))
	require.NoError(t, err)
	require.Empty(t, saw.last(t).Get("Authorization"))

	cfg.ProxyPassword = "wrong canary"
	for _, raw := range []string{"http://no-such-host.invalid/file", "https://no-such-host.invalid/file"} {
		_, _, err = get(t, client(t, cfg), right(raw))
		var status *fetch.StatusError
		require.ErrorAs(t, err, &status)
		require.True(t, status.Proxy)
		require.Equal(t, 407, status.Code)
		require.NotContains(t, err.Error(), "canary")
	}

	var asked []string
	cfg.AllowRemote = func(u *url.URL, ip netip.Addr) error {
		asked = append(asked, u.String()+" "+ip.String())
		if u.Host == "169.254.169.254" {
			return errors.New("no metadata")
		}
		return nil
	}
	c := client(t, cfg)
	_, _, _ = get(t, c, right("http://no-such-host.invalid/file"))
	require.Equal(t, []string{"http://no-such-host.invalid/file invalid IP", proxy.URL + " 127.0.0.1"}, asked)
	_, _, err = get(t, c, right("http://169.254.169.254/"))
	require.ErrorIs(t, err, fetch.ErrDenied)
}

func TestAllowRemoteIsAskedAfterDNSAndForRedirects(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, strings.Replace(r.URL.Query().Get("to"), "127.0.0.1", "localhost", 1), http.StatusFound)
		}
		io.WriteString(w, body)
	})
	no := errors.New("loopback is off limits")
	c := client(t, fetch.Config{MaxRetries: 3, AllowRemote: func(u *url.URL, ip netip.Addr) error {
		if u.Hostname() == "localhost" && ip.IsLoopback() {
			return no
		}
		return nil
	}})
	_, _, err := get(t, c, right(s.URL+"/"))
	require.NoError(t, err)
	for _, raw := range []string{strings.Replace(s.URL, "127.0.0.1", "localhost", 1), s.URL + "/redirect?to=" + s.URL} {
		_, _, err = get(t, c, right(raw))
		require.ErrorIs(t, err, fetch.ErrDenied)
		require.ErrorIs(t, err, no)
		require.ErrorContains(t, err, "off limits")
		require.NotContains(t, err.Error(), "tried", "a refusal does not pass")
	}
}

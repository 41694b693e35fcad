package certguard_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/certguard"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/pulptest"
)

type object = pulptest.Object

// A holder has a certificate and its key.
type holder struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate; a nil authority issues its own.
func issue(t *testing.T, by *holder, change func(*x509.Certificate)) *holder {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	form := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: t.Name()}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	if change != nil {
		change(form)
	}
	parent, signer := form, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, form, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &holder{cert, key}
}

func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.Subject = true, true, x509.KeyUsageCertSign, pkix.Name{CommonName: rand.Text()}
}

func entitled(paths ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{version("3.4"), extension(certguard.WriteTree(paths...), 7)}
	}
}

func text(hs ...*holder) string {
	var out []byte
	for _, h := range hs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.cert.Raw})...)
	}
	return string(out)
}

// A shop serves the file "os/a.rpm" below "content/el9", guarded.
type shop struct {
	*pulptest.App
	dist object
}

func newShop(t *testing.T, opts ...pulptest.Option) *shop {
	t.Helper()
	s := &shop{App: pulptest.New(t, append(opts, pulptest.Plugins(file.Plugin(), certguard.Plugin()))...)}
	repo := s.Create(t, "repositories/file/file/", object{"name": "r", "autopublish": true})
	a := s.Do(t, "POST", "content/file/files/upload/", pulptest.Form{"relative_path": "os/a.rpm", "file": []byte("hello")})
	s.Completes(t, repo.Href()+"modify/", object{"add_content_units": []string{a.Object(t).Href()}})
	s.dist = s.Create(t, "distributions/file/file/", object{"name": "d", "base_path": "content/el9", "repository": repo.Href()})
	return s
}

func (s *shop) guard(t *testing.T, kind string, cas ...*holder) {
	t.Helper()
	g := s.Create(t, "contentguards/certguard/"+kind+"/", object{"name": rand.Text(), "ca_certificate": text(cas...)})
	s.Update(t, s.dist.Href(), object{"content_guard": g.Href()})
}

// proxied asks as a proxy would that found a client's certificate good, or did not look.
func (s *shop) proxied(t *testing.T, path, certs string) int {
	t.Helper()
	if certs == "" {
		return s.Content(t, path).Code
	}
	return s.Content(t, path, "X-CLIENT-CERT", url.PathEscape(certs)).Code
}

var loopback = pulptest.HTTP(httpapi.TrustProxies(netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")))

func TestCertificateMustLeadToAnAuthority(t *testing.T) {
	t.Parallel()
	s := newShop(t, loopback)
	one, two, stranger := issue(t, nil, authority), issue(t, nil, authority), issue(t, nil, authority)
	between := issue(t, two, authority)
	good := issue(t, one, nil)
	s.guard(t, "x509", one, two)
	for name, c := range map[string]struct {
		certs string
		code  int
	}{
		"good":                    {text(good), 200},
		"text around":             {"Subject: x\n" + text(good) + "-----BEGIN OTHER DATA-----\nAAAA\n-----END OTHER DATA-----\n", 200},
		"of the other authority":  {text(issue(t, two, nil)), 200},
		"with one between":        {text(issue(t, between, nil), between), 200},
		"for clients":             {text(issue(t, one, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })), 200},
		"none":                    {"", 403},
		"of a stranger":           {text(issue(t, stranger, nil)), 403},
		"its authority behind it": {text(issue(t, stranger, nil), stranger), 403},
		"good one behind it":      {text(issue(t, stranger, nil), good), 403},
		"by itself":               {text(issue(t, nil, nil)), 403},
		"one missing between":     {text(issue(t, between, nil)), 403},
		"of no authority":         {text(issue(t, good, nil), good), 403},
		"expired":                 {text(issue(t, one, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })), 403},
		"not yet valid":           {text(issue(t, one, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })), 403},
		"no PEM":                  {"hello", 403},
		"broken":                  {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 403},
	} {
		for _, path := range []string{"content/el9/os/a.rpm", "content/el9/os/a.rpm", "content/el9/", "content/el9/os/"} {
			require.Equal(t, c.code, s.proxied(t, path, c.certs), "%s: %s", name, path)
		}
	}
	require.Equal(t, 404, s.proxied(t, "content/el9/no", text(good)))
	require.Equal(t, 403, s.proxied(t, "content/el9/no", ""))
	require.Equal(t, 403, s.Content(t, "content/el9/os/a.rpm", "X-CLIENT-CERT", "%zz").Code)
}

func TestEntitlementIsForPaths(t *testing.T) {
	t.Parallel()
	s := newShop(t, loopback)
	ca := issue(t, nil, authority)
	s.guard(t, "rhsm", ca)
	for name, c := range map[string]struct {
		cert *holder
		file int // whether it may have the file, and the listing of the distribution
		list int
	}{
		"all":           {issue(t, ca, entitled("/content/$releasever")), 200, 200},
		"the directory": {issue(t, ca, entitled("/content/el9/os", "/x")), 200, 403},
		"the file":      {issue(t, ca, entitled("content/el9/os/a.rpm")), 200, 403},
		"another":       {issue(t, ca, entitled("/content/el8", "/content/el9/debug")), 403, 403},
		"listed": {issue(t, ca, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{version("1.0"), extension("/content/el9", 2, 1, 1, 6)}
		}), 200, 200},
		"nothing":           {issue(t, ca, nil), 403, 403},
		"broken":            {issue(t, ca, func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{version("3.0"), extension("x", 7)} }), 403, 403},
		"from someone else": {issue(t, issue(t, nil, authority), entitled("/content")), 403, 403},
	} {
		require.Equal(t, c.file, s.proxied(t, "content/el9/os/a.rpm", text(c.cert)), name)
		require.Equal(t, c.list, s.proxied(t, "content/el9/", text(c.cert)), name)
	}
}

func TestOnlyTrustedProxiesAreBelieved(t *testing.T) {
	t.Parallel()
	s := newShop(t, pulptest.HTTP(httpapi.TrustProxies(netip.MustParsePrefix("192.0.2.0/24"))))
	ca := issue(t, nil, authority)
	s.guard(t, "x509", ca)
	require.Equal(t, 403, s.proxied(t, "content/el9/os/a.rpm", text(issue(t, ca, nil))))
}

// A server with TLS of its own goes by the certificate of the connection, but not by that of a
// proxy, whose client is somebody else.
func TestCertificateOfTheConnection(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	ca := issue(t, nil, authority)
	s.guard(t, "x509", ca)
	good, bad := issue(t, ca, nil), issue(t, issue(t, nil, authority), nil)
	ask := func(h http.Handler, who *holder, header string) (int, string) {
		server := httptest.NewUnstartedServer(h)
		server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
		server.StartTLS()
		defer server.Close()
		client := server.Client()
		if who != nil {
			own := tls.Certificate{Certificate: [][]byte{who.cert.Raw}, PrivateKey: who.key}
			client.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
		}
		req, err := http.NewRequest("GET", server.URL+"/pulp/content/content/el9/os/a.rpm", nil)
		require.NoError(t, err)
		req.Header.Set("X-CLIENT-CERT", header)
		res, err := client.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(body)
	}
	plain := httpapi.Handler(s.App.App)
	code, body := ask(plain, good, "")
	require.Equal(t, 200, code, body)
	require.Equal(t, "hello", body)
	for _, who := range []*holder{nil, bad} {
		code, body = ask(plain, who, url.PathEscape(text(good)))
		require.Equal(t, 403, code)
		require.NotContains(t, body, "hello")
	}
	trusting := httpapi.Handler(s.App.App, httpapi.TrustProxies(netip.MustParsePrefix("127.0.0.1/32")))
	code, body = ask(trusting, good, "")
	require.Equal(t, 403, code, "the proxy's own certificate: %s", body)
	code, _ = ask(trusting, bad, url.PathEscape(text(good)))
	require.Equal(t, 200, code)
}

func TestAuthoritiesMustBeCertificates(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	ca := issue(t, nil, authority)
	der, err := x509.MarshalPKCS8PrivateKey(ca.key)
	require.NoError(t, err)
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	for _, kind := range []string{"x509", "rhsm"} {
		path := "contentguards/certguard/" + kind + "/"
		for bad, want := range map[string]string{
			"": "may not be blank", "hello": "one or more certificates in PEM", text(ca) + key: "but there is a PRIVATE KEY",
			"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n": "cannot be read",
		} {
			a := s.Refused(t, 400, "POST", path, object{"name": "g", "ca_certificate": bad})
			require.Contains(t, string(a.Body), `{"ca_certificate":["`)
			require.Contains(t, string(a.Body), want)
		}
		s.Refused(t, 400, "POST", path, object{"name": "g"})
		g := s.Create(t, path, object{"name": kind, "ca_certificate": "my authority:\n" + text(ca)})
		s.Refused(t, 400, "PATCH", g.Href(), object{"ca_certificate": "no"})
	}
	require.Len(t, s.List(t, "contentguards/", "pulp_type=certguard.rhsm"), 1)
}

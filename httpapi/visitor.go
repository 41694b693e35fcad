package httpapi

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"github.com/gopulp/pulp"
)

// certHeader is how proxies that end TLS pass on the client's certificate: PEM, URL-quoted.
const certHeader = "X-CLIENT-CERT"

// show returns r with what guards may see of it. A proxy that is trusted says in a header which
// certificate its client has; the connection's own is then the proxy's. Nobody else is believed
// that header.
func (s *server) show(r *http.Request) *http.Request {
	seen := pulp.ContentRequest{Query: r.URL.RawQuery, Header: r.Header.Get}
	switch {
	case s.trusted(r):
		seen.Certificates = sync.OnceValues(func() ([]*x509.Certificate, error) { return parseCerts(r.Header.Get(certHeader)) })
	case r.TLS != nil:
		seen.Certificates = func() ([]*x509.Certificate, error) { return r.TLS.PeerCertificates, nil }
	}
	return r.WithContext(pulp.WithContentRequest(r.Context(), seen))
}

// parseCerts reads certificates in PEM, the client's own first. Nothing means that there is none.
func parseCerts(quoted string) (certs []*x509.Certificate, err error) {
	if quoted == "" {
		return nil, nil
	}
	text, err := url.PathUnescape(quoted) // a plus is one of base64
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", certHeader, err)
	}
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", certHeader, err)
		}
		certs = append(certs, cert)
	}
	if certs == nil {
		return nil, errors.New(certHeader + " holds no certificate in PEM")
	}
	return certs, nil
}

// Package certguard is the plugin for content guards that go by the client's certificate: x509
// lets through who has one of an authority, rhsm moreover looks at the paths that an entitlement
// certificate lists.
//
// The certificate is that of the TLS connection, which the server must ask for, or what a trusted
// proxy says in X-CLIENT-CERT.
package certguard

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"time"

	"github.com/gopulp/pulp"
)

// CA is what a guard has beyond any other.
type CA struct {
	Certificate string `json:"ca_certificate" validate:"required" doc:"One or more Certificate Authority (CA) certificates, in PEM, of which one must have issued the client's certificate, directly or not."`
}

// Plugin returns the plugin, to be named in [pulp.Config].
func Plugin() pulp.Plugin {
	return pulp.Plugin{
		Name: "certguard", Version: "3.117.0",
		Parts: []pulp.Part{
			&pulp.GuardType[CA]{Name: "x509", Class: "X509CertGuard", Validate: valid, Permit: permitAny},
			&pulp.GuardType[CA]{Name: "rhsm", Class: "RHSMCertGuard", Validate: valid, Permit: permitEntitled},
		},
	}
}

func valid(_, g *pulp.Guard[CA]) error {
	if _, err := authorities(g.Detail.Certificate); err != nil {
		return pulp.FieldErrors{"ca_certificate": {err.Error()}}
	}
	return nil
}

// mistake is a sentence for the client.
type mistake string

func (m mistake) Error() string { return string(m) }

// authorities reads certificates in PEM. Text around them is ignored; a private key is refused,
// since everybody who may see the guard would see it.
func authorities(text string) (*x509.CertPool, error) {
	pool, n := x509.NewCertPool(), 0
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, mistake("Only certificates belong here, but there is a " + block.Type + ".")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, mistake("One of the certificates cannot be read.")
		}
		pool.AddCert(cert)
		n++
	}
	if n == 0 {
		return nil, mistake("Must be one or more certificates in PEM.")
	}
	return pool, nil
}

func permitAny(_ context.Context, g *pulp.Guard[CA], r *pulp.ContentRequest) error {
	_, err := verified(g, r)
	return err
}

// verified returns the client's certificate if an authority of the guard issued it.
func verified(g *pulp.Guard[CA], r *pulp.ContentRequest) (*x509.Certificate, error) {
	certs, err := r.Certificates()
	switch {
	case err != nil:
		return nil, pulp.Deny("The client certificate cannot be read.")
	case len(certs) == 0:
		return nil, pulp.Deny("A client certificate is required.")
	}
	roots, err := authorities(g.Detail.Certificate)
	if err != nil {
		return nil, err
	}
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	// The purpose of a certificate is for the authority to say and for TLS to compare.
	opts := x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: time.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	if _, err := certs[0].Verify(opts); err != nil {
		return nil, pulp.Deny("The client certificate was not issued by an authority of this content, or is not valid now.")
	}
	return certs[0], nil
}

// permitEntitled lets through whose certificate lists the path, or one above it.
func permitEntitled(_ context.Context, g *pulp.Guard[CA], r *pulp.ContentRequest) error {
	cert, err := verified(g, r)
	if err != nil {
		return err
	}
	e, err := readEntitlement(cert.Extensions)
	if err != nil {
		return pulp.Deny("The client certificate is no entitlement certificate that can be read.")
	}
	if !e.entitles(r.Path) {
		return pulp.Deny("The client certificate does not entitle to this path.")
	}
	return nil
}

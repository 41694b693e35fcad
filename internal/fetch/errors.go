package fetch

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// The kinds of an [Error], for errors.Is.
var (
	ErrDigest     = errors.New("digest does not match")  // what came is not what was promised
	ErrSize       = errors.New("size does not match")    // shorter, longer, or more than is accepted
	ErrStatus     = errors.New("server refused")         // a status other than 200; errors.As finds the StatusError
	ErrTimeout    = errors.New("timed out")              // no connection, answer or data in time, or TotalTimeout over
	ErrDNS        = errors.New("host name not resolved") // no such name, or no answer from DNS
	ErrTLS        = errors.New("TLS failed")             // a certificate that is not trusted, or no agreement
	ErrConnection = errors.New("connection failed")      // not made, or broken off
	ErrRedirect   = errors.New("redirected badly")       // too often, in a loop, from https to http
	ErrScheme     = errors.New("unusable URL")           // no http, https or file, no host, user info in it
	ErrDenied     = errors.New("not allowed")            // by AllowRemote or ImportPaths
	ErrFile       = errors.New("file could not be read") // a file:// URL; errors.Is finds fs.ErrNotExist
)

// An Error says why a URL did not deliver. Its text holds no credentials and no query of a URL.
type Error struct {
	Kind   error  // one of the Err… above
	URL    string // as Redact prints it
	Detail string // what was expected and what came
	Tries  int    // how often it was tried
	Err    error  // the cause; nil if there is none beyond Kind. Its text may hold what Error leaves out.

	final bool          // trying again is useless
	after time.Duration // the server asks to wait so long
}

func (e *Error) Error() string {
	text := fmt.Sprintf("fetch %s: %v", e.URL, e.Kind)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Tries > 1 {
		text += fmt.Sprintf(" (tried %d times)", e.Tries)
	}
	return text
}

// Unwrap makes errors.Is and errors.As see the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// A StatusError is the cause of an ErrStatus.
type StatusError struct {
	Code       int           // HTTP status
	Proxy      bool          // the proxy answered, not the server
	RetryAfter time.Duration // how long the server asks to wait; zero if it does not say
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("HTTP %d %s", e.Code, http.StatusText(e.Code))
	if e.Proxy {
		text += " from the proxy"
	}
	if e.RetryAfter > maxPause {
		text += fmt.Sprintf(", which asks to wait %s", e.RetryAfter)
	}
	return text
}

// Redact prints a URL for people: without user info and fragment, and with its query hidden.
func Redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" {
		return "(not a URL)"
	}
	query := ""
	if u.RawQuery != "" {
		query = "?***"
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	return u.String() + query
}

func fail(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

func final(e *Error) *Error {
	e.final = true
	return e
}

// A deniedError carries the answer of AllowRemote through a dial.
type deniedError struct{ err error }

func (e *deniedError) Error() string { return e.err.Error() }
func (e *deniedError) Unwrap() error { return e.err }

func statusError(w *watch, resp *http.Response, idle time.Duration) error {
	discard(w, resp, idle)
	return &StatusError{
		Code:       resp.StatusCode,
		Proxy:      resp.StatusCode == http.StatusProxyAuthRequired,
		RetryAfter: retryAfter(resp.Header, time.Now()),
	}
}

// explain turns what a try ran into into an *Error, or leaves it as it is when the remote is not to blame: the
// caller's context has ended, or the Sink failed.
func (c *Client) explain(w *watch, raw string, err error) error {
	var sink *sinkError
	if errors.As(err, &sink) {
		return err
	}
	var late *overdue
	if w.ctx.Err() != nil && !errors.As(w.cause(), &late) {
		return w.cause()
	}
	var e *Error
	if late != nil {
		e = fail(ErrTimeout, "%s", overdueDetail(late, err))
	} else if !errors.As(err, &e) {
		e = classify(err)
	}
	if w.at != "" {
		e.Detail += ", redirected to " + w.at
	}
	e.URL, e.Detail = Redact(raw), c.secrets.Replace(e.Detail)
	return e
}

func overdueDetail(late *overdue, err error) string {
	var body *readError
	if errors.As(err, &body) {
		return (&readError{body.got, body.announced, late}).Error()
	}
	return late.Error()
}

func classify(err error) *Error {
	e := &Error{Kind: ErrConnection, Detail: err.Error(), Err: err}
	var (
		denied  *deniedError
		status  *StatusError
		dns     *net.DNSError
		timeout net.Error
	)
	switch {
	case errors.As(err, &denied):
		e.Kind, e.final = ErrDenied, true
	case errors.As(err, &status):
		e.Kind, e.Detail, e.after = ErrStatus, status.Error(), status.RetryAfter
		passing := status.Code >= 500 || status.Code == http.StatusTooManyRequests
		e.final = !passing || e.after > maxPause
	case errors.As(err, &dns):
		e.Kind, e.Detail, e.final = ErrDNS, dns.Name+": "+dns.Err, dns.IsNotFound
	case isTLS(err):
		var verify *tls.CertificateVerificationError
		e.Kind, e.final = ErrTLS, errors.As(err, &verify)
	case errors.As(err, &timeout) && timeout.Timeout():
		e.Kind = ErrTimeout
	}
	return e
}

func isTLS(err error) bool {
	var (
		verify *tls.CertificateVerificationError
		record tls.RecordHeaderError
		host   x509.HostnameError
		op     *net.OpError
	)
	alert := errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error")
	return alert || errors.As(err, &verify) || errors.As(err, &record) || errors.As(err, &host) || errors.Is(err, http.ErrSchemeMismatch)
}

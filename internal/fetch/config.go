package fetch

import (
	"net/netip"
	"net/url"
	"time"
)

// The values that stand in for zero ones in a [Config].
const (
	DefaultMaxRetries     = 3 // for callers: zero retries is a choice, so New does not put it in
	DefaultConcurrency    = 10
	DefaultConnectTimeout = 30 * time.Second
	DefaultReadTimeout    = time.Minute
	DefaultRetryPause     = 500 * time.Millisecond
	DefaultUserAgent      = "pulp"
)

// A Config is what a remote says about how its files are fetched. The zero Config fetches over http and https without
// credentials and, mind, without looking at certificates.
type Config struct {
	// CACert are PEM certificates that are trusted instead of the system's. Empty means the system's.
	CACert string
	// ClientCert and ClientKey are PEM and shown to servers of Origin that ask. The key may also stand in ClientCert. Empty means none.
	ClientCert, ClientKey string
	// TLSValidation is whether certificates must be valid. False accepts any.
	TLSValidation bool

	// ProxyURL is an http, https or socks5 proxy, without user info, for all http and https requests. Empty means none; the
	// environment is not looked at.
	ProxyURL string
	// ProxyUsername and ProxyPassword are for the proxy. Both or none.
	ProxyUsername, ProxyPassword string

	// Origin is the scheme, host and port that see Username, Password, Headers and ClientCert; nobody else does, also not
	// after a redirect. It is needed when one of these is set. Usually the URL of the remote.
	Origin *url.URL
	// Username and Password are sent as Basic authentication. An empty Username means none.
	Username, Password string
	// Headers are names and values to send. A User-Agent is appended to ours and goes to all servers; Host,
	// Accept-Encoding and what frames a message have no effect.
	Headers [][2]string
	// UserAgent names the program. Empty means DefaultUserAgent.
	UserAgent string

	// MaxRetries is how often a URL is tried again. Zero or less means never; remotes that say nothing get DefaultMaxRetries.
	MaxRetries int
	// RetryPause is about the first pause before a retry; it doubles up to a minute. Zero means DefaultRetryPause.
	RetryPause time.Duration
	// TotalTimeout is for one try, from the wait for the rate limit to the last byte. Zero means none.
	TotalTimeout time.Duration
	// ConnectTimeout is for one connection: name, TCP, proxy and TLS. Zero means DefaultConnectTimeout.
	ConnectTimeout time.Duration
	// SockConnectTimeout is for its TCP part. Zero means DefaultConnectTimeout.
	SockConnectTimeout time.Duration
	// SockReadTimeout is how long a server may send nothing while we wait for it. Zero means DefaultReadTimeout.
	SockReadTimeout time.Duration

	// Concurrency is how many tries run at once. Zero means DefaultConcurrency.
	Concurrency int
	// RateLimit is how many requests are begun per second, evenly spaced; redirects and retries count. Zero means no limit.
	RateLimit int

	// ImportPaths are absolute directories below which file:// URLs may be read; links cannot lead out of them. Empty
	// means no file can.
	ImportPaths []string
	// AllowRemote is asked before each connection, after the name was resolved, with the URL that made us connect (a redirect's
	// target, or the proxy's URL) and the address; an error refuses it. With a proxy it is asked about each target as well,
	// with the zero Addr if its host is a name. A connection in use is not asked about again. Nil allows all.
	AllowRemote func(*url.URL, netip.Addr) error
}

// A FieldError says which field of a [Config] is wrong, by its name in a remote's JSON, and why. It never quotes a secret.
type FieldError struct{ Field, Msg string }

func (e *FieldError) Error() string { return e.Field + ": " + e.Msg }

package fetch

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

// New makes a Client, or returns a [*FieldError]. It connects to nobody.
func New(cfg Config) (*Client, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	proxy, err := cfg.proxy()
	if err != nil {
		return nil, err
	}
	withCert, without, err := cfg.tls()
	if err != nil {
		return nil, err
	}
	cfg = cfg.complete()
	c := &Client{cfg: cfg, proxy: proxy, secrets: cfg.redactor()}
	c.slots = semaphore.NewWeighted(int64(cfg.Concurrency))
	c.rate = rate.NewLimiter(rate.Inf, 1)
	if cfg.RateLimit > 0 {
		c.rate.SetLimit(rate.Limit(cfg.RateLimit))
	}
	c.buffers.New = func() any { return new([bufferSize]byte) }
	c.origin = c.transport(withCert)
	c.others = c.origin
	if without != nil {
		c.others = c.transport(without)
	}
	return c, nil
}

// check refuses what would otherwise surprise at the first fetch.
func (cfg Config) check() error {
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"total_timeout", cfg.TotalTimeout}, {"connect_timeout", cfg.ConnectTimeout},
		{"sock_connect_timeout", cfg.SockConnectTimeout}, {"sock_read_timeout", cfg.SockReadTimeout},
		{"retry_pause", cfg.RetryPause}, {"download_concurrency", time.Duration(cfg.Concurrency)}, {"rate_limit", time.Duration(cfg.RateLimit)},
	} {
		if d.value < 0 {
			return &FieldError{d.field, "must not be negative"}
		}
	}
	private := cfg.Username != "" || cfg.ClientCert != ""
	for _, h := range cfg.Headers {
		if !isToken(h[0]) || strings.ContainsFunc(h[1], isControl) {
			return &FieldError{"headers", "a name is no HTTP token, or a value holds control characters"}
		}
		private = private || !strings.EqualFold(h[0], "User-Agent")
	}
	if strings.ContainsFunc(cfg.UserAgent, isControl) {
		return &FieldError{"user_agent", "holds control characters"}
	}
	if private && cfg.Origin == nil {
		return &FieldError{"url", "credentials need the origin that they are for"}
	}
	return nil
}

func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// complete puts in the defaults and folds a User-Agent header into UserAgent.
func (cfg Config) complete() Config {
	cfg.MaxRetries = max(0, cfg.MaxRetries)
	cfg.Concurrency = cmp.Or(cfg.Concurrency, DefaultConcurrency)
	cfg.RetryPause = cmp.Or(cfg.RetryPause, DefaultRetryPause)
	cfg.ConnectTimeout = cmp.Or(cfg.ConnectTimeout, DefaultConnectTimeout)
	cfg.SockConnectTimeout = cmp.Or(cfg.SockConnectTimeout, DefaultConnectTimeout)
	cfg.SockReadTimeout = cmp.Or(cfg.SockReadTimeout, DefaultReadTimeout)
	cfg.UserAgent = cmp.Or(cfg.UserAgent, DefaultUserAgent)
	var headers [][2]string
	for _, h := range cfg.Headers {
		if strings.EqualFold(h[0], "User-Agent") {
			cfg.UserAgent += " " + h[1]
			continue
		}
		headers = append(headers, h)
	}
	cfg.Headers = headers
	return cfg
}

func (cfg Config) proxy() (*url.URL, error) {
	if (cfg.ProxyUsername == "") != (cfg.ProxyPassword == "") {
		return nil, &FieldError{"proxy_username", "proxy_username and proxy_password are given both or not at all"}
	}
	if cfg.ProxyURL == "" {
		if cfg.ProxyUsername != "" {
			return nil, &FieldError{"proxy_url", "proxy credentials need a proxy"}
		}
		return nil, nil
	}
	if strings.Contains(cfg.ProxyURL, "@") {
		return nil, &FieldError{"proxy_url", "must not contain credentials; use proxy_username and proxy_password"}
	}
	u, err := url.Parse(cfg.ProxyURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
		return nil, &FieldError{"proxy_url", "must be an absolute http, https or socks5 URL"}
	}
	if cfg.ProxyUsername != "" {
		u.User = url.UserPassword(cfg.ProxyUsername, cfg.ProxyPassword)
	}
	return u, nil
}

// tls returns the configuration for the origin, and the one for all others if it differs.
func (cfg Config) tls() (withCert, without *tls.Config, err error) {
	base := &tls.Config{InsecureSkipVerify: !cfg.TLSValidation}
	if cfg.CACert != "" {
		if base.RootCAs, err = authorities(cfg.CACert); err != nil {
			return nil, nil, err
		}
	}
	if cfg.ClientCert == "" {
		if cfg.ClientKey != "" {
			return nil, nil, &FieldError{"client_cert", "client_key needs a client_cert"}
		}
		return base, nil, nil
	}
	if block, _ := pem.Decode([]byte(cfg.ClientCert)); block == nil {
		return nil, nil, &FieldError{"client_cert", "not a PEM certificate"}
	}
	pair, err := tls.X509KeyPair([]byte(cfg.ClientCert), []byte(cmp.Or(cfg.ClientKey, cfg.ClientCert)))
	if err != nil {
		return nil, nil, &FieldError{"client_key", "client_cert and client_key are not a PEM certificate and its key"}
	}
	withCert = base.Clone()
	withCert.Certificates = []tls.Certificate{pair}
	return withCert, base, nil
}

func authorities(text string) (*x509.CertPool, error) {
	pool, found := x509.NewCertPool(), false
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, &FieldError{"ca_cert", "holds something that is no certificate"}
		}
		pool.AddCert(cert)
		found = true
	}
	if !found {
		return nil, &FieldError{"ca_cert", "not a PEM certificate"}
	}
	return pool, nil
}

// redactor hides what a server might echo into the text of an error.
func (cfg Config) redactor() *strings.Replacer {
	basic := base64.StdEncoding.EncodeToString
	secrets := []string{basic([]byte(cfg.Username + ":" + cfg.Password)), basic([]byte(cfg.ProxyUsername + ":" + cfg.ProxyPassword)), cfg.Password, cfg.ProxyPassword}
	for _, h := range cfg.Headers {
		secrets = append(secrets, h[1])
	}
	var pairs []string
	for _, s := range secrets {
		if len(s) > 3 { // shorter ones would tear words apart
			pairs = append(pairs, s, "***")
		}
	}
	return strings.NewReplacer(pairs...)
}

// transport speaks HTTP/1.1 only: a connection for each running try, so a stalled one holds up no other.
func (c *Client) transport(t *tls.Config) *http.Transport {
	transport := &http.Transport{
		DialContext:            c.dial,
		TLSClientConfig:        t,
		TLSHandshakeTimeout:    c.cfg.ConnectTimeout,
		DisableCompression:     true,
		MaxIdleConns:           2 * c.cfg.Concurrency,
		MaxIdleConnsPerHost:    c.cfg.Concurrency,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		Protocols:              new(http.Protocols),
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
			if resp.StatusCode != http.StatusOK {
				return &StatusError{Code: resp.StatusCode, Proxy: true}
			}
			return nil
		},
	}
	transport.Protocols.SetHTTP1(true)
	if c.proxy != nil {
		transport.Proxy = http.ProxyURL(c.proxy)
	}
	return transport
}

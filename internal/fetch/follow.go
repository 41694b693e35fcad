package fetch

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxRedirects is how many redirects a try follows.
const maxRedirects = 10

// follow asks u and goes where it is sent, until something else than a redirect comes.
func (c *Client) follow(w *watch, u *url.URL, req Request) (*http.Response, error) {
	seen := map[string]bool{}
	for {
		seen[u.String()] = true
		resp, err := c.send(w, u, req)
		if err != nil {
			return nil, err
		}
		location := resp.Header.Get("Location")
		if !isRedirect(resp.StatusCode) || location == "" {
			return resp, nil
		}
		discard(w, resp, c.cfg.SockReadTimeout)
		next, err := u.Parse(location)
		if err != nil {
			return nil, final(fail(ErrRedirect, "from %s to something that is no URL", Redact(u.String())))
		}
		if err := checkRedirect(u, next, seen, len(req.Digests) > 0); err != nil {
			return nil, err
		}
		u, w.at = next, Redact(next.String())
	}
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// checkRedirect refuses what leads nowhere or lowers the guard: an unencrypted hop could change bytes that nothing verifies.
func checkRedirect(from, to *url.URL, seen map[string]bool, verified bool) error {
	to.User, to.Fragment, to.RawFragment = nil, "", ""
	where := Redact(to.String())
	switch {
	case to.Scheme != "http" && to.Scheme != "https" || to.Host == "":
		return final(fail(ErrScheme, "redirected to %s", where))
	case seen[to.String()]:
		return final(fail(ErrRedirect, "in a loop over %s", where))
	case len(seen) > maxRedirects:
		return final(fail(ErrRedirect, "more than %d times, at last to %s", maxRedirects, where))
	case from.Scheme == "https" && to.Scheme == "http" && !verified:
		return final(fail(ErrRedirect, "from https to %s, with no digest to verify what comes", where))
	}
	return nil
}

// send asks one server. Only the remote's own origin sees user, headers and client certificate.
func (c *Client) send(w *watch, u *url.URL, req Request) (*http.Response, error) {
	if err := c.allowBehindProxy(u); err != nil {
		return nil, err
	}
	turn := c.rate.Reserve()
	if err := sleep(w.ctx, turn.Delay()); err != nil {
		turn.Cancel()
		return nil, err
	}
	ctx := context.WithValue(w.phases(c.cfg.ConnectTimeout, c.cfg.SockReadTimeout), targetKey{}, u)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, final(fail(ErrScheme, "not a URL that can be asked"))
	}
	for name, values := range req.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	transport := c.others
	if sameOrigin(u, c.cfg.Origin) {
		transport = c.origin
		c.authenticate(r)
	}
	r.Header.Set("User-Agent", c.cfg.UserAgent)
	r.Header.Set("Accept-Encoding", "identity") // the digest is that of the file, not of a transport encoding
	defer w.rest()
	return transport.RoundTrip(r)
}

func (c *Client) authenticate(r *http.Request) {
	for _, h := range c.cfg.Headers {
		r.Header.Add(h[0], h[1])
	}
	if c.cfg.Username != "" {
		r.SetBasicAuth(c.cfg.Username, c.cfg.Password)
	}
}

func sameOrigin(a, b *url.URL) bool {
	return b != nil && strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if strings.EqualFold(u.Scheme, "https") {
		return "443"
	}
	return "80"
}

// targetKey carries the URL of a request to the dial made for it.
type targetKey struct{}

// dial connects to addr, which is the proxy's if there is one, and asks AllowRemote about each address tried.
func (c *Client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: c.cfg.SockConnectTimeout}
	if allow := c.cfg.AllowRemote; allow != nil {
		target := c.proxy
		if target == nil {
			target, _ = ctx.Value(targetKey{}).(*url.URL)
		}
		d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			ip, err := netip.ParseAddrPort(address)
			if err == nil {
				err = allow(public(target), ip.Addr().Unmap())
			}
			if err != nil {
				return &deniedError{err}
			}
			return nil
		}
	}
	return d.DialContext(ctx, network, addr)
}

// allowBehindProxy asks about the target itself where only the proxy will connect to it.
func (c *Client) allowBehindProxy(u *url.URL) error {
	if c.proxy == nil || c.cfg.AllowRemote == nil {
		return nil
	}
	ip, _ := netip.ParseAddr(u.Hostname()) // zero for a name
	if err := c.cfg.AllowRemote(public(u), ip.Unmap()); err != nil {
		return &deniedError{err}
	}
	return nil
}

// public is a copy without user info.
func public(u *url.URL) *url.URL {
	if u == nil {
		return &url.URL{}
	}
	v := *u
	v.User = nil
	return &v
}

// discard reads a little of a body that nobody wants, so that the connection can be used again.
func discard(w *watch, resp *http.Response, idle time.Duration) {
	w.expect(idle, "no data")
	io.CopyN(io.Discard, resp.Body, 4<<10)
	w.rest()
	resp.Body.Close()
}

// retryAfter is how long an answer asks to wait; zero if it does not say.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

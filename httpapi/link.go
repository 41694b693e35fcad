package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/gopulp/pulp"
)

// origin is scheme and host as the client sees them: "https://pulp.example.org:8443". It is
// empty for a client that names no host, whose links are then paths.
func (s *server) origin(r *http.Request) string {
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if s.trusted(r) {
		if p := last(r.Header.Get("X-Forwarded-Proto")); p == "http" || p == "https" {
			scheme = p
		}
		if h := last(r.Header.Get("X-Forwarded-Host")); validHost(h) {
			host = h
		}
	}
	if host == "" {
		return ""
	}
	return scheme + "://" + host
}

// trusted says whether the request comes straight from a proxy that may say who asked it.
func (s *server) trusted(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	for _, net := range s.proxies {
		if net.Contains(from.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// last is the end of a list of values, which the nearest proxy has added; what stands before
// it may come from the client.
func last(list string) string {
	return strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
}

func validHost(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, "80"
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || host == "" {
		return false
	}
	return strings.Trim(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]") == ""
}

// neighbours are the URLs of the pages after and before p; empty where there is none. They
// are the request's own URL with limit and offset replaced.
func (s *server) neighbours(r *http.Request, p *pulp.Page) (next, previous string) {
	query, _ := url.ParseQuery(r.URL.RawQuery) // the operation has read it already
	at := s.origin(r) + escaped(mountPoint(r)+r.URL.Path) + "?"
	query.Set("limit", strconv.FormatInt(p.Limit, 10))
	if p.Offset > 0 {
		query.Del("offset")
		if p.Offset > p.Limit {
			query.Set("offset", strconv.FormatInt(p.Offset-p.Limit, 10))
		}
		previous = at + query.Encode()
	}
	if p.Limit > 0 && p.Count-p.Limit > p.Offset { // Offset+Limit could overflow
		query.Set("offset", strconv.FormatInt(p.Offset+p.Limit, 10))
		next = at + query.Encode()
	}
	return next, previous
}

// escaped is a path as it stands in a URL.
func escaped(path string) string { return (&url.URL{Path: path}).EscapedPath() }

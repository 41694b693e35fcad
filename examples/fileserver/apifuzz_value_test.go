package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// A generator makes values for schemas: fair ones, which the server may take, and odd ones.
type generator struct {
	*rand.Rand
	doc     *apiDocument
	pool    *pool
	samples map[string][]any // fair values of fields and parameters, by name
	calm    bool             // nothing odd
	op      *apiOperation    // that a request is made for
}

// files are the files that are uploaded.
var files = []string{"x", "hello", "", strings.Repeat("0123456789", 500)}

// samplesFor are values for what the schema cannot tell; upstream is a manifest that can be synced.
func samplesFor(upstream string) map[string][]any {
	all := map[string][]any{
		"url": {upstream, upstream, upstream, "http://127.0.0.1:1/PULP_MANIFEST"}, "file_url": {strings.Replace(upstream, "PULP_MANIFEST", "a.bin", 1)},
		"proxy_url": {nil, nil, nil, "http://127.0.0.1:1"}, "ca_certificate": {certificate()}, "ca_cert": {nil, certificate()},
		"client_cert": {nil}, "client_key": {nil}, "state": {"canceled"}, "jq_filter": {nil, ".identity", ".a.b"}, "header_name": {"x-rh-identity", "X-A"},
		"permissions": {[]any{"file.view_filerepository"}, []any{"core.add_group", "core.view_task"}, []any{}}, "downloader_config": {map[string]any{}},
		"statements": {[]any{map[string]any{"action": []any{"list"}, "principal": "authenticated", "effect": "allow"}}}, "creation_hooks": {[]any{}},
		"permissions_assignment": {[]any{}}, "queryset_scoping": {map[string]any{"function": "scope_queryset"}}, "size": {1, 5, 5000},
		"base_path": {"a", "b/c", "d/e/f", "g"}, "key": {"env", "a.b", "x"}, "value": {"prod", nil, ""}, "q": {"name=n1 OR NOT name=n2", `name="n 1"`},
		"pulp_label_select": {"env", "!env", "env=prod", "env!=prod,x", "env~p"}, "name__regex": {"^n[0-9]$"}, "password": {"a long password 17"},
		"max_retries": {nil, 0, 1}, "rate_limit": {nil, 0, 50}, "download_concurrency": {nil, 1, 10}, "headers": {[]any{}, []any{map[string]any{"X-A": "b"}}},
		"manifest": {nil, "PULP_MANIFEST", "m/n"}, "orphan_protection_time": {nil, 0, 1440}, "total_timeout": {nil, 60}, "connect_timeout": {nil, 2},
		"sock_connect_timeout": {nil, 2}, "sock_read_timeout": {nil, 2}, "finished_before": {"2020-01-01T00:00:00Z", "2099-01-01T00:00:00.5Z"},
		"remove_content_units": {[]any{}, []any{"*"}}, "pulp_labels": {map[string]any{"env": "prod"}, map[string]any{"a": nil}, map[string]any{}},
		"proxy_username": {nil}, "proxy_password": {nil}, "is_active": {true}, "old_password": {"password"}, "digest": {digest("x"), digest("hello")},
		"users": {[]any{nobody}, []any{root}, []any{root}, []any{}}, "content_object": {nil}, "content_object_prn": {nil}, "domain": {nil}, "relative_path": {"a", "b/c.txt", "d/é.bin", "e f"},
	}
	for _, name := range []string{"md5", "sha1", "sha224", "sha384", "sha512"} {
		all[name] = []any{nil}
	}
	all["sha256"] = []any{digest("x"), digest("hello"), digest("")}
	return all
}

func digest(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

// certificate is one of an authority, in PEM.
func certificate() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fuzz"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(crand.Reader, c, c, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

// odds is chance, for what is odd.
func (g *generator) odds(percent int) bool { return !g.calm && g.chance(percent) }

// fair is a value that a schema allows, or one that its name asks for.
func (g *generator) fair(name string, s *apiSchema) any {
	s = g.doc.resolve(s)
	if some := g.samples[name]; some != nil {
		v := pick(g.Rand, some...)
		if v != nil || slices.Contains(s.Type, "null") {
			return v
		}
	}
	switch {
	case len(s.Enum) > 0:
		return pick(g.Rand, s.Enum...)
	case slices.Contains(s.Type, "null") && g.chance(30):
		return nil
	case len(s.Type) == 0:
		return pick(g.Rand, any("x"), any(1), any(nil))
	}
	switch s.Type[0] {
	case "boolean":
		return g.chance(50)
	case "integer", "number":
		return g.integer(s)
	case "array":
		return g.array(name, s)
	case "object":
		return g.object(s, g.fair)
	}
	return g.text(name, s)
}

func (g *generator) integer(s *apiSchema) int {
	least := 0
	if s.Minimum != nil {
		least = int(*s.Minimum)
	}
	return least + g.IntN(4)
}

func (g *generator) array(name string, s *apiSchema) any {
	all := []any{}
	for range g.IntN(3) {
		all = append(all, g.fair(name, s.Items))
	}
	return all
}

// object has all that is required, and some of the rest.
func (g *generator) object(s *apiSchema, value func(string, *apiSchema) any) map[string]any {
	all, often := map[string]any{}, 25
	if len(s.Properties) <= 4 { // small objects often need one of two
		often = 65
	}
	for _, name := range sorted(s.Properties) {
		if slices.Contains(s.Required, name) || g.chance(often) {
			all[name] = value(name, s.Properties[name])
		}
	}
	return all
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// text is a reference, a name of something, or a short word.
func (g *generator) text(name string, s *apiSchema) string {
	switch {
	case s.Format == "date-time":
		return fmt.Sprintf("20%02d-01-02T03:04:05Z", g.IntN(99))
	case s.Format == "email":
		return "a@example.org"
	case strings.HasPrefix(name, "role"):
		return g.pool.role(g.Rand, g.op.template)
	case name == "users", name == "groups":
		return g.pool.name(g.Rand, "/v3/"+name+"/{pk}/")
	}
	if part := reference(name); part != "" {
		return g.reference(part)
	}
	return pick(g.Rand, "n", "m") + fmt.Sprint(g.IntN(40))
}

// reference is an href or a PRN, seldom of an object of the wrong kind.
func (g *generator) reference(part string) string {
	if g.odds(5) {
		part = "/"
	}
	href := g.pool.href(g.Rand, part)
	switch {
	case g.chance(30):
		return g.pool.prn(href)
	case g.odds(5):
		return "http://example.org" + href
	}
	return href
}

// hostile are texts that have broken programs before.
var hostile = []string{
	"", " ", "\x00", "a\x00b", "\ufeff", "\u202e", "é", "e\u0301", "𝒳🙈", "null", "true", "NaN", "0", "-1", "00", "1e400", "9223372036854775808", "-9223372036854775809",
	"../../../etc/passwd", "..", ".", "/", "//", "a//b", "/etc/passwd", `..\..\x`, "a/../b", "a/./b", "%2e%2e%2f", "%00", "%", "*", "a,b", ",", "a\\,b", "\\",
	"' OR 1=1 --", `"; DROP TABLE task; --`, "<script>alert(1)</script>", "{{7*7}}", "$(id)", "a\r\nSet-Cookie: x=y", "\n", "\t", "\x7f", "((((", "[", "a{99999}", "(a+)+$", "(?", "\\p{L}",
	"http://[::1", "ftp://127.0.0.1/", "file:///etc/passwd", "http://", "http://127.0.0.1:99999/", "http://user:pass@127.0.0.1:1/x", "://", "http:///x", "HTTP://127.0.0.1:1/%zz",
	"/pulp/api/v3/", "/pulp/api/v3/tasks/", "/pulp/api/v3/tasks/1/", "/pulp/api/v3/repositories/file/file/00000000-0000-0000-0000-000000000000/", "/pulp/content/",
	"prn:", "prn:core.task:1", "prn:a:b:c", "prn:file.filerepository:00000000-0000-0000-0000-000000000000", "prn:auth.user:1", "prn:core.group:-1", "pdrn:x:orphans",
	"0001-01-01T00:00:00Z", "9999-12-31T23:59:60Z", "2024-02-30T00:00:00Z", "2024-01-01", "12:00", "-292277022399-01-01T00:00:00Z", "2024-01-01T00:00:00+99:99",
	"name=", "NOT", "(name=a", "q=q", "a AND", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", ".a|error", "@example.org", "a b@c d",
	strings.Repeat("x", 151), strings.Repeat("é", 300), strings.Repeat("a/", 600), strings.Repeat("(", 500), strings.Repeat("name=a OR ", 40) + "name=a", strings.Repeat("y", 70_000), strings.Repeat("env=a,", 2500) + "x",
}

// odd is a value at or beyond the bounds of a schema, or of no type that it allows.
func (g *generator) odd(name string, s *apiSchema) any {
	s = g.doc.resolve(s)
	if slices.Contains(s.Type, "array") && g.chance(40) {
		return g.oddArray(name, s)
	}
	if slices.Contains(s.Type, "object") && g.chance(40) {
		return map[string]any{pick(g.Rand, hostile...): pick(g.Rand, any(nil), any(1), any(pick(g.Rand, hostile...)), any([]any{}))}
	}
	switch g.IntN(8) {
	case 0:
		return nil
	case 1:
		return pick[any](g.Rand, []any{}, []any{nil}, []any{[]any{}}, map[string]any{}, map[string]any{"a": map[string]any{"": nil}}, true, false)
	case 2, 3:
		return json.Number(pick(g.Rand, "0", "-1", "1", "1.0", "1.5", "1e2", "1e400", "-0", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
			"4294967296", "1e-400", "123456789012345678901234567890", "2147483648"))
	case 4:
		return g.reference(pick(g.Rand, "/", "/versions/{number}/", "/users/", "/tasks/"))
	}
	return pick(g.Rand, hostile...)
}

func (g *generator) oddArray(name string, s *apiSchema) any {
	all := []any{}
	for range pick(g.Rand, 1, 2, 3, 2500) {
		all = append(all, g.fair(name, s.Items))
	}
	if g.chance(60) {
		all[g.IntN(len(all))] = g.odd(name, s.Items)
	}
	return all
}

package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// A call is a request that the fuzzer sends.
type call struct {
	op     *apiOperation
	url    url.URL
	header http.Header
	body   []byte
	fields map[string]any // of a body that is plain JSON; nil for others
}

// String writes a call as a reader can send it again.
func (c *call) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s (%s)\n", c.op.method, c.url.String(), c.op.OperationID)
	for _, name := range sorted(c.header) {
		fmt.Fprintf(&b, "%s: %q\n", name, c.header[name])
	}
	body := c.body
	if len(body) > 1500 {
		body = append(slices.Clone(body[:1500]), "…"...)
	}
	fmt.Fprintf(&b, "%q", body)
	return b.String()
}

// The callers, as the fuzzer's Authenticator knows them.
const (
	asHeader = "X-Fuzz-As"
	root     = "admin"
	nobody   = "nobody" // who has an account without roles
)

// call makes a request for an operation.
func (g *generator) call(op *apiOperation) *call {
	g.op = op
	c := &call{op: op, header: http.Header{}}
	path := g.pool.path(g.Rand, op.template)
	if g.odds(8) {
		path = g.oddPath(op.template)
	}
	c.url = url.URL{Path: path, RawQuery: g.query(op)}
	g.headers(c)
	for _, p := range op.Parameters {
		if p.In == "header" {
			c.header.Set(p.Name, pick(g.Rand, "bytes 0-0/*", "bytes 0-4/5", "bytes 0-0/1", "bytes 1-1/5", g.oddRange()))
		}
	}
	if op.RequestBody != nil {
		g.body(c)
	}
	return c
}

func (g *generator) oddRange() string {
	return pick(g.Rand, "", "bytes", "bytes 0-", "bytes -1-0/*", "bytes 5-4/*", "bytes */5", "bytes 0-99999999999999999999/*", "items 0-0/1",
		"bytes 9223372036854775806-9223372036854775807/*", "bytes 0-0/0", "bytes 0x0-0x1/2", "bytes 0-4999/5000")
}

// oddPath fills in a template with keys that no object has.
func (g *generator) oddPath(template string) string {
	return templateVariable.ReplaceAllStringFunc(template, func(string) string {
		if g.chance(30) {
			return pick(g.Rand, strings.ToUpper(g.pool.pk(g.Rand)), strings.ReplaceAll(g.pool.pk(g.Rand), "-", ""), "{"+g.pool.pk(g.Rand)+"}", g.pool.pk(g.Rand))
		}
		return pick(g.Rand, hostile...)
	})
}

// query has some of an operation's parameters, and sometimes others.
func (g *generator) query(op *apiOperation) string {
	var all []string
	add := func(name string, v any) { all = append(all, url.QueryEscape(name)+"="+url.QueryEscape(formText(v))) }
	for _, p := range op.Parameters {
		if p.In != "query" || !g.chance(min(50, 200/len(op.Parameters))) {
			continue
		}
		v := g.fair(strings.TrimSuffix(p.Name, "__in"), p.Schema)
		if g.odds(25) {
			v = g.odd(p.Name, p.Schema)
		}
		add(p.Name, v)
		if g.odds(4) {
			add(p.Name, g.fair(p.Name, p.Schema))
		}
	}
	if g.odds(3) {
		add(pick(g.Rand, "x", "name__", "__in", "NAME", "name[]", "q", "format", "page_size", "limit", ""), pick(g.Rand, hostile...))
	}
	if g.odds(2) {
		all = append(all, pick(g.Rand, "%zz", "a;b", "&&", "=", "a", "limit=1;offset=2", "\xff=\xfe", "name=%ff"))
	}
	return strings.Join(all, "&")
}

// formText is a value as forms and queries write it.
func formText(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case []any:
		texts := make([]string, len(v))
		for i, e := range v {
			texts[i] = formText(e)
		}
		return strings.Join(texts, ",")
	case map[string]any:
		return string(encoded(v))
	}
	return fmt.Sprint(v)
}

func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// headers says who asks, and sometimes what few clients say.
func (g *generator) headers(c *call) {
	switch n := g.IntN(100); {
	case g.calm || n < 90:
		c.header.Set(asHeader, root)
	case n < 95:
		c.header.Set(asHeader, nobody)
	case n < 98:
		c.header.Set("Authorization", pick(g.Rand, "Basic", "Basic x", "Basic \xff", "Bearer abc", "Basic YWRtaW46d3Jvbmc=", "basic Og=="))
	}
	if !g.odds(5) {
		return
	}
	name := pick(g.Rand, "Accept", "Correlation-ID", "X-Requested-With", "Cookie", "If-None-Match", "Range", "X-Forwarded-Host", "X-HTTP-Method-Override",
		"Accept-Encoding", "Content-Encoding", "Origin", "Sec-Fetch-Site", "Expect", "X-CLIENT-CERT")
	value := pick(g.Rand, "text/html", "XMLHttpRequest", "sessionid=x; sessionid=y", "gzip", "cross-site", "http://example.org", "bytes=0-1", "*", pick(g.Rand, hostile...))
	c.header.Set(name, strings.Map(func(r rune) rune { return max(r, ' ') }, value)) // net/http lets no control characters in
}

// body writes a body in one of the ways that the document has, or in another.
func (g *generator) body(c *call) {
	content := c.op.RequestBody.Content
	kind := pick(g.Rand, sorted(content)...)
	if _, ok := content["application/json"]; ok && g.chance(75) {
		kind = "application/json"
	} else if !ok && g.chance(80) {
		kind = "multipart/form-data"
	}
	s := g.doc.resolve(content[kind].Schema)
	fields := g.object(s, g.fair)
	if g.odds(35) {
		g.spoil(s, fields)
	}
	c.header.Set("Content-Type", kind)
	switch kind {
	case "application/json":
		c.body, c.fields = encoded(fields), fields
	case "multipart/form-data":
		g.multipart(c, s, fields)
	default:
		values := url.Values{}
		for _, name := range sorted(fields) {
			values.Add(name, formText(fields[name]))
		}
		c.body = []byte(values.Encode())
	}
	if g.odds(6) {
		g.garble(c)
	}
}

// spoil makes one thing wrong with fields.
func (g *generator) spoil(s *apiSchema, fields map[string]any) {
	if len(s.Properties) == 0 || g.chance(10) {
		fields[pick(g.Rand, "x", "pulp_href", "id", "__proto__", "csrfmiddlewaretoken", "", "pulp_id", "\x00")] = pick(g.Rand, any(nil), any("x"))
		return
	}
	name := pick(g.Rand, sorted(s.Properties)...)
	if g.chance(15) {
		delete(fields, name)
		return
	}
	fields[name] = g.odd(name, s.Properties[name])
}

// garble sends something else, or says that it is something else.
func (g *generator) garble(c *call) {
	c.fields = nil
	switch g.IntN(3) {
	case 0:
		c.header.Set("Content-Type", pick(g.Rand, "", "text/plain", "application/xml", "application/json; charset=utf-16", "application/json;", "multipart/form-data",
			"multipart/form-data; boundary=\"\"", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", ";", "*/*"))
	case 1:
		c.body = c.body[:g.IntN(len(c.body)+1)]
	default:
		c.body = []byte(pick(g.Rand, "", "[]", "null", `"x"`, "1", "{", "{}{}", "{\"a\":}", "\xef\xbb\xbf{}", "{\"name\":\"\xff\"}", `{"name":"a","name":"b"}`, `{"name":"\ud800"}`,
			strings.Repeat("[", 20_000), strings.Repeat(`{"a":`, 20_000), `{"name":`+strings.Repeat("1", 5000)+`}`, "a=b&c", "%zz=1", "name=a&name=b", "\x00"))
	}
}

// multipart writes a form; a field that is binary becomes a file.
func (g *generator) multipart(c *call, s *apiSchema, fields map[string]any) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, name := range sorted(fields) {
		of := g.doc.resolve(s.Properties[name])
		switch {
		case of != nil && of.Format == "binary" && g.chance(95):
			g.file(w, name, pick(g.Rand, files...))
		case of != nil && slices.Contains(of.Type, "array") && isOf(fields[name], "array"):
			for _, e := range fields[name].([]any) {
				write(w, textproto.MIMEHeader{"Content-Disposition": {disposition(name, "")}}, formText(e))
			}
		case fields[name] != nil:
			write(w, textproto.MIMEHeader{"Content-Disposition": {disposition(name, "")}}, formText(fields[name]))
		}
	}
	if g.odds(6) {
		g.oddPart(w, s)
	}
	w.Close()
	c.body = b.Bytes()
	c.header.Set("Content-Type", w.FormDataContentType())
}

func (g *generator) file(w *multipart.Writer, name, content string) {
	h := textproto.MIMEHeader{"Content-Disposition": {disposition(name, "a.bin")}}
	write(w, h, content)
}

func (g *generator) oddPart(w *multipart.Writer, s *apiSchema) {
	name := "file"
	if len(s.Properties) > 0 {
		name = pick(g.Rand, sorted(s.Properties)...)
	}
	write(w, pick(g.Rand,
		textproto.MIMEHeader{},
		textproto.MIMEHeader{"Content-Disposition": {"attachment"}},
		textproto.MIMEHeader{"Content-Disposition": {`form-data; filename="x"`}},
		textproto.MIMEHeader{"Content-Disposition": {disposition(name, "../../x")}},
		textproto.MIMEHeader{"Content-Disposition": {disposition("unknown", "x")}},
		textproto.MIMEHeader{"Content-Disposition": {disposition(name, "\x00")}, "Content-Transfer-Encoding": {"base64"}},
		textproto.MIMEHeader{"Content-Disposition": {disposition(name, "")}, "Content-Type": {"application/json"}},
		textproto.MIMEHeader{"Content-Disposition": {disposition(name, "é.bin")}, "X-Long": {strings.Repeat("x", 9000)}},
	), pick(g.Rand, "", "x", "\xff\xfe", "null", strings.Repeat("z", 100_000)))
}

func disposition(name, filename string) string {
	if filename == "" {
		return fmt.Sprintf("form-data; name=%q", name)
	}
	return fmt.Sprintf("form-data; name=%q; filename=%q", name, filename)
}

// write adds a part; writing to memory does not fail.
func write(w *multipart.Writer, h textproto.MIMEHeader, content string) {
	p, err := w.CreatePart(h)
	if err != nil {
		panic(err)
	}
	p.Write([]byte(content))
}

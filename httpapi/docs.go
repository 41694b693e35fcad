package httpapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/gopulp/pulp"
)

// A library keeps the OpenAPI document in its variants, each made when it is first asked
// for. Anybody may read it: clients do so before they log in.
type library struct {
	app   *pulp.App
	ops   []pulp.Operation
	mu    sync.Mutex
	books map[variant]*book
}

// A variant is one form of the document.
type variant struct {
	prefix     string // of all paths
	pkPath     bool   // ordinary paths with variables, in place of whole hrefs
	components string // only the operations of these, separated by commas; empty for all
	bindings   bool   // operation ids that are short, and unique within their tag only, for generators of clients
	yaml       bool
}

// A book is a variant as it is sent.
type book struct {
	plain, zipped []byte
	tag           string
}

// maxBooks is how many variants are kept; a client could ask for any set of components.
const maxBooks = 32

func newLibrary(app *pulp.App, ops []pulp.Operation) *library {
	return &library{app: app, ops: withBuiltin(ops), books: map[variant]*book{}}
}

// withBuiltin adds what this package serves itself.
func withBuiltin(ops []pulp.Operation) []pulp.Operation {
	livez := pulp.Operation{
		ID: "livez_read", Method: http.MethodGet, Path: "livez/", Tag: "Livez",
		Summary: "Inspect liveness of the server", Codes: []pulp.AnswerKind{pulp.OK}, Anonymous: true,
	}
	return append(slices.Clone(ops), livez)
}

// handler serves the document as JSON or YAML.
func (l *library) handler(yaml bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := l.asked(r)
		v.yaml = yaml
		b := l.find(v)
		h := w.Header()
		h.Set("Content-Type", jsonType)
		if yaml {
			h.Set("Content-Type", yamlType)
		}
		h.Set("Vary", "Accept-Encoding")
		body, tag := b.plain, b.tag
		if takesGzip(r.Header) {
			body, tag = b.zipped, b.tag+"-gzip"
			h.Set("Content-Encoding", "gzip")
		}
		h.Set("ETag", `"`+tag+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}

// takesGzip says whether a client takes gzip, and does not refuse it by a weight of zero.
func takesGzip(h http.Header) bool {
	for _, coding := range strings.Split(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, weight, weighed := strings.Cut(coding, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			_, q, _ := strings.Cut(weight, "=")
			n, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
			return !weighed || err == nil && n > 0
		}
	}
	return false
}

// asked reads which variant a request is for.
func (l *library) asked(r *http.Request) variant {
	query := r.URL.Query()
	v := variant{prefix: mountPoint(r)}
	if query.Has("pk_path") {
		v.pkPath = query.Get("pk_path") != "0"
	}
	if query.Has("bindings") {
		v.bindings = query.Get("bindings") != "0"
	}
	if query.Has("component") {
		names := strings.Split(strings.Join(query["component"], ","), ",")
		slices.Sort(names)
		v.components = strings.Join(slices.Compact(names), ",")
	}
	return v
}

// find returns a variant, and makes it first if need be.
func (l *library) find(v variant) *book {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.books[v]; b != nil {
		return b
	}
	doc, err := describe(l.app, l.ops, v)
	if err != nil {
		l.app.Logger().Error("the OpenAPI document is not right", "error", err)
	}
	text := encode(doc)
	if v.yaml {
		text = asYAML(text)
	}
	b := bound(text)
	if len(l.books) >= maxBooks {
		clear(l.books)
	}
	l.books[v] = b
	return b
}

// asYAML writes JSON, which is YAML, as people write YAML.
func asYAML(text []byte) []byte {
	var n yaml.Node
	if err := yaml.Unmarshal(text, &n); err != nil {
		return text
	}
	plain(&n)
	out, err := yaml.Marshal(&n)
	if err != nil {
		return text
	}
	return out
}

func plain(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plain(c)
	}
}

func bound(plain []byte) *book {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(plain) // to memory: no error
	z.Close()
	sum := sha256.Sum256(plain)
	return &book{plain: plain, zipped: zipped.Bytes(), tag: hex.EncodeToString(sum[:])}
}

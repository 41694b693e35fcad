package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/internal/schema"
)

// The document is OpenAPI 3.1.1 with what Pulp's clients ask beyond it: they refuse keys that
// they do not know and media types without a schema, and want explicit codes and exactly one
// variable in a path that begins with an href.

type document struct {
	OpenAPI    string                           `json:"openapi"`
	Info       info                             `json:"info"`
	Paths      map[string]map[string]*operation `json:"paths"`
	Components components                       `json:"components"`
}

type info struct {
	Title    string            `json:"title"`
	Version  string            `json:"version"`
	Versions map[string]string `json:"x-pulp-app-versions"`
	Domains  bool              `json:"x-pulp-domain-enabled"`
}

type components struct {
	Schemas  map[string]node `json:"schemas"`
	Security map[string]node `json:"securitySchemes"`
}

type operation struct {
	ID         string                `json:"operationId"`
	Summary    string                `json:"summary,omitempty"`
	Tags       []string              `json:"tags,omitempty"`
	Parameters []parameter           `json:"parameters"`
	Body       *body                 `json:"requestBody,omitempty"`
	Responses  map[string]response   `json:"responses"`
	Security   []map[string][]string `json:"security,omitempty"`
}

type parameter struct {
	Name     string `json:"name"`
	In       string `json:"in"`
	Doc      string `json:"description,omitempty"`
	Required bool   `json:"required"`
	Style    string `json:"style"`
	Explode  bool   `json:"explode"`
	Schema   node   `json:"schema"`
}

type body struct {
	Content  map[string]media `json:"content"`
	Required bool             `json:"required"`
}

type media struct {
	Schema node `json:"schema"`
}

type response struct {
	Doc     string           `json:"description"`
	Content map[string]media `json:"content,omitempty"`
}

// The ways to log in.
const (
	login  = "basicAuth"
	cookie = "cookieAuth"
)

// describe writes the document of operations. Its error names declarations that contradict
// each other; the document is good without them.
func describe(app *pulp.App, ops []pulp.Operation, v variant) (*document, error) {
	d := &document{
		OpenAPI: "3.1.1",
		Info:    info{Title: "Pulp 3 API", Version: "v3", Versions: map[string]string{}},
		Paths:   map[string]map[string]*operation{},
		Components: components{map[string]node{}, map[string]node{
			login: {"type": "http", "scheme": "basic"}, cookie: {"type": "apiKey", "in": "cookie", "name": sessionCookie}}},
	}
	for _, c := range app.Components() {
		d.Info.Versions[c.Name] = c.Version
	}
	schemas := &schemas{all: d.Components.Schemas, from: map[string]*schema.Object{}}
	ids := map[string]bool{}
	var errs []error
	for i := range ops {
		op := &ops[i]
		if !v.includes(component(op, d.Info.Versions)) {
			continue
		}
		path, method := v.path(app, op), strings.ToLower(op.Method)
		if d.Paths[path] == nil {
			d.Paths[path] = map[string]*operation{}
		}
		if ids[op.ID] || d.Paths[path][method] != nil {
			errs = append(errs, fmt.Errorf("operation %s %s %s: declared twice", op.ID, op.Method, op.Path))
			continue
		}
		ids[op.ID] = true
		d.Paths[path][method] = schemas.operation(op, path)
		if v.bindings {
			d.Paths[path][method].ID = shortID(op)
		}
	}
	return d, errors.Join(append(errs, schemas.errs...)...)
}

// shortID is an operation's id without the words of its collection: "sync" of
// "repositories_acme_acme_sync".
func shortID(op *pulp.Operation) string {
	id, prefix := op.ID, ""
	for word := range strings.SplitSeq(strings.ReplaceAll(op.Path, "-", "_"), "/") {
		if word == "" || strings.HasPrefix(word, "{") {
			continue
		}
		prefix += word + "_"
		if rest, ok := strings.CutPrefix(op.ID, prefix); ok && rest != "" {
			id = rest
		}
	}
	return id
}

// component is the plugin that an operation belongs to, by its path: what a plugin adds to a
// kind lies in "<kind>/<plugin>/", all of its own in "<plugin>/".
func component(op *pulp.Operation, known map[string]string) string {
	parts := strings.SplitN(op.Path, "/", 3)
	for _, p := range parts[:min(2, len(parts))] {
		if known[p] != "" {
			return p
		}
	}
	return "core"
}

func (v variant) includes(component string) bool {
	return v.components == "" || slices.Contains(strings.Split(v.components, ","), component)
}

// path is where an operation stands in the document.
func (v variant) path(app *pulp.App, op *pulp.Operation) string {
	if op.Href != "" && !v.pkPath {
		return op.Href
	}
	return v.prefix + app.APIPath() + variables.ReplaceAllString(op.Path, "{$1}")
}

// variables finds those of a path, with or without a pattern: "{pk}", "{number:[0-9]+}".
var variables = regexp.MustCompile(`\{([^{}:]+)(?::[^{}]*)?\}`)

// operation writes one operation that stands at path.
func (s *schemas) operation(op *pulp.Operation, path string) *operation {
	out := &operation{ID: op.ID, Summary: op.Summary, Parameters: []parameter{}, Responses: map[string]response{}}
	if op.Tag != "" {
		out.Tags = []string{op.Tag}
	}
	for _, name := range variables.FindAllStringSubmatch(path, -1) {
		out.Parameters = append(out.Parameters, parameter{
			Name: name[1], In: "path", Required: true, Style: "simple", Schema: node{"type": "string"},
		})
	}
	for _, p := range op.Header {
		out.Parameters = append(out.Parameters, parameter{
			Name: p.Name, In: "header", Doc: p.Doc, Required: true, Style: "simple", Schema: s.value(p.Value, request),
		})
	}
	for _, p := range op.Query {
		out.Parameters = append(out.Parameters, parameter{
			Name: p.Name, In: "query", Doc: p.Doc, Style: "form", Explode: p.Value.Type != schema.Array, Schema: s.value(p.Value, request),
		})
	}
	if op.Body != nil {
		out.Body = s.body(op)
	}
	for _, code := range op.Codes {
		out.Responses[strconv.Itoa(int(code))] = s.response(op, code)
	}
	if !op.Anonymous {
		out.Security = []map[string][]string{{login: {}}, {cookie: {}}}
	}
	return out
}

// body names the object that a request holds, in all the forms in which it may come.
func (s *schemas) body(op *pulp.Operation) *body {
	face := request
	if op.Method == http.MethodPatch {
		face = patch
	}
	m := media{s.object(op.Body, face)}
	content := map[string]media{formType: m, multipartType: m}
	if !op.Form {
		content[jsonType] = m
	}
	return &body{Content: content, Required: true}
}

// response describes one way to succeed.
func (s *schemas) response(op *pulp.Operation, code pulp.AnswerKind) response {
	out := response{Doc: http.StatusText(int(code))}
	var schema node
	switch {
	case code == pulp.NoContent:
	case op.Events:
		out.Content = map[string]media{eventsType: {node{"type": "string"}}}
	case code == pulp.Accepted && !namesTask(op.Answer):
		schema = s.object(dispatched(), answer)
	case op.Answer == nil:
	case op.Many:
		schema = s.list(op.Answer)
	default:
		schema = s.object(op.Answer, answer)
	}
	if schema != nil {
		out.Content = map[string]media{jsonType: {schema}}
	}
	return out
}

// namesTask says whether an object is itself the answer to a dispatch, as that of a group of
// tasks is.
func namesTask(o *schema.Object) bool {
	return o != nil && len(o.Fields) == 1 && strings.HasPrefix(o.Fields[0].Name, "task")
}

// dispatched is the answer that names a task.
func dispatched() *schema.Object {
	return &schema.Object{Name: "AsyncOperation", Fields: []schema.Field{{
		Name: "task", Value: schema.Value{Type: schema.String, Format: "uri"}, Doc: "The href of the task.", Required: true,
	}}}
}

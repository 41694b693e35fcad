package pulp

import (
	"context"
	"encoding/json"
	"io"
	"net/url"

	"github.com/gopulp/pulp/internal/schema"
)

// An Operation is one thing that a client of the API may do. The HTTP layer routes to
// operations and describes them; it knows nothing else of what an App offers.
type Operation struct {
	ID      string // the operation id of the OpenAPI document: "repositories_acme_acme_sync"
	Method  string // "GET", "POST", "PUT", "PATCH" or "DELETE"
	Path    string // below the API's root, with variables: "repositories/acme/acme/{pk}/sync/"
	Href    string // the path with a whole href as its variable: "{acme_acme_repository_href}sync/"
	Tag     string // "Repositories: File"
	Summary string

	Header []schema.Parameter // request headers that it needs
	Query  []schema.Parameter // what the query string may hold
	Body   *schema.Object     // nil for no body
	Form   bool               // the body comes as a form (multipart or urlencoded) only
	Answer *schema.Object     // the body of the successful answer; nil for none
	Many   bool               // the answer is a page of Answer
	Events bool               // the answer is a stream of events
	Codes  []AnswerKind       // the ways in which it succeeds, the usual one first

	Anonymous bool // needs no login
	Do        func(ctx context.Context, r *Request) (*Answer, error)

	guard    *guard    // whose policy says who may call it; nil: superusers only
	action   string    // what it is called there
	loggedIn bool      // whoever is known may call it
	parent   *endpoint // of the object below which its path leads; nil for none
	// find finds the object that its path names, if ctx's caller may see it. Nil for none.
	find func(ctx context.Context, vars map[string]string) (subject, error)
}

// A Request is a call of an operation.
type Request struct {
	Vars  map[string]string // the path's variables
	Query url.Values
	Body  Input
	// Header returns a header of the request by its canonical name. Nil means that there are none.
	Header func(name string) string
}

// Input is the body of a request: a JSON object, or a form in which every value is text.
type Input struct {
	Fields map[string]json.RawMessage
	Files  map[string]*Incoming // files of a multipart form, stored but not yet kept
}

// Text is what a field says; empty if it is not there.
func (in *Input) Text(name string) string { return unquoted(in.Fields[name]) }

// File is the file in a field, whose SHA-256 digest must be what another field says. [FieldErrors] name the field that is
// missing or wrong.
func (in *Input) File(name, sha256 string) (*Incoming, error) {
	file, want := in.Files[name], in.Text(sha256)
	switch {
	case file == nil:
		return nil, FieldErrors{name: {"No file was submitted."}}
	case want == "":
		return nil, FieldErrors{sha256: {"This field is required."}}
	}
	return file, file.is(sha256, want)
}

// AnswerKind says how an operation succeeded.
type AnswerKind int

// The ways in which an operation succeeds, and their HTTP codes.
const (
	OK        AnswerKind = 200 // the body is the object or the page
	Created   AnswerKind = 201 // the body is the new object
	Accepted  AnswerKind = 202 // a task was dispatched; the body names it
	NoContent AnswerKind = 204 // done; there is no body
	Refused   AnswerKind = 409 // it is too late; the body is the object as it is, or nothing
)

// An Answer is what an operation returns. Body is JSON.
type Answer struct {
	Kind AnswerKind
	Body json.RawMessage
	Page *Page // instead of Body, for lists
	// Session is what the HTTP layer does with the caller's session once this is known.
	Session SessionChange
	// Stream, instead of Body, writes a stream of events (text/event-stream) bit by bit until
	// ctx ends, with flush after each bit that is to be seen. An error ends the connection.
	Stream func(ctx context.Context, w io.Writer, flush func()) error
}

// A Page is a part of a list. The HTTP layer adds the links to its neighbours.
type Page struct {
	Count         int64
	Limit, Offset int64
	Results       []json.RawMessage
}

// Operations lists what the App offers, in the order of declaration. The slice is not to be
// changed.
func (a *App) Operations() []Operation { return a.operations }

// APIPath is the path below which operations lie: "/pulp/api/v3/".
func (a *App) APIPath() string { return a.cfg.APIRoot + "api/v3/" }

// ContentPath is the path below which content lies: "/pulp/content/".
func (a *App) ContentPath() string { return a.cfg.APIRoot + "content/" }

// WithPrefix returns a context in which all paths in answers begin with prefix: what a host
// stripped from the request's path before it called the App's handler ("/mirror", no slash
// at the end).
func WithPrefix(ctx context.Context, prefix string) context.Context {
	return context.WithValue(ctx, prefixKey, prefix)
}

func prefixOf(ctx context.Context) string {
	p, _ := ctx.Value(prefixKey).(string)
	return p
}

package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/internal/schema"
	"github.com/gopulp/pulp/sqlite"
	"github.com/stretchr/testify/require"
)

// A site is a Handler on a real App with operations about books.
type site struct {
	http.Handler
	app *pulp.App
	log *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newSite opens an App whose admin has the password "secret".
func newSite(t testing.TB, opts ...httpapi.Option) *site {
	t.Helper()
	db, err := sqlite.Open(t.TempDir(), sqlite.Synchronous(sqlite.Off))
	require.NoError(t, err)
	log := &lockedBuffer{}
	app, err := pulp.Open(t.Context(), db, pulp.Config{AdminPassword: "secret", Logger: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	return &site{httpapi.HandlerOf(app, bookOperations(), shelf, opts...), app, log}
}

// with is the same site with other options.
func (s *site) with(opts ...httpapi.Option) *site {
	return &site{httpapi.HandlerOf(s.app, bookOperations(), shelf, opts...), s.app, s.log}
}

// do sends a request as admin.
func (s *site) do(method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.SetBasicAuth("admin", "secret")
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] == "" {
			r.Header.Del(header[i])
		} else {
			r.Header.Set(header[i], header[i+1])
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// book is an object with one field of each sort that a document knows.
func book() *schema.Object {
	one := int64(1)
	return &schema.Object{Name: "shop.Book", Fields: []schema.Field{
		{Name: "pulp_href", Value: schema.Value{Type: schema.String, Format: "uri"}, ReadOnly: true},
		{Name: "title", Value: schema.Value{Type: schema.String, MinLen: &one}, Required: true, Doc: "What is on its cover."},
		{Name: "pages", Value: schema.Value{Type: schema.Integer, Format: "int64", Nullable: true, Min: &one}},
		{Name: "binding", Value: schema.Value{Type: schema.String, Enum: []string{"hard", "soft"}, Default: "soft"}},
		{Name: "mood", Value: schema.Value{Type: schema.String, Enum: []string{"gay", "sad"}, Nullable: true}},
		{Name: "labels", Value: schema.Value{Type: schema.Map, Items: &schema.Value{Type: schema.String, Nullable: true}}},
		{Name: "authors", Value: schema.Value{Type: schema.Array, Items: &schema.Value{Object: author()}}, ReadOnly: true},
		{Name: "editor", Value: schema.Value{Object: author(), Nullable: true}, Doc: "Who made it better."},
		{Name: "extra", Value: schema.Value{Type: schema.Any}},
		{Name: "scan", Value: schema.Value{Type: schema.String, Format: "binary"}, WriteOnly: true},
	}}
}

func author() *schema.Object {
	return &schema.Object{Name: "shop.Author", Fields: []schema.Field{
		{Name: "name", Value: schema.Value{Type: schema.String}, Required: true},
	}}
}

func bookOperations() []pulp.Operation {
	text := schema.Value{Type: schema.String}
	list := []schema.Parameter{
		{Name: "limit", Value: schema.Value{Type: schema.Integer}},
		{Name: "offset", Value: schema.Value{Type: schema.Integer}},
		{Name: "title", Value: text, Doc: "Exactly this."},
		{Name: "title__in", Value: schema.Value{Type: schema.Array, Items: &text}},
	}
	const all, one, href = "books/shop/", "books/shop/{pk}/", "{shop_book_href}"
	ops := []pulp.Operation{
		{ID: "books_shop_list", Method: "GET", Path: all, Query: list, Answer: book(), Many: true, Codes: []pulp.AnswerKind{200}, Do: listBooks},
		{ID: "books_shop_create", Method: "POST", Path: all, Body: book(), Answer: book(), Codes: []pulp.AnswerKind{201}, Do: echo(pulp.Created)},
		{ID: "books_shop_read", Method: "GET", Path: one, Href: href, Answer: book(), Codes: []pulp.AnswerKind{200}, Do: echo(pulp.OK)},
		{ID: "books_shop_partial_update", Method: "PATCH", Path: one, Href: href, Body: book(), Answer: book(), Codes: []pulp.AnswerKind{202, 200}, Do: echo(pulp.Accepted)},
		{ID: "books_shop_delete", Method: "DELETE", Path: one, Href: href, Codes: []pulp.AnswerKind{204}, Do: echo(pulp.NoContent)},
		{ID: "books_shop_scan", Method: "PUT", Path: one + "scan/", Href: href + "scan/", Form: true, Body: book(), Codes: []pulp.AnswerKind{200},
			Header: []schema.Parameter{{Name: "Content-Range", Value: text}}, Do: echo(pulp.OK)},
		{ID: "books_shop_burn", Method: "POST", Path: "books/shop/burn/", Codes: []pulp.AnswerKind{202}, Do: echo(pulp.Accepted)},
		{ID: "books_shop_burn_read", Method: "GET", Path: one + "pages/{number:[0-9]+}/", Href: "{shop_page_href}", Codes: []pulp.AnswerKind{409}, Do: echo(pulp.Refused)},
		{ID: "open_read", Method: "GET", Path: "open/", Anonymous: true, Codes: []pulp.AnswerKind{200}, Do: echo(pulp.OK)},
		{ID: "fail", Method: "GET", Path: "fail/{how}/", Href: "{fail_href}", Anonymous: true, Codes: []pulp.AnswerKind{200}, Do: fail},
	}
	for i := range ops {
		ops[i].Tag = "Books: Shop"
	}
	return ops
}

// echo answers with what the operation got.
func echo(kind pulp.AnswerKind) func(context.Context, *pulp.Request) (*pulp.Answer, error) {
	return func(ctx context.Context, r *pulp.Request) (*pulp.Answer, error) {
		files := map[string]string{}
		for name, f := range r.Body.Files {
			files[name] = fmt.Sprintf("%s of %d bytes", f.Name, f.Size)
		}
		body, err := json.Marshal(map[string]any{
			"vars": r.Vars, "query": r.Query, "fields": r.Body.Fields, "files": files,
			"caller": pulp.CallerOf(ctx).Username, "range": r.Header("Content-Range"), "app": pulp.FromContext(ctx) != nil,
		})
		return &pulp.Answer{Kind: kind, Body: body}, err
	}
}

// listBooks has 25 books.
func listBooks(_ context.Context, r *pulp.Request) (*pulp.Answer, error) {
	limit, _ := strconv.ParseInt(r.Query.Get("limit"), 10, 64)
	offset, _ := strconv.ParseInt(r.Query.Get("offset"), 10, 64)
	if limit == 0 {
		limit = 10
	}
	page := &pulp.Page{Count: 25, Limit: limit, Offset: offset}
	for i := offset; i < min(offset+2, 25); i++ {
		page.Results = append(page.Results, json.RawMessage(fmt.Sprintf(`{"title":"%d <&>"}`, i)))
	}
	return &pulp.Answer{Kind: pulp.OK, Page: page}, nil
}

type reason struct {
	error
	text string
}

func (r reason) Detail() string { return r.text }
func (r reason) Unwrap() error  { return r.error }

// failures are the errors that an operation may return.
func failures() map[string]error {
	return map[string]error{
		"fields":     pulp.FieldErrors{"name": {"This field is required."}, "non_field_errors": {"<a> & b"}},
		"wrapped":    fmt.Errorf("create: %w", pulp.FieldErrors{"name": {"Bad."}}),
		"input":      pulp.Refuse("Bad href %q.", "/x/"),
		"filter":     &pulp.InputError{Field: "errors", Messages: []string{"Invalid Filter: 'x'"}},
		"missing":    fmt.Errorf("read book 7: %w", pulp.ErrNotFound),
		"nomatch":    reason{pulp.ErrNotFound, "No Book matches the given query."},
		"login":      pulp.ErrUnauthenticated,
		"denied":     pulp.ErrDenied,
		"conflict":   pulp.ErrConflict,
		"closed":     pulp.ErrClosed,
		"disk":       fmt.Errorf("write blob: %w", syscall.ENOSPC),
		"sqlite":     errors.New("insert: database or disk is full (13)"),
		"secret":     errors.New("password of db is hunter2"),
		"tattletale": reason{errors.New("password of db is hunter2"), "hunter2"},
	}
}

func fail(_ context.Context, r *pulp.Request) (*pulp.Answer, error) {
	switch how := r.Vars["how"]; how {
	case "panic":
		panic("hunter2")
	case "nothing":
		return nil, nil
	default:
		return nil, failures()[how]
	}
}

// shelf is a distribution "shelf" with hostile names.
func shelf(ctx context.Context, path string) (*pulp.Served, error) {
	files := map[string]string{
		"shelf/plain.txt": "0123456789", "shelf/page.html": "<script>alert(1)</script>", "shelf/what.is-this": "?",
		"shelf/a b:c/é%2f.JSON": "{}", `shelf/back\slash`: "data", "shelf/who": pulp.CallerOf(ctx).Username,
	}
	modified := pulp.TimeOf(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))
	switch {
	case path == "shelf" || path == "a b/shelf":
		return &pulp.Served{Redirect: path + "/"}, nil
	case path == "denied":
		return nil, reason{pulp.ErrDenied, "Only for members."}
	case path == "" || path == "shelf/" || path == "broken/":
		return &pulp.Served{Listing: &pulp.Listing{Path: path, Entries: entries(path == "broken/", modified)}}, nil
	}
	data, ok := files[path]
	if !ok {
		return nil, reason{pulp.ErrNotFound, "Nothing at <" + path + ">."}
	}
	return &pulp.Served{File: &pulp.ServedFile{
		ReadSeekCloser: struct {
			io.ReadSeeker
			io.Closer
		}{strings.NewReader(data), io.NopCloser(nil)},
		Name: path[strings.LastIndexByte(path, '/')+1:], Size: int64(len(data)), SHA256: strings.Repeat("ab", 32), Modified: modified,
	}}, nil
}

func entries(broken bool, modified pulp.Time) iter.Seq2[pulp.Entry, error] {
	all := map[string]int64{"a b:c/": -1, `"><script>alert(1)</script>`: 1_234_567, "é%2f.JSON": 2, "javascript:alert(1)": 999, "?q#f&amp;": -1, "x/y": 1000}
	return func(yield func(pulp.Entry, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			e := pulp.Entry{Name: name, Size: all[name], Modified: modified}
			if strings.HasSuffix(name, "/") {
				e.Modified = 0
			}
			if !yield(e, nil) {
				return
			}
		}
		if broken {
			yield(pulp.Entry{}, errors.New("the disk is gone"))
		}
	}
}

package pulp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/internal/schema"
	"github.com/gopulp/pulp/sqlite"
)

// A Book is a model of a host program: an ordinary bun struct, whose tags say what the API
// makes of it.
type Book struct {
	bun.BaseModel `bun:"table:book,alias:b"`
	ID            int64   `bun:"id,pk,autoincrement" json:"-"`
	Title         string  `bun:"title" json:"title" validate:"required,max=40" pulp:"filter,unique"`
	Pages         int64   `bun:"pages" json:"pages" default:"1" validate:"min=1" pulp:"filter"`
	ISBN          *string `bun:"isbn" json:"isbn" pulp:"immutable"`
}

const bookTable = `CREATE TABLE book (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL UNIQUE, pages INTEGER NOT NULL, isbn TEXT)`

// library opens an App with books and returns a function that asks its API.
func library(books *pulp.ViewSet[Book]) (app *pulp.App, ask func(method, path, body string), end func()) {
	dir, err := os.MkdirTemp("", "library")
	check(err)
	db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Off))
	check(err)
	_, err = db.Writer().Exec(bookTable)
	check(err)
	app, err = pulp.Open(context.Background(), db, pulp.Config{Parts: []pulp.Part{books}, AdminPassword: "secret", Logger: slog.New(slog.DiscardHandler)})
	check(err)
	handler := httpapi.Handler(app)
	ask = func(method, path, body string) {
		r := httptest.NewRequest(method, "/pulp/api/v3/"+path, strings.NewReader(body))
		r.SetBasicAuth("admin", "secret")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	return app, ask, func() { check(app.Close()); check(os.RemoveAll(dir)) }
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// A view set is all that a model needs to be in the API.
func ExampleViewSet() {
	_, ask, end := library(&pulp.ViewSet[Book]{Path: "library/books"})
	defer end()
	ask(http.MethodPost, "library/books/", `{"title":"Walden","pages":352}`)
	ask(http.MethodPatch, "library/books/1/", `{"pages":0}`)
	ask(http.MethodGet, "library/books/?pages__gt=300&fields=title", "")
	ask(http.MethodDelete, "library/books/1/", "")
	// Output:
	// 201 {"pulp_href":"/pulp/api/v3/library/books/1/","title":"Walden","pages":352,"isbn":null}
	// 400 {"pages":["Ensure this value is greater than or equal to 1."]}
	// 200 {"count":1,"next":null,"previous":null,"results":[{"title":"Walden"}]}
	// 204
}

// A serializer adds what tags cannot say: rules over several fields, and fields without a column.
func ExampleSerializer() {
	_, ask, end := library(&pulp.ViewSet[Book]{Path: "library/books", Serializer: pulp.Serializer[Book]{
		Validate: func(_ context.Context, _ bun.IDB, old, b *Book) error {
			if b.ISBN != nil && b.Pages < 10 {
				return pulp.FieldErrors{"isbn": {"A leaflet has no ISBN."}}
			}
			return nil
		},
		Computed: []pulp.Computed[Book]{{Name: "hours", Value: schema.Value{Type: schema.Integer},
			Values: func(_ context.Context, _ bun.IDB, books []*Book) ([]any, error) {
				out := make([]any, len(books))
				for i, b := range books {
					out[i] = b.Pages / 30
				}
				return out, nil
			}}},
	}})
	defer end()
	ask(http.MethodPost, "library/books/", `{"title":"Note","isbn":"978-0"}`)
	ask(http.MethodPost, "library/books/", `{"title":"Walden","pages":352}`)
	// Output:
	// 400 {"isbn":["A leaflet has no ISBN."]}
	// 201 {"pulp_href":"/pulp/api/v3/library/books/1/","title":"Walden","pages":352,"isbn":null,"hours":11}
}

// An action is a typed function: its input is validated by its tags, its output is the answer.
func ExampleDo() {
	type Lines struct {
		Number int64 `json:"number" default:"1" validate:"max=3"`
	}
	type Quote struct {
		Text string `json:"text"`
	}
	_, ask, end := library(&pulp.ViewSet[Book]{Path: "library/books", Actions: []pulp.Action[Book]{
		pulp.Do("quote", func(_ context.Context, b *Book, in Lines) (Quote, error) {
			return Quote{fmt.Sprintf("%d lines of %s", in.Number, b.Title)}, nil
		}),
	}})
	defer end()
	ask(http.MethodPost, "library/books/", `{"title":"Walden"}`)
	ask(http.MethodPost, "library/books/1/quote/", `{"number":2}`)
	ask(http.MethodPost, "library/books/1/quote/", `{"number":9,"loud":true}`)
	// Output:
	// 201 {"pulp_href":"/pulp/api/v3/library/books/1/","title":"Walden","pages":1,"isbn":null}
	// 200 {"text":"2 lines of Walden"}
	// 400 {"number":["Ensure this value is less than or equal to 3."]}
}

// A filter is a parameter of lists beyond those that tags ask for.
func ExampleFilter() {
	_, ask, end := library(&pulp.ViewSet[Book]{Path: "library/books", Filters: []pulp.Filter{{
		Name: "mood", Doc: "short or long", Value: pulp.Text(),
		Where: func(_ context.Context, value string) (pulp.Where, error) {
			compare := map[string]string{"short": "<", "long": ">="}[value]
			if compare == "" {
				return nil, pulp.Refuse("A book is short or long.")
			}
			return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("b.pages " + compare + " 100") }, nil
		},
	}}})
	defer end()
	ask(http.MethodPost, "library/books/", `{"title":"Walden","pages":352}`)
	ask(http.MethodGet, "library/books/?mood=long&fields=title", "")
	ask(http.MethodGet, "library/books/?mood=sad", "")
	// Output:
	// 201 {"pulp_href":"/pulp/api/v3/library/books/1/","title":"Walden","pages":352,"isbn":null}
	// 200 {"count":1,"next":null,"previous":null,"results":[{"title":"Walden"}]}
	// 400 {"mood":["A book is short or long."]}
}

// A model reads and writes the rows themselves, in the host's own transactions.
func ExampleModel() {
	app, _, end := library(&pulp.ViewSet[Book]{Path: "library/books"})
	defer end()
	ctx, books := context.Background(), pulp.NewModel[Book]()
	check(app.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		return books.Insert(ctx, tx, &Book{Title: "Walden", Pages: 352}, &Book{Title: "Emma", Pages: 474})
	}))
	for b, err := range books.All(ctx, app.DB().Reader(), func(q *bun.SelectQuery) *bun.SelectQuery { return q.Order("title") }) {
		check(err)
		fmt.Println(b.ID, b.Title)
	}
	_, err := books.One(ctx, app.DB().Reader(), 3)
	fmt.Println(err)
	// Output:
	// 2 Emma
	// 1 Walden
	// Book: not found
}

// Labels map keys to values that may be null.
func ExampleLabels() {
	prod := "prod"
	b, err := json.Marshal(pulp.Labels{"env": &prod, "draft": nil})
	check(err)
	fmt.Println(string(b))
	// Output: {"draft":null,"env":"prod"}
}

// IDs made later sort later, as bytes and as text.
func ExampleID() {
	first, second := pulp.NewID(), pulp.NewID()
	fmt.Println(bytes.Compare(first[:], second[:]) < 0, first.String() < second.String())
	id, err := pulp.ParseID("0194B8E9-5425-799B-AD0A-86C71E160158")
	fmt.Println(id, err)
	_, err = pulp.ParseID("latest")
	fmt.Println(err)
	// Output:
	// true true
	// 0194b8e9-5425-799b-ad0a-86c71e160158 <nil>
	// "latest" is no UUID
}

// Times leave the API with microseconds, unless there are none; zero is never.
func ExampleTime() {
	for _, t := range []pulp.Time{pulp.TimeOf(time.Date(2021, 1, 29, 17, 54, 17, 84105000, time.UTC)), 1_600_000_000_000_000, 0} {
		b, err := json.Marshal(t)
		check(err)
		fmt.Println(string(b))
	}
	// Output:
	// "2021-01-29T17:54:17.084105Z"
	// "2020-09-13T12:26:40Z"
	// null
}

// Field errors are the body of a 400: what is wrong, by field.
func ExampleFieldErrors() {
	errs := pulp.FieldErrors{}
	errs.Add("pages", "Ensure this value is greater than or equal to %d.", 1)
	errs.Add(pulp.NonField, "Either %q or %q is needed.", "isbn", "title")
	fmt.Println(errs.OrNil())
	fmt.Println(pulp.FieldErrors{}.OrNil())
	// Output:
	// non_field_errors: Either "isbn" or "title" is needed.; pages: Ensure this value is greater than or equal to 1.
	// <nil>
}

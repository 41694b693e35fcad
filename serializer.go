package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// A Serializer is the outer face of M: which fields an object has in the API, and which
// values are allowed. The zero Serializer derives everything from the tags of M:
//
//	json:"name"        the name in the API; "-" leaves the field out
//	validate:"..."     rules of go-playground/validator; required, min, max, oneof and url,
//	                   and those of a list's items (behind dive) also tell the API's description
//	default:"..."      what a field gets that the client does not name
//	doc:"..."          a sentence for the API's description
//	pulp:"..."         words separated by commas:
//	                   readonly; writeonly (it is stored and never leaves; hidden_fields says
//	                   whether it is set); immutable (after create); hidden (nobody sees or
//	                   sets it); unique; filter or filter=NAME (lists can be filtered by it);
//	                   ref=KIND (an int64 that clients see as href, or an []int64 of which they
//	                   see a list: of a kind of this package, or of the model of the view set
//	                   at that path); raw (blanks at the ends
//	                   are kept); blank (may be empty); notnull (a pointer that a client may
//	                   leave out but not set to null); null, format=F and type=T for the API's
//	                   description; for content: key (part of the natural key), slot (a
//	                   version holds one unit for each value)
//
// A pointer is a field that may be null; so is a [Time] whose bun tag does not say notnull. A
// [Secret] is write-only and stored sealed. Other types are JSON as encoding/json has it.
type Serializer[M any] struct {
	// Validate looks at an object before it is written; old is nil on create. It returns
	// [FieldErrors] for what the client did wrong.
	Validate func(ctx context.Context, db bun.IDB, old, new *M) error
	// Computed are fields that no column holds.
	Computed []Computed[M]

	described []schema.Field // that the API's description has and no answer
}

// A Computed field is made for a whole page at once, so that a list costs a fixed number of
// queries.
type Computed[M any] struct {
	Name  string
	Doc   string
	Value schema.Value
	// Values returns one value for each of ms, in their order. It reads db only, in which the
	// database stands still while an answer is written.
	Values func(ctx context.Context, db bun.IDB, ms []*M) ([]any, error)

	detail bool // only who reads one object gets it
	input  bool // clients may send it when they create an object
}

// A codec is a Serializer made ready for one App.
type codec[M any] struct {
	Serializer[M]
	app  *App
	plan *plan
	end  *endpoint
}

// keyOf is the key of an object's href and PRN.
func (c *codec[M]) keyOf(m *M) string {
	if r, ok := any(m).(record); ok {
		return r.base().PulpID.String()
	}
	return keyString(c.app.primaryKey(m))
}

// own finds the hrefs of objects that lie below others; nil for those that do not.
func (c *codec[M]) own(ctx context.Context, db bun.IDB, ms []*M) (map[int64]string, error) {
	if c.end == nil || c.end.kind.name != versionKind {
		return nil, nil
	}
	return c.app.links(ctx, db, versionKind, idsOf(ms, func(m *M) int64 { return any(m).(record).base().ID }))
}

// encode writes objects as JSON, by a view of the database at one moment. only and without are the
// names that the client asked for and did not want; nil means all and none. An object below
// another one that was deleted since it was read is gone, too, and left out.
func (c *codec[M]) encode(ctx context.Context, db bun.IDB, ms []*M, only, without []string) (out []json.RawMessage, err error) {
	if _, loose := db.(*bun.DB); loose {
		err = c.snapshot(ctx, func(ctx context.Context, db bun.IDB) error {
			out, err = c.encodeIn(ctx, db, ms, only, without)
			return err
		})
		return out, err
	}
	return c.encodeIn(ctx, db, ms, only, without)
}

func (c *codec[M]) encodeIn(ctx context.Context, db bun.IDB, ms []*M, only, without []string) ([]json.RawMessage, error) {
	wanted := chosen(only, without)
	values := make([]reflect.Value, len(ms))
	for i, m := range ms {
		values[i] = reflect.ValueOf(m).Elem()
	}
	links, err := c.app.linksOf(ctx, db, c.plan, values, wanted)
	if err != nil {
		return nil, err
	}
	own, err := c.own(ctx, db, ms)
	if err != nil {
		return nil, err
	}
	computed, err := c.compute(ctx, db, ms, wanted)
	if err != nil {
		return nil, err
	}
	out := make([]json.RawMessage, 0, len(ms))
	size := 512
	for i, m := range ms {
		if own != nil && own[any(m).(record).base().ID] == "" {
			continue
		}
		w := objectWriter{b: make([]byte, 0, size), wanted: wanted}
		c.identity(ctx, &w, m, own)
		if err := c.plan.encode(&w, values[i], links); err != nil {
			return nil, err
		}
		if len(c.plan.hidden()) > 0 && w.name("hidden_fields") {
			w.b = c.plan.hiddenFields(w.b, values[i])
		}
		for n, values := range computed {
			if w.name(c.Computed[n].Name) {
				if w.b, err = appendAny(w.b, values[i]); err != nil {
					return nil, err
				}
			}
		}
		out = append(out, w.end())
		size = len(w.b) + 64 // the next one will be alike
	}
	return out, nil
}

// encodeOne writes an object as JSON, or returns ErrNotFound if it is gone.
func (c *codec[M]) encodeOne(ctx context.Context, db bun.IDB, m *M, only, without []string) (json.RawMessage, error) {
	out, err := c.encode(ctx, db, []*M{m}, only, without)
	if err == nil && len(out) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// chosen says of a name whether a client wants it who asked for some names, or for all, without others.
func chosen(only, without []string) func(name string) bool {
	return func(name string) bool {
		return (len(only) == 0 || slices.Contains(only, name)) && !slices.Contains(without, name)
	}
}

// identity writes what names the object.
func (c *codec[M]) identity(ctx context.Context, w *objectWriter, m *M, own map[int64]string) {
	if c.end == nil {
		return
	}
	end := c.end
	if t, ok := any(m).(typed); ok {
		if e := end.kind.ends[t.typeID()]; e != nil {
			end = e
		}
	}
	key := c.keyOf(m)
	if w.name("pulp_href") {
		href := c.app.href(ctx, end, key, nil)
		switch below, ok := any(m).(interface{ above() string }); {
		case own != nil:
			href = own[any(m).(record).base().ID]
		case ok:
			href = strings.Replace(c.app.href(ctx, end, key, nil), "{}", below.above(), 1)
		}
		w.b = appendString(w.b, href)
	}
	if end.prn != "" && w.name("prn") {
		w.b = appendString(w.b, "prn:"+end.prn+":"+key)
	}
}

func (c *codec[M]) compute(ctx context.Context, db bun.IDB, ms []*M, wanted func(string) bool) ([][]any, error) {
	ctx = context.WithValue(ctx, pageKey, &pageMemo{})
	out := make([][]any, len(c.Computed))
	for i, x := range c.Computed {
		if len(ms) == 0 || !wanted(x.Name) {
			continue
		}
		values, err := x.Values(ctx, db, ms)
		if err != nil {
			return nil, fmt.Errorf("compute %s: %w", x.Name, err)
		}
		out[i] = values
	}
	return out, nil
}

// details are the names of the fields that only who reads one object gets.
func (c *codec[M]) details() (names []string) {
	for _, x := range c.Computed {
		if x.detail {
			names = append(names, x.Name)
		}
	}
	return names
}

// detailed is object with the fields that only who reads one object gets.
func (c *codec[M]) detailed(name string) *schema.Object {
	if c.details() == nil {
		return c.object(name)
	}
	o := c.object(name + "Detail")
	for _, x := range c.Computed {
		if x.detail {
			o.Fields = append(o.Fields, schema.Field{Name: x.Name, Doc: x.Doc, Value: x.Value, ReadOnly: true})
		}
	}
	return o
}

// object is the face of M as the HTTP layer documents it.
func (c *codec[M]) object(name string) *schema.Object {
	o := &schema.Object{Name: name}
	if c.end != nil {
		o.Fields = append(o.Fields,
			schema.Field{Name: "pulp_href", ReadOnly: true, Value: schema.Value{Type: schema.String, Format: "uri"}})
	}
	if c.end != nil && c.end.prn != "" {
		o.Fields = append(o.Fields,
			schema.Field{Name: "prn", ReadOnly: true, Value: schema.Value{Type: schema.String}, Doc: "The Pulp Resource Name (PRN)."})
	}
	o.Fields = append(o.Fields, c.plan.object("").Fields...)
	if len(c.plan.hidden()) > 0 {
		o.Fields = append(o.Fields, schema.Field{Name: "hidden_fields", ReadOnly: true, Value: hiddenValue(), Doc: "The write-only fields, and whether they are set."})
	}
	for _, x := range c.Computed {
		if !x.detail {
			o.Fields = append(o.Fields, schema.Field{Name: x.Name, Doc: x.Doc, Value: x.Value, ReadOnly: !x.input})
		}
	}
	o.Fields = append(o.Fields, c.described...)
	return o
}

// An objectWriter writes the members of a JSON object.
type objectWriter struct {
	b      []byte
	wanted func(string) bool
}

// name writes a member's name, if it is wanted.
func (w *objectWriter) name(name string) bool {
	if !w.wanted(name) {
		return false
	}
	if len(w.b) == 0 {
		w.b = append(w.b, '{')
	} else {
		w.b = append(w.b, ',')
	}
	w.b = append(append(append(w.b, '"'), name...), '"', ':')
	return true
}

func (w *objectWriter) end() []byte {
	if len(w.b) == 0 {
		w.b = append(w.b, '{')
	}
	return append(w.b, '}')
}

// appendAny writes a value that a function computed.
func appendAny(b []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return appendString(b, v), nil
	}
	return appendValue(b, reflect.ValueOf(value))
}

package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// hrefs are the links to the objects that a page refers to: kind → id → href.
type hrefs map[string]map[int64]string

// snapshot is App.snapshot, unless the objects alone are all that there is to read.
func (c *codec[M]) snapshot(ctx context.Context, f func(ctx context.Context, db bun.IDB) error) error {
	refers := func(f *field) bool { return f.ref != "" && !f.WriteOnly }
	if len(c.Computed) == 0 && !slices.ContainsFunc(c.plan.fields, refers) && (c.end == nil || c.end.kind.name != versionKind) {
		return f(ctx, c.app.db.Reader())
	}
	return c.app.snapshot(ctx, f)
}

// linksOf finds the hrefs of all that structs of a plan refer to, with one query for each kind.
func (a *App) linksOf(ctx context.Context, db bun.IDB, p *plan, vs []reflect.Value, wanted func(string) bool) (hrefs, error) {
	ids := map[string][]int64{}
	for _, f := range p.fields {
		if f.ref == "" || f.WriteOnly || !wanted(f.Name) {
			continue
		}
		for _, v := range vs {
			ids[f.ref] = append(ids[f.ref], f.refersTo(v.FieldByIndex(f.index))...)
		}
	}
	out := hrefs{}
	for kind, of := range ids {
		var err error
		if out[kind], err = a.links(ctx, db, kind, of); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// refersTo are the ids of the objects that the value of a reference names.
func (f *field) refersTo(v reflect.Value) []int64 {
	switch {
	case f.many:
		return v.Interface().([]int64)
	case !f.pointer:
		return []int64{v.Int()}
	case v.IsNil():
		return nil
	}
	return []int64{v.Elem().Int()}
}

// object writes a struct of a plan that is no model.
func (a *App) object(ctx context.Context, db bun.IDB, p *plan, v reflect.Value) ([]byte, error) {
	w := objectWriter{wanted: func(string) bool { return true }}
	links, err := a.linksOf(ctx, db, p, []reflect.Value{v}, w.wanted)
	if err != nil {
		return nil, err
	}
	err = p.encode(&w, v, links)
	return w.end(), err
}

// encode writes the fields of v, a struct of the plan's type, that clients may see.
func (p *plan) encode(w *objectWriter, v reflect.Value, links hrefs) (err error) {
	for _, f := range p.fields {
		if f.WriteOnly || f.hidden || !w.name(f.Name) {
			continue
		}
		if w.b, err = f.append(w.b, v, links); err != nil {
			return err
		}
	}
	return nil
}

// append writes the value of f in v, a struct of the plan's type, as JSON.
func (f *field) append(b []byte, v reflect.Value, links hrefs) ([]byte, error) {
	v = v.FieldByIndex(f.index)
	if f.pointer {
		if v.IsNil() {
			return append(b, "null"...), nil
		}
		v = v.Elem()
	}
	if f.many {
		return appendLinks(b, v.Interface().([]int64), links[f.ref]), nil
	}
	if f.ref != "" {
		href, ok := links[f.ref][v.Int()]
		if !ok {
			return append(b, "null"...), nil
		}
		return appendString(b, href), nil
	}
	switch {
	case f.typ == timeType:
		if v.Int() == 0 {
			return append(b, "null"...), nil
		}
		return append(Time(v.Int()).append(append(b, '"')), '"'), nil
	case f.typ == stdTime:
		return append(TimeOf(v.Interface().(time.Time)).append(append(b, '"')), '"'), nil
	case f.typ.Kind() == reflect.Map && v.IsNil():
		return append(b, "{}"...), nil
	}
	return appendValue(b, v)
}

// appendLinks writes the hrefs of objects. Those that are gone are left out.
func appendLinks(b []byte, ids []int64, links map[int64]string) []byte {
	texts := []string{}
	for _, id := range ids {
		if href, ok := links[id]; ok {
			texts = append(texts, href)
		}
	}
	return append(b, jsonTexts(texts)...)
}

// appendValue writes the common kinds without encoding/json.
func appendValue(b []byte, v reflect.Value) ([]byte, error) {
	switch v.Kind() {
	case reflect.String:
		return appendString(b, v.String()), nil
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case reflect.Slice:
		if v.IsNil() && v.Type() != rawType && v.Type() != bytesType {
			return append(b, "[]"...), nil
		}
	}
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", v.Type(), err)
	}
	return append(b, text...), nil
}

// appendString writes a JSON string.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			text, _ := json.Marshal(s) // a string always marshals
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// hiddenFields describes the write-only fields of an object: their names and whether they are set.
func (p *plan) hiddenFields(b []byte, v reflect.Value) []byte {
	b = append(b, '[')
	for i, f := range p.hidden() {
		if i > 0 {
			b = append(b, ',')
		}
		x := v.FieldByIndex(f.index)
		b = appendString(append(b, `{"name":`...), f.Name)
		b = strconv.AppendBool(append(b, `,"is_set":`...), !x.IsZero())
		b = append(b, '}')
	}
	return append(b, ']')
}

// hidden are the stored fields that never leave.
func (p *plan) hidden() (out []*field) {
	for _, f := range p.fields {
		if f.WriteOnly && !f.ReadOnly {
			out = append(out, f)
		}
	}
	return out
}

// hiddenValue describes what hiddenFields writes.
func hiddenValue() schema.Value {
	return schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.Map, Object: &schema.Object{
		Name: "HiddenField",
		Fields: []schema.Field{
			{Name: "name", Value: schema.Value{Type: schema.String}, Required: true},
			{Name: "is_set", Value: schema.Value{Type: schema.Boolean}, Required: true},
		}}}}
}

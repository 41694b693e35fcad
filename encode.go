package pulp

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/gopulp/pulp/internal/schema"
)

// hrefs are the links to the objects that a page refers to: kind → id → href.
type hrefs map[string]map[int64]string

// append writes the value of f in v, a struct of the plan's type, as JSON.
func (f *field) append(b []byte, v reflect.Value, links hrefs) ([]byte, error) {
	v = v.FieldByIndex(f.index)
	if f.pointer {
		if v.IsNil() {
			return append(b, "null"...), nil
		}
		v = v.Elem()
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

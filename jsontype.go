package pulp

import (
	"encoding"
	"reflect"

	"github.com/gopulp/pulp/internal/schema"
)

// valueOf describes a Go type as JSON.
func valueOf(t reflect.Type) schema.Value {
	switch t {
	case timeType, stdTime:
		return schema.Value{Type: schema.String, Format: "date-time"}
	case idType:
		return schema.Value{Type: schema.String, Format: "uuid"}
	case labelsType:
		return schema.Value{Type: schema.Map, Items: &schema.Value{Type: schema.String, Nullable: true}}
	case rawType:
		return schema.Value{Type: schema.Any}
	case bytesType:
		return schema.Value{Type: schema.String, Format: "byte"}
	}
	if textual(t) {
		return schema.Value{Type: schema.String}
	}
	switch t.Kind() {
	case reflect.String:
		return schema.Value{Type: schema.String}
	case reflect.Bool:
		return schema.Value{Type: schema.Boolean}
	case reflect.Int64, reflect.Uint64:
		return schema.Value{Type: schema.Integer, Format: "int64"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return schema.Value{Type: schema.Integer}
	case reflect.Float32, reflect.Float64:
		return schema.Value{Type: schema.Number, Format: "double"}
	case reflect.Slice, reflect.Array:
		items := valueOf(t.Elem())
		return schema.Value{Type: schema.Array, Items: &items}
	case reflect.Map:
		items := valueOf(t.Elem())
		return schema.Value{Type: schema.Map, Items: &items}
	case reflect.Pointer:
		v := valueOf(t.Elem())
		v.Nullable = true
		return v
	case reflect.Struct:
		return structValue(t)
	}
	return schema.Value{Type: schema.Any}
}

func structValue(t reflect.Type) schema.Value {
	p, err := planOf(t)
	if err != nil {
		return schema.Value{Type: schema.Map}
	}
	return schema.Value{Type: schema.Map, Object: p.object("")}
}

// textual says whether a type that is no string is one in JSON.
func textual(t reflect.Type) bool {
	return t.Kind() != reflect.String && reflect.PointerTo(t).Implements(textUnmarshaler) && t.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

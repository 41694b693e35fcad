package httpapi

import (
	"fmt"
	"reflect"

	"github.com/gopulp/pulp/internal/schema"
)

// A node is a JSON schema.
type node map[string]any

// A face is one of the forms in which an object is seen; each has a schema of its own, since
// clients heed neither readOnly nor that a PATCH needs nothing.
type face int

const (
	request face = iota // what a client sends
	patch               // what a client sends to change some fields
	answer              // what a client gets
)

// name is what an object is called when seen so.
func (f face) name(object string) string {
	switch f {
	case patch:
		return "Patched" + object
	case answer:
		return object + "Response"
	}
	return object
}

// shows says whether a field is seen so.
func (f face) shows(field *schema.Field) bool {
	if f == answer {
		return !field.WriteOnly
	}
	return !field.ReadOnly
}

// schemas gathers the named schemas of a document.
type schemas struct {
	all  map[string]node
	from map[string]*schema.Object // what each was made of
	errs []error
}

// object returns a reference to the schema of o, which is made when first asked for. An
// object without a name is written in place.
func (s *schemas) object(o *schema.Object, f face) node {
	if o.Name == "" {
		return s.fields(o, f)
	}
	name := f.name(o.Name)
	if old := s.from[name]; old == nil {
		s.from[name] = o // before its fields, which may name it
		s.all[name] = s.fields(o, f)
	} else if old != o && !reflect.DeepEqual(old, o) {
		s.errs = append(s.errs, fmt.Errorf("schema %s: two objects have this name", name))
	}
	return ref(name)
}

func ref(name string) node { return node{"$ref": "#/components/schemas/" + name} }

// fields writes an object out.
func (s *schemas) fields(o *schema.Object, f face) node {
	properties := map[string]node{}
	var required []string
	for i := range o.Fields {
		field := &o.Fields[i]
		if !f.shows(field) {
			continue
		}
		properties[field.Name] = s.field(field, f)
		if field.Required && f != patch {
			required = append(required, field.Name)
		}
	}
	out := node{"type": "object", "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// field is a value with what is said of it as a member. A reference tolerates no neighbours
// in the eyes of older clients, so it is wrapped.
func (s *schemas) field(field *schema.Field, f face) node {
	n := s.value(field.Value, f)
	if f == patch {
		delete(n, "default") // what is not sent stays as it is
	}
	if field.Doc == "" && !field.ReadOnly && !field.WriteOnly {
		return n
	}
	if n["$ref"] != nil {
		n = node{"allOf": []node{n}}
	}
	if field.Doc != "" {
		n["description"] = field.Doc
	}
	if field.ReadOnly {
		n["readOnly"] = true
	}
	if field.WriteOnly {
		n["writeOnly"] = true
	}
	return n
}

// value writes a value's schema.
func (s *schemas) value(v schema.Value, f face) node {
	if v.Object != nil {
		n := s.object(v.Object, nested(f))
		if v.Nullable {
			return node{"anyOf": []node{n, {"type": "null"}}}
		}
		return n
	}
	n := node{}
	if v.Type != schema.Any {
		n["type"] = string(v.Type)
		if v.Nullable {
			n["type"] = []string{string(v.Type), "null"}
		}
	}
	if v.Items != nil && v.Type == schema.Array {
		n["items"] = s.value(*v.Items, f)
	} else if v.Type == schema.Array {
		n["items"] = node{}
	} else if v.Items != nil {
		n["additionalProperties"] = s.value(*v.Items, f)
	}
	if v.Default != nil {
		n["default"] = v.Default
	}
	limits(n, v)
	return n
}

// nested is how an object in an object is seen: also a PATCH replaces it whole.
func nested(f face) face {
	if f == patch {
		return request
	}
	return f
}

// limits writes what narrows a value beyond its type.
func limits(n node, v schema.Value) {
	if v.Format != "" {
		n["format"] = v.Format
	}
	if len(v.Enum) > 0 {
		enum := make([]any, 0, len(v.Enum)+1)
		for _, e := range v.Enum {
			enum = append(enum, e)
		}
		if v.Nullable {
			enum = append(enum, nil)
		}
		n["enum"] = enum
	}
	for key, limit := range map[string]*int64{"minimum": v.Min, "maximum": v.Max, "minLength": v.MinLen, "maxLength": v.MaxLen} {
		if limit != nil {
			n[key] = *limit
		}
	}
}

// list is the page of objects.
func (s *schemas) list(o *schema.Object) node {
	url := func() node { return node{"type": []string{"string", "null"}, "format": "uri"} }
	page := node{
		"type":     "object",
		"required": []string{"count", "results"},
		"properties": map[string]node{
			"count": {"type": "integer"}, "next": url(), "previous": url(),
			"results": {"type": "array", "items": s.object(o, answer)},
		},
	}
	if o.Name == "" {
		return page
	}
	name := "Paginated" + answer.name(o.Name) + "List"
	s.all[name] = page
	return ref(name)
}

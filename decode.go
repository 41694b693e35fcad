package pulp

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/go-playground/validator/v10"
)

// How a body is read into a struct.
type writing int

const (
	creating  writing = iota // required fields must be there, defaults are set
	replacing                // PUT: the same for an object that is there
	patching                 // PATCH: only what is there
)

// A decoder reads the fields of a request into structs of a plan, by the rules of the REST
// API: unknown fields are refused, all errors are collected.
type decoder struct {
	valid  *validator.Validate
	seal   func(string) Secret
	lookup func(kind, href string) (int64, error) // nil where there are no references
}

// decode writes what in says into dst, a struct of p's type. ignore names fields that somebody
// else reads.
func (d *decoder) decode(p *plan, in map[string]json.RawMessage, dst reflect.Value, how writing, ignore ...string) error {
	errs := FieldErrors{}
	for _, f := range p.fields {
		if f.ReadOnly || slices.Contains(ignore, f.Name) {
			continue
		}
		raw, ok := in[f.Name]
		switch {
		case ok:
			d.field(f, raw, dst, how, errs)
		case how == patching:
		case f.Required:
			errs.Add(f.Name, "This field is required.")
		case f.def != nil && !(how == replacing && f.immutable):
			d.field(f, f.def, dst, creating, errs)
		}
	}
	if len(errs) > 0 {
		return errs
	}
	for name := range in {
		if f := p.byName[name]; (f == nil || f.ReadOnly && !harmless(name)) && !slices.Contains(ignore, name) {
			errs.Add(name, "Unexpected field")
		}
	}
	return errs.OrNil()
}

// harmless names the read-only fields that clients send back when they write what they read.
func harmless(name string) bool {
	return name == "pulp_created" || name == "pulp_last_updated"
}

func (d *decoder) field(f *field, raw json.RawMessage, dst reflect.Value, how writing, errs FieldErrors) {
	v := dst.FieldByIndex(f.index)
	old := reflect.ValueOf(v.Interface())
	if isNull(raw) || f.ref != "" && !f.many && unquoted(raw) == "" {
		if !f.Value.Nullable {
			errs.Add(f.Name, "This field may not be null.")
			return
		}
		v.SetZero()
	} else if err := d.value(f, raw, v); err != nil {
		errs[f.Name] = append(errs[f.Name], err.Error())
		return
	}
	if f.immutable && how != creating && !reflect.DeepEqual(old.Interface(), v.Interface()) {
		errs.Add(f.Name, "This field cannot be changed.")
	}
}

func isNull(raw json.RawMessage) bool { return bytes.Equal(bytes.TrimSpace(raw), []byte("null")) }

func (d *decoder) value(f *field, raw json.RawMessage, v reflect.Value) error {
	if f.pointer {
		p := reflect.New(f.typ)
		if err := d.scalar(f, raw, p.Elem()); err != nil {
			return err
		}
		v.Set(p)
		return nil
	}
	return d.scalar(f, raw, v)
}

func (d *decoder) scalar(f *field, raw json.RawMessage, v reflect.Value) error {
	switch {
	case f.many:
		return d.references(f, raw, v)
	case f.ref != "":
		return d.reference(f, raw, v)
	case f.typ.Kind() == reflect.String:
		s, err := decodeString(raw)
		if err != nil {
			return err
		}
		return d.text(f, s, v)
	}
	if err := decodeKind(raw, v); err != nil {
		return err
	}
	return d.check(f, v.Interface())
}

func (d *decoder) text(f *field, s string, v reflect.Value) error {
	if !f.raw {
		s = strings.TrimSpace(s)
	}
	switch {
	case f.Value.Enum != nil && !slices.Contains(f.Value.Enum, s) && !(s == "" && f.blank):
		return sentencef("\"%s\" is not a valid choice.", s)
	case s == "" && !f.blank:
		return sentence("This field may not be blank.")
	case strings.ContainsRune(s, 0):
		return sentence("Null characters are not allowed.")
	}
	if err := d.check(f, s); err != nil {
		return err
	}
	if f.secret {
		s = string(d.seal(s))
	}
	v.SetString(s)
	return nil
}

func (d *decoder) reference(f *field, raw json.RawMessage, v reflect.Value) error {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return sentence("Incorrect type. Expected URL string.")
	}
	id, err := d.lookup(f.ref, s)
	if err != nil {
		return err
	}
	v.SetInt(id)
	return nil
}

// references reads a list of links, each object once.
func (d *decoder) references(f *field, raw json.RawMessage, v reflect.Value) error {
	var texts []string
	if err := decodeKind(raw, reflect.ValueOf(&texts).Elem()); err != nil {
		return err
	}
	ids := make([]int64, 0, len(texts))
	for _, s := range texts {
		id, err := d.lookup(f.ref, s)
		if err != nil {
			return err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	v.Set(reflect.ValueOf(ids))
	return nil
}

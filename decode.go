package pulp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-playground/validator/v10"

	"github.com/gopulp/pulp/internal/schema"
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
		case f.def != nil:
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
	if bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
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
	if s == "" && !f.blank {
		return errors.New("This field may not be blank.")
	}
	if strings.ContainsRune(s, 0) {
		return errors.New("Null characters are not allowed.")
	}
	if f.Value.Enum != nil && !slices.Contains(f.Value.Enum, s) {
		return fmt.Errorf("\"%s\" is not a valid choice.", s)
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
	s, err := decodeString(raw)
	if err != nil {
		return errors.New("Incorrect type. Expected URL string.")
	}
	id, err := d.lookup(f.ref, s)
	if err != nil {
		return err
	}
	v.SetInt(id)
	return nil
}

func decodeString(raw json.RawMessage) (string, error) {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s, nil
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String(), nil
	}
	return "", errors.New("Not a valid string.")
}

// unquoted returns the text of a value that a form sent as a string.
func unquoted(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return strings.TrimSpace(s)
	}
	return string(bytes.TrimSpace(raw))
}

// decodeKind reads every kind but strings; forms send all values as strings.
func decodeKind(raw json.RawMessage, v reflect.Value) error {
	text := unquoted(raw)
	switch v.Kind() {
	case reflect.Bool:
		switch strings.ToLower(text) {
		case "true", "t", "yes", "y", "on", "1":
			v.SetBool(true)
		case "false", "f", "no", "n", "off", "0":
			v.SetBool(false)
		default:
			return errors.New("Must be a valid boolean.")
		}
		return nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if v.Type() == timeType {
			t, err := parseTime(text)
			if err != nil {
				return errors.New("Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].")
			}
			v.SetInt(int64(t))
			return nil
		}
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return errors.New("A valid integer is required.")
		}
		v.SetInt(n)
		return nil
	case reflect.Float32, reflect.Float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return errors.New("A valid number is required.")
		}
		v.SetFloat(n)
		return nil
	}
	return decodeJSON(raw, text, v)
}

func decodeJSON(raw json.RawMessage, text string, v reflect.Value) error {
	if len(raw) > 0 && raw[0] == '"' && v.Kind() != reflect.Interface {
		raw = json.RawMessage(text) // a form's way to send an object or a list
	}
	p := reflect.New(v.Type())
	if err := json.Unmarshal(raw, p.Interface()); err != nil {
		switch v.Kind() {
		case reflect.Slice:
			return errors.New("Expected a list of items of the right type.")
		case reflect.Map, reflect.Struct:
			return errors.New("Expected a dictionary of items of the right type.")
		}
		return errors.New("Value must be valid JSON.")
	}
	v.Set(p.Elem())
	return nil
}

// check runs the validator's rules and says what is wrong in the words that clients know.
func (d *decoder) check(f *field, value any) error {
	if labels, ok := value.(Labels); ok {
		return labels.check()
	}
	if f.rules == "" {
		return nil
	}
	var bad validator.ValidationErrors
	if err := d.valid.Var(value, f.rules); errors.As(err, &bad) {
		return errors.New(sentence(f, bad[0], value))
	} else if err != nil {
		return err
	}
	return nil
}

func sentence(f *field, bad validator.FieldError, value any) string {
	text := f.Value.Type == schema.String
	switch tag := bad.Tag(); {
	case tag == "url" || tag == "http_url" || tag == "uri":
		return "Enter a valid URL."
	case (tag == "min" || tag == "gte") && text:
		return fmt.Sprintf("Ensure this field has at least %s characters.", bad.Param())
	case (tag == "max" || tag == "lte") && text:
		return fmt.Sprintf("Ensure this field has no more than %s characters.", bad.Param())
	case tag == "min" || tag == "gte":
		return fmt.Sprintf("Ensure this value is greater than or equal to %s.", bad.Param())
	case tag == "max" || tag == "lte":
		return fmt.Sprintf("Ensure this value is less than or equal to %s.", bad.Param())
	case tag == "oneof":
		return fmt.Sprintf("\"%v\" is not a valid choice.", value)
	case tag == "relpath":
		return "Must be a relative path without empty, '.' or '..' parts, blanks at the ends, '?' or '#'."
	default:
		return fmt.Sprintf("Must satisfy %s %s.", tag, bad.Param())
	}
}

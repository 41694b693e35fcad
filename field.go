package pulp

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gopulp/pulp/internal/schema"
)

// A field is one member of an object's outer face: where it lies in the struct and in the
// table, how it is written and read, and what is allowed.
type field struct {
	schema.Field
	index     []int
	typ       reflect.Type // without pointer
	pointer   bool
	column    string // the column, or the key in the detail
	detail    bool
	ref       string // the kind that it refers to; empty for none
	many      bool   // it refers to any number of objects
	rules     string // for the validator
	def       json.RawMessage
	immutable bool
	secret    bool
	unique    bool
	raw       bool // blanks at the ends are data
	blank     bool // may be an empty string
	key, slot bool
	hidden    bool     // stored, and may be filtered by, but no client sees or sets it
	filters   []string // the names under which it can be filtered; nil for none
}

// A plan is the outer face of a struct type: made once, at Open, and the only thing that
// looks at tags.
type plan struct {
	typ    reflect.Type
	fields []*field
	byName map[string]*field
}

var (
	timeType   = reflect.TypeFor[Time]()
	idType     = reflect.TypeFor[ID]()
	labelsType = reflect.TypeFor[Labels]()
	secretType = reflect.TypeFor[Secret]()
	rawType    = reflect.TypeFor[json.RawMessage]()
	bytesType  = reflect.TypeFor[[]byte]()
	idsType    = reflect.TypeFor[[]int64]()
	stdTime    = reflect.TypeFor[time.Time]()
)

// planOf makes the plan of a struct type, or reports all that is wrong with its tags.
func planOf(t reflect.Type) (*plan, error) {
	p := &plan{typ: t, byName: map[string]*field{}}
	errs := p.add(t, nil, false)
	return p, errors.Join(errs...)
}

// drop takes fields out: what is left of the struct's face is as if they had no json tag.
func (p *plan) drop(names ...string) {
	for _, name := range names {
		delete(p.byName, name)
		p.fields = slices.DeleteFunc(p.fields, func(f *field) bool { return f.Name == name })
	}
}

func (p *plan) add(t reflect.Type, index []int, detail bool) (errs []error) {
	for i := range t.NumField() {
		sf := t.Field(i)
		at := append(slices.Clone(index), i)
		if sf.Anonymous && sf.Type.Kind() == reflect.Struct {
			if sf.Type.PkgPath() != "github.com/uptrace/bun/schema" {
				errs = append(errs, p.add(sf.Type, at, detail)...)
			}
			continue
		}
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		switch {
		case sf.Name == "Detail" && strings.HasPrefix(sf.Tag.Get("bun"), "detail,") && sf.Type.Kind() == reflect.Struct:
			errs = append(errs, p.add(sf.Type, at, true)...)
		case !sf.IsExported() || name == "-":
		default:
			f, err := newField(sf, at, detail)
			if f != nil && p.byName[f.Name] != nil {
				err = errors.Join(err, fmt.Errorf("is there twice (%s)", f.Name))
			}
			if f != nil {
				p.byName[f.Name] = f
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s.%s: %w", t, sf.Name, err))
				continue
			}
			p.fields = append(p.fields, f)
		}
	}
	return errs
}

func newField(sf reflect.StructField, index []int, detail bool) (*field, error) {
	f := &field{index: index, typ: sf.Type, detail: detail}
	f.Name, _, _ = strings.Cut(sf.Tag.Get("json"), ",")
	switch {
	case f.Name == "":
		return nil, errors.New(`has no json tag; json:"-" leaves it out`)
	case !goodName.MatchString(f.Name):
		return nil, fmt.Errorf("the name %q has other characters than letters, digits and _", f.Name)
	case slices.Contains(ownNames, f.Name):
		return nil, fmt.Errorf("the name %q is taken", f.Name)
	}
	if f.typ.Kind() == reflect.Pointer {
		f.typ, f.pointer = f.typ.Elem(), true
	}
	f.column, _, _ = strings.Cut(sf.Tag.Get("bun"), ",")
	if f.column == "" || detail {
		f.column = f.Name
	}
	f.Doc = sf.Tag.Get("doc")
	f.Value = valueOf(f.typ)
	f.secret = f.typ == secretType
	f.WriteOnly, f.raw = f.secret, f.secret
	errs := f.words(sf.Tag.Get("pulp"))
	f.nullable(sf)
	f.rule(sf.Tag.Get("validate"))
	return f, errors.Join(append(errs, f.preset(sf), f.fits())...)
}

var goodName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ownNames are the members that objects have beside their fields.
var ownNames = []string{"pulp_href", "prn", "hidden_fields"}

// nullable finds out whether the API says that a field may be null. Of read-only fields Pulp's
// description never does, and clients go by that.
func (f *field) nullable(sf reflect.StructField) {
	never := f.typ == timeType && !strings.Contains(sf.Tag.Get("bun"), "notnull") // zero is null
	word := func(w string) bool { return slices.Contains(strings.Split(sf.Tag.Get("pulp"), ","), w) }
	can := f.pointer || never || f.typ == rawType
	f.Value.Nullable = word("null") || can && !f.ReadOnly && !word("notnull")
}

// fits finds words that mean nothing for a field of its sort.
func (f *field) fits() error {
	switch {
	case len(f.filters) > 0 && (f.ref == "" && !f.filterable() || f.many):
		return errors.New("there is no filter for a field of this type")
	case f.unique && f.detail:
		return errors.New("a field of a detail cannot be unique")
	}
	return nil
}

// words reads the pulp tag.
func (f *field) words(tag string) (errs []error) {
	for word := range strings.SplitSeq(tag, ",") {
		word, value, _ := strings.Cut(strings.TrimSpace(word), "=")
		switch word {
		case "", "null", "notnull":
		case "readonly":
			f.ReadOnly = true
		case "hidden":
			f.ReadOnly, f.hidden = true, true
		case "writeonly":
			f.WriteOnly = true
		case "immutable":
			f.immutable = true
		case "unique":
			f.unique = true
		case "raw":
			f.raw = true
		case "blank":
			f.blank = true
		case "key":
			f.key = true
		case "slot":
			f.slot = true
		case "filter":
			if value == "" {
				value = f.Name
			}
			f.filters = append(f.filters, value)
		case "ref":
			errs = append(errs, f.refer(value))
		case "format":
			if f.Value.Items != nil {
				f.Value.Items.Format = value // of each of many
			} else {
				f.Value.Format = value
			}
		case "type":
			f.Value.Type = schema.Type(value)
		default:
			errs = append(errs, fmt.Errorf("unknown word %q in the pulp tag", word))
		}
	}
	return errs
}

// refer makes the field a reference to an object of a kind, or to many.
func (f *field) refer(kind string) error {
	f.ref, f.many = kind, f.typ == idsType && !f.pointer
	if f.many {
		f.Value.Items = &schema.Value{Type: schema.String, Format: "uri", Nullable: true} // as Pulp describes it
		return nil
	}
	f.Value.Type, f.Value.Format = schema.String, "uri"
	if f.typ.Kind() != reflect.Int64 {
		return errors.New("a ref must be an int64, a *int64 or an []int64")
	}
	return nil
}

// rule reads the validate tag: what the schema can say goes there, the rest is for the validator.
func (f *field) rule(tag string) {
	var rest []string
	about := &f.Value
	for word := range strings.SplitSeq(tag, ",") {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "":
			continue
		case "required":
			f.Required = true
			continue
		case "dive":
			about = cmp.Or(f.Value.Items, &schema.Value{}) // what no list has is found when the rules are tried
		case "oneof":
			about.Enum = strings.Fields(value)
			if about == &f.Value {
				continue
			}
		case "min", "gte":
			boundTo(about, value, &about.Min, &about.MinLen)
		case "max", "lte":
			boundTo(about, value, &about.Max, &about.MaxLen)
		case "url":
			about.Format = "uri"
		}
		rest = append(rest, word)
	}
	f.rules = strings.Join(rest, ",")
}

func boundTo(about *schema.Value, value string, number, length **int64) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return
	}
	switch about.Type {
	case schema.String:
		*length = &n
	case schema.Integer, schema.Number:
		*number = &n
	}
}

// preset reads the default tag.
func (f *field) preset(sf reflect.StructField) error {
	text, ok := sf.Tag.Lookup("default")
	if !ok {
		return nil
	}
	return f.presetTo(text)
}

// presetTo says what a field gets that the client does not name.
func (f *field) presetTo(text string) error {
	f.def = json.RawMessage(text)
	if f.Value.Type == schema.String && !(text == "null" && f.pointer) {
		f.def, _ = json.Marshal(text)
	}
	if err := json.Unmarshal(f.def, &f.Value.Default); err != nil {
		return fmt.Errorf("default %q: %w", text, err)
	}
	f.Required = false
	return nil
}

// object is the plan as the HTTP layer documents it.
func (p *plan) object(name string) *schema.Object {
	o := &schema.Object{Name: name}
	for _, f := range p.fields {
		if !f.hidden {
			o.Fields = append(o.Fields, f.Field)
		}
	}
	return o
}

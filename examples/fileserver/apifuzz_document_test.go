package main_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// An apiDocument is what the fuzzer reads of an OpenAPI document.
type apiDocument struct {
	Paths      map[string]map[string]*apiOperation
	Components struct{ Schemas map[string]*apiSchema }

	operations []*apiOperation
	templates  map[string]*regexp.Regexp // of all paths, for those that they match
}

// An apiOperation is one of its operations.
type apiOperation struct {
	OperationID string
	Parameters  []apiParameter
	RequestBody *struct{ Content map[string]apiMedia }
	Responses   map[string]struct{ Content map[string]apiMedia }

	method, template string
}

type apiParameter struct {
	Name, In string
	Explode  bool
	Schema   *apiSchema
}

type apiMedia struct{ Schema *apiSchema }

// An apiSchema is a JSON schema, as far as the document uses it.
type apiSchema struct {
	Ref                  string `json:"$ref"`
	Type                 typeNames
	Format               string
	Enum                 []any
	Properties           map[string]*apiSchema
	Required             []string
	Items                *apiSchema
	AdditionalProperties *apiSchema
	AllOf, AnyOf         []*apiSchema
	Minimum, Maximum     *float64
	MinLength, MaxLength *int
}

// typeNames are the types that a value may have: one name, or a list of them; none for any.
type typeNames []string

func (n *typeNames) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		b = fmt.Appendf(nil, "[%s]", b)
	}
	return json.Unmarshal(b, (*[]string)(n))
}

var templateVariable = regexp.MustCompile(`\{[^{}]+\}`)

// parseDocument reads the document in the variant with ordinary paths.
func parseDocument(text []byte) (*apiDocument, error) {
	d := &apiDocument{templates: map[string]*regexp.Regexp{}}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, err
	}
	for path, methods := range d.Paths {
		words := templateVariable.Split(path, -1) // they have no characters that a pattern would quote
		d.templates[path] = regexp.MustCompile("^" + strings.Join(words, "[^/]+") + "$")
		for method, op := range methods {
			op.method, op.template = strings.ToUpper(method), path
			d.operations = append(d.operations, op)
		}
	}
	slices.SortFunc(d.operations, func(a, b *apiOperation) int { return strings.Compare(a.OperationID, b.OperationID) })
	return d, nil
}

// template is the path of the document that a path matches, words before variables; empty for none.
func (d *apiDocument) template(path string) string {
	if d.Paths[path] != nil {
		return path
	}
	found := ""
	for template, pattern := range d.templates {
		if pattern.MatchString(path) && (found == "" || strings.Count(template, "{") < strings.Count(found, "{")) {
			found = template
		}
	}
	return found
}

func (d *apiDocument) resolve(s *apiSchema) *apiSchema {
	for s != nil {
		switch {
		case s.Ref != "":
			s = d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
		case len(s.AllOf) == 1:
			s = s.AllOf[0]
		default:
			return s
		}
	}
	return nil
}

// A reading says how strictly a value is compared with a schema. In all of them, what is not in the
// schema must not be there.
type reading int

const (
	strict  reading = iota
	partial         // not all members that are required must be there
	lenient         // text, numbers and booleans may stand for each other, as servers take them
)

// violations are the ways in which a value, decoded with json.Number, is not what a schema says.
func (d *apiDocument) violations(v any, s *apiSchema, at string, how reading) []string {
	s = d.resolve(s)
	if s == nil {
		return []string{at + ": no such schema"}
	}
	if len(s.AnyOf) > 0 {
		return d.anyOf(v, s.AnyOf, at, how)
	}
	if len(s.Type) > 0 && !slices.ContainsFunc(s.Type, func(t string) bool { return isOf(v, t) }) {
		if how == lenient && scalar(v) && !slices.Contains(s.Type, "array") && !slices.Contains(s.Type, "object") {
			return nil
		}
		return []string{fmt.Sprintf("%s: %s is not of type %v", at, brief(v), s.Type)}
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		return []string{fmt.Sprintf("%s: %s is none of %v", at, brief(v), s.Enum)}
	}
	switch v := v.(type) {
	case map[string]any:
		return d.object(v, s, at, how)
	case []any:
		return d.elements(v, s, at, how)
	case string:
		return text(v, s, at, how)
	case json.Number:
		return number(v, s, at)
	}
	return nil
}

// nulls are members that may be null although the document says otherwise: Pulp's own does not
// say it of what is read-only, and clients know them so.
var nulls = []string{"artifact", "base_version", "created_by", "current_task", "description", "error", "finished_at", "last_task", "md5",
	"no_content_change_since", "parent_task", "sha1", "sha224", "sha256", "sha384", "sha512", "started_at", "task_group", "total", "unblocked_at", "value", "worker"}

func (d *apiDocument) anyOf(v any, all []*apiSchema, at string, how reading) (found []string) {
	for _, s := range all {
		if found = d.violations(v, s, at, how); len(found) == 0 {
			return nil
		}
	}
	return found
}

func (d *apiDocument) object(v map[string]any, s *apiSchema, at string, how reading) (found []string) {
	for name, member := range v {
		if member == nil && how != lenient && slices.Contains(nulls, name) {
			continue
		}
		of := s.Properties[name]
		if of == nil {
			of = s.AdditionalProperties
		}
		if of == nil && s.Properties == nil {
			continue // any members
		}
		if of == nil {
			found = append(found, fmt.Sprintf("%s.%s: not in the document", at, name))
			continue
		}
		found = append(found, d.violations(member, of, at+"."+name, inner(how))...)
	}
	for _, name := range s.Required {
		if _, there := v[name]; !there && how != partial {
			found = append(found, fmt.Sprintf("%s.%s: missing", at, name))
		}
	}
	return found
}

func (d *apiDocument) elements(v []any, s *apiSchema, at string, how reading) (found []string) {
	for i, element := range v {
		if s.Items != nil {
			found = append(found, d.violations(element, s.Items, fmt.Sprintf("%s[%d]", at, i), inner(how))...)
		}
	}
	return found
}

// inner is how the members of a value are read.
func inner(how reading) reading {
	if how == partial {
		return strict
	}
	return how
}

func scalar(v any) bool { return isOf(v, "string") || isOf(v, "number") || isOf(v, "boolean") }

func isOf(v any, typ string) bool {
	switch v := v.(type) {
	case nil:
		return typ == "null"
	case bool:
		return typ == "boolean"
	case string:
		return typ == "string"
	case []any:
		return typ == "array"
	case map[string]any:
		return typ == "object"
	case json.Number:
		r, ok := new(big.Rat).SetString(v.String())
		return typ == "number" || typ == "integer" && ok && r.IsInt()
	}
	return false
}

func text(v string, s *apiSchema, at string, how reading) (found []string) {
	if n := utf8.RuneCountInString(v); s.MinLength != nil && n < *s.MinLength || s.MaxLength != nil && n > *s.MaxLength {
		found = append(found, fmt.Sprintf("%s: a length of %d is not allowed", at, n))
	}
	if err := formatted(v, s.Format); err != nil && (how != lenient || strings.TrimSpace(v) != "" && len(v) != len(time.DateOnly)) { // which are null and midnight
		found = append(found, fmt.Sprintf("%s: %s is no %s: %v", at, brief(v), s.Format, err))
	}
	return found
}

func formatted(v, format string) error {
	var err error
	switch format {
	case "date-time":
		_, err = time.Parse(time.RFC3339Nano, v)
	case "uuid":
		_, err = uuid.Parse(v)
	case "uri":
		if _, err = url.Parse(v); err == nil && v == "" {
			err = fmt.Errorf("it is empty")
		}
	}
	return err
}

func number(v json.Number, s *apiSchema, at string) (found []string) {
	f, err := v.Float64()
	if s.Minimum != nil && f < *s.Minimum || s.Maximum != nil && f > *s.Maximum {
		found = append(found, fmt.Sprintf("%s: %s is out of bounds", at, v))
	}
	if exact, _ := new(big.Rat).SetString(v.String()); s.Format == "int64" && err == nil && !exact.Num().IsInt64() {
		err = strconv.ErrRange
	}
	if err != nil || math.IsInf(f, 0) {
		found = append(found, fmt.Sprintf("%s: %s is no number", at, v))
	}
	return found
}

// brief is a value as a message shows it.
func brief(v any) string {
	s := fmt.Sprintf("%q", fmt.Sprint(v))
	if len(s) > 120 {
		s = s[:120] + "…"
	}
	return s
}

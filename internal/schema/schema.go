// Package schema describes the outer face of data: the fields of objects and the
// parameters of queries, from which the codec decodes, the HTTP layer documents, and nobody
// else guesses.
package schema

// A Type is how a value looks in JSON.
type Type string

// The types of JSON, and Any for all of them.
const (
	String  Type = "string"
	Integer Type = "integer"
	Number  Type = "number"
	Boolean Type = "boolean"
	Array   Type = "array"
	Map     Type = "object"
	Any     Type = ""
)

// A Value describes a value.
type Value struct {
	Type     Type
	Format   string   // "date-time", "uri", "int64", "double", "uuid", "binary"; empty for none
	Enum     []string // the only allowed strings; empty for any
	Nullable bool
	Items    *Value  // of an Array, or the values of a Map; nil for any
	Object   *Object // of a Map with known fields; nil for none
	Min, Max *int64  // of an Integer
	MinLen   *int64  // of a String
	MaxLen   *int64  // of a String
	Default  any     // nil for none
}

// A Field is a member of an object.
type Field struct {
	Name      string
	Value     Value
	Doc       string
	ReadOnly  bool
	WriteOnly bool
	Required  bool // on create
}

// An Object is a named list of fields, in the order in which they are written.
type Object struct {
	Name   string // the schema's name without suffix: "file.FileRepository"
	Fields []Field
}

// A Parameter is what a query string may hold. A parameter whose Value is an Array takes
// values separated by commas.
type Parameter struct {
	Name  string
	Value Value
	Doc   string
}

package pulp

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// A Filter is a query parameter that narrows a list.
type Filter struct {
	Name  string
	Doc   string
	Value schema.Value // Array takes values separated by commas
	// Where reads the parameter's value. An [InputError] says what is wrong with it.
	Where func(ctx context.Context, value string) (Where, error)
}

// Text describes a filter's value that is any text.
func Text() schema.Value { return schema.Value{Type: schema.String} }

// declareFilters collects the filters of tags, of every object, and of the declaration.
func (v *view[M]) declareFilters(r *registry, p *plan) error {
	v.filters, v.orders, v.key = map[string]Filter{}, map[string]string{"pk": "?TablePKs"}, "pulp_id"
	if _, ok := any((*M)(nil)).(record); !ok {
		pks := r.app.db.Reader().Dialect().Tables().Get(reflect.TypeFor[M]()).PKs
		if len(pks) != 1 {
			return fmt.Errorf("model %s: needs one primary key, has %d", typeName[M](), len(pks))
		}
		v.key = pks[0].Name
	}
	for _, f := range p.fields {
		column := f.expression(v.end.typ)
		if f.ref == "" && !f.secret && f.Value.Type != schema.Map && f.Value.Type != schema.Array {
			v.orders[f.Name] = column
		}
		for _, name := range f.filters {
			v.addFilters(v.fieldFilters(name, column, f)...)
		}
	}
	if v.end.kind != nil {
		v.addFilters(v.identityFilters()...)
	}
	if v.labels {
		v.addFilters(labelFilter())
	}
	v.addFilters(v.Filters...)
	v.names = slices.Sorted(maps.Keys(v.filters))
	return nil
}

func (v *view[M]) addFilters(fs ...Filter) {
	for _, f := range fs {
		v.filters[f.Name] = f
	}
}

// expression is the SQL of a field, the same in filters, orders and the indexes that serve
// them: an index on an expression only helps queries that say it in the same words.
func (f *field) expression(int64) string {
	if f.detail {
		return "json_extract(?TableAlias.detail, '$." + f.column + "')"
	}
	return "?TableAlias." + f.column
}

// fieldFilters are the lookups that a field's type offers.
func (v *view[M]) fieldFilters(name, column string, f *field) []Filter {
	switch {
	case f.ref != "":
		return []Filter{v.refFilter(name, column, f.ref)}
	case f.typ == timeType:
		return timeFilters(name, column)
	case f.Value.Type == schema.String:
		return textFilters(name, column)
	case f.Value.Type == schema.Integer:
		return numberFilters(name, column)
	case f.Value.Type == schema.Boolean:
		return []Filter{boolFilter(name, column)}
	}
	return nil
}

func compare(name, doc string, value schema.Value, read func(string) (any, error), expr string) Filter {
	return Filter{Name: name, Doc: doc, Value: value, Where: func(_ context.Context, text string) (Where, error) {
		arg, err := read(text)
		if err != nil {
			return nil, Refuse("%s", err)
		}
		return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where(expr, arg) }, nil
	}}
}

func readText(s string) (any, error) { return s, nil }
func readList(s string) (any, error) { return bun.In(strings.Split(s, ",")), nil }

func readTime(s string) (any, error) {
	t, err := parseTime(s)
	if err != nil {
		return nil, fmt.Errorf("Enter a valid date/time.")
	}
	return int64(t), nil
}

func readNumber(s string) (any, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("Enter a number.")
	}
	return n, nil
}

func readBool(s string) (any, error) {
	switch strings.ToLower(s) {
	case "true", "1", "t", "yes":
		return true, nil
	case "false", "0", "f", "no":
		return false, nil
	}
	return nil, fmt.Errorf("Enter true or false.")
}

// pattern makes a LIKE pattern that matches s as it is.
func pattern(before, after string) func(string) (any, error) {
	escape := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
	return func(s string) (any, error) { return before + escape.Replace(s) + after, nil }
}

var (
	manyTexts = schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.String}}
	aTime     = schema.Value{Type: schema.String, Format: "date-time"}
	anInteger = schema.Value{Type: schema.Integer}
	aBool     = schema.Value{Type: schema.Boolean}
)

// textFilters are the lookups of names.
func textFilters(name, column string) []Filter {
	like := column + ` LIKE ? ESCAPE '\'`
	// instr and substr see the case that LIKE does not.
	return []Filter{
		compare(name, "Filter results where "+name+" matches value", Text(), readText, column+" = ?"),
		compare(name+"__iexact", "Filter results where "+name+" matches value, ignoring case", Text(), pattern("", ""), like),
		compare(name+"__in", "Filter results where "+name+" is in a comma-separated list of values", manyTexts, readList, column+" IN (?)"),
		compare(name+"__contains", "Filter results where "+name+" contains value", Text(), readText, "instr("+column+", ?) > 0"),
		compare(name+"__icontains", "Filter results where "+name+" contains value, ignoring case", Text(), pattern("%", "%"), like),
		compare(name+"__startswith", "Filter results where "+name+" starts with value", Text(), readText, "instr("+column+", ?) = 1"),
		compare(name+"__istartswith", "Filter results where "+name+" starts with value, ignoring case", Text(), pattern("", "%"), like),
		compare(name+"__regex", "Filter results where "+name+" matches the regular expression", Text(), readRegexp(""), column+" REGEXP ?"),
		compare(name+"__iregex", "Filter results where "+name+" matches the regular expression, ignoring case", Text(), readRegexp("(?i)"), column+" REGEXP ?"),
	}
}

// timeFilters are the lookups of times.
func timeFilters(name, column string) []Filter {
	out := []Filter{compare(name, "Filter results where "+name+" matches value", aTime, readTime, column+" = ?")}
	for _, op := range []struct{ suffix, sql, words string }{
		{"lt", "<", "less than"}, {"lte", "<=", "less than or equal to"},
		{"gt", ">", "greater than"}, {"gte", ">=", "greater than or equal to"},
	} {
		out = append(out, compare(name+"__"+op.suffix, "Filter results where "+name+" is "+op.words+" value", aTime, readTime, column+" "+op.sql+" ?"))
	}
	return append(out, rangeFilter(name, column, aTime, readTime), nullFilter(name, column))
}

// numberFilters are the lookups of numbers.
func numberFilters(name, column string) []Filter {
	out := []Filter{compare(name, "Filter results where "+name+" matches value", anInteger, readNumber, column+" = ?")}
	for _, op := range []struct{ suffix, sql, words string }{
		{"ne", "<>", "not equal to"}, {"lt", "<", "less than"}, {"lte", "<=", "less than or equal to"},
		{"gt", ">", "greater than"}, {"gte", ">=", "greater than or equal to"},
	} {
		out = append(out, compare(name+"__"+op.suffix, "Filter results where "+name+" is "+op.words+" value", anInteger, readNumber, column+" "+op.sql+" ?"))
	}
	return append(out, rangeFilter(name, column, anInteger, readNumber), nullFilter(name, column))
}

func rangeFilter(name, column string, value schema.Value, read func(string) (any, error)) Filter {
	many := schema.Value{Type: schema.Array, Items: &value}
	return Filter{Name: name + "__range", Doc: "Filter results where " + name + " is between two comma separated values", Value: many,
		Where: func(_ context.Context, text string) (Where, error) {
			from, to, ok := strings.Cut(text, ",")
			if !ok {
				return nil, Refuse("Range query expects two values.")
			}
			low, err := read(from)
			if err != nil {
				return nil, Refuse("%s", err)
			}
			high, err := read(to)
			if err != nil {
				return nil, Refuse("%s", err)
			}
			return func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where(column+" BETWEEN ? AND ?", low, high) }, nil
		}}
}

func nullFilter(name, column string) Filter {
	return compare(name+"__isnull", "Filter results where "+name+" has a null value", aBool, readBool, "("+column+" IS NULL) = ?")
}

func boolFilter(name, column string) Filter {
	return compare(name, "Filter results where "+name+" is value", aBool, readBool, column+" = ?")
}

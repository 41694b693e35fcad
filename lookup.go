package pulp

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// compare makes a filter of an SQL expression with one ?, which read fills in.
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
func readList(s string) (any, error) { return bun.List(strings.Split(s, ",")), nil }

func readTime(s string) (any, error) {
	t, err := parseTime(s)
	if err != nil {
		return nil, sentence("Enter a valid date/time.")
	}
	return int64(t), nil
}

func readNumber(s string) (any, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, sentence("Enter a number.")
	}
	return n, nil
}

func readFloat(s string) (any, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return nil, sentence("Enter a number.")
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
	return nil, sentence("Enter true or false.")
}

// longestPattern is less than what SQLite takes.
const longestPattern = 10_000

// pattern makes a LIKE pattern that matches s as it is.
func pattern(before, after string) func(string) (any, error) {
	escape := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
	return func(s string) (any, error) {
		if len(s) > longestPattern {
			return nil, sentencef("Ensure this value has at most %d characters.", longestPattern)
		}
		return before + escape.Replace(s) + after, nil
	}
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

// choiceFilters are the lookups of a field with only some values, if there are any: another one is refused, not
// looked for.
func choiceFilters(fs []Filter, values []string) []Filter {
	if len(values) == 0 {
		return fs
	}
	fs[0].Value.Enum = values
	where := fs[0].Where
	fs[0].Where = func(ctx context.Context, value string) (Where, error) {
		if !slices.Contains(values, value) {
			return nil, Refuse("Select a valid choice. %s is not one of the available choices.", value)
		}
		return where(ctx, value)
	}
	return fs
}

// An ordering compares a value with that of a lookup.
type ordering struct{ suffix, sql, words string }

// orderings are those that times and numbers have; never changed.
var orderings = []ordering{
	{"lt", "<", "less than"}, {"lte", "<=", "less than or equal to"}, {"gt", ">", "greater than"}, {"gte", ">=", "greater than or equal to"},
}

// timeFilters are the lookups of times.
func timeFilters(name, column string) []Filter {
	out := []Filter{compare(name, "Filter results where "+name+" matches value", aTime, readTime, column+" = ?")}
	for _, op := range orderings {
		out = append(out, compare(name+"__"+op.suffix, "Filter results where "+name+" is "+op.words+" value", aTime, readTime, column+" "+op.sql+" ?"))
	}
	return append(out, rangeFilter(name, column, aTime, readTime), nullFilter(name, column))
}

// numberFilters are the lookups of whole numbers.
func numberFilters(name, column string) []Filter {
	return numericFilters(name, column, anInteger, readNumber)
}

func numericFilters(name, column string, value schema.Value, read func(string) (any, error)) []Filter {
	out := []Filter{compare(name, "Filter results where "+name+" matches value", value, read, column+" = ?")}
	for _, op := range append(slices.Clone(orderings), ordering{"ne", "<>", "not equal to"}) {
		out = append(out, compare(name+"__"+op.suffix, "Filter results where "+name+" is "+op.words+" value", value, read, column+" "+op.sql+" ?"))
	}
	return append(out, rangeFilter(name, column, value, read), nullFilter(name, column))
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

// inDomain narrows a lookup of a unique field to the domain: the index that keeps such fields
// unique begins with it, and without it every row would be read.
func (v *view[M]) inDomain(where func(context.Context, string) (Where, error)) func(context.Context, string) (Where, error) {
	return func(ctx context.Context, value string) (Where, error) {
		w, err := where(ctx, value)
		if err != nil {
			return nil, err
		}
		return func(q *bun.SelectQuery) *bun.SelectQuery { return w(v.domain(q)) }, nil
	}
}

// domain narrows a query to the only domain, for models that have one.
func (v *view[M]) domain(q *bun.SelectQuery) *bun.SelectQuery {
	if !v.key.domain {
		return q
	}
	return q.Where("?TableAlias.domain_id = ?", v.app.domain.ID)
}

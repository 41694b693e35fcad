package pulp

import (
	"context"
	"maps"
	"slices"

	"github.com/gopulp/pulp/internal/schema"
)

// A Filter is a query parameter that narrows a list.
type Filter struct {
	Name  string
	Doc   string
	Value schema.Value // Array takes values separated by commas
	// Where reads the parameter's value. An [InputError] says what is wrong with it.
	Where func(ctx context.Context, value string) (Where, error)

	types *kind // whose labels are the values, when all are declared; nil for none
	empty bool  // an empty value means something, too; else it is as if the parameter were not there
}

// Text describes a filter's value that is any text.
func Text() schema.Value { return schema.Value{Type: schema.String} }

// declareFilters collects the filters of tags, of every object, and of the declaration.
func (v *view[M]) declareFilters() {
	v.filters, v.orders = map[string]Filter{}, map[string]string{"pk": "?TablePKs"}
	if v.key.named {
		v.orders["pulp_id"] = "?TableAlias.pulp_id"
	}
	if v.labels {
		v.orders["pulp_labels"] = "?TableAlias.pulp_labels"
	}
	if _, ok := any((*M)(nil)).(typed); ok {
		v.orders["pulp_type"] = "?TableAlias.pulp_type"
	}
	maps.Copy(v.orders, v.sorts)
	for _, f := range v.plan.fields {
		column := f.expression()
		if f.ordered() {
			v.orders[f.Name] = column
		}
		for _, name := range f.filters {
			v.addFilters(v.fieldFilters(name, column, f)...)
			v.seeks = append(v.seeks, name, name+"__in")
		}
	}
	v.addFilters(v.identityFilters()...)
	v.seeks = append(v.seeks, "pulp_href__in", "prn__in", "pulp_id__in")
	if v.master && v.end.kind.typed {
		v.addFilters(v.typeFilters()...)
	}
	if v.labels {
		v.addFilters(labelFilter())
	}
	v.addFilters(v.Filters...)
	v.addFilters(v.expressionFilter())
	for _, f := range v.plan.fields {
		for _, name := range []string{f.Name, f.Name + "__in"} {
			if lookup, ok := v.filters[name]; ok && f.unique {
				lookup.Where = v.inDomain(lookup.Where)
				v.filters[name] = lookup
			}
		}
	}
	v.names = slices.Sorted(maps.Keys(v.filters))
}

// enumerate fills in the values of a filter of types.
func (f *Filter) enumerate() {
	if f.types == nil {
		return
	}
	value := &f.Value
	if value.Items != nil {
		items := *value.Items
		value.Items, value = &items, &items
	}
	for _, e := range f.types.sorted() {
		value.Enum = append(value.Enum, e.label)
	}
}

// ordered says whether lists can be sorted by a field: not by what clients must not see. Lists and objects of a detail
// are ordered as their JSON is.
func (f *field) ordered() bool {
	scalar := f.Value.Type != schema.Map && f.Value.Type != schema.Array
	return f.ref == "" && !f.WriteOnly && (scalar || f.detail)
}

// filterable says whether there are lookups for a field. A detail's times are text in the
// database, whose order is not that of the times.
func (f *field) filterable() bool {
	switch f.Value.Type {
	case schema.String, schema.Integer, schema.Number, schema.Boolean:
		return !f.secret && !(f.detail && f.Value.Format == "date-time")
	}
	return false
}

func (v *view[M]) addFilters(fs ...Filter) {
	for _, f := range fs {
		v.filters[f.Name] = f
	}
}

// expression is the SQL of a field, the same in filters, orders and the indexes that serve
// them: an index on an expression only helps queries that say it in the same words.
func (f *field) expression() string {
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
		return choiceFilters(textFilters(name, column), f.Value.Enum)
	case f.Value.Type == schema.Integer:
		return numberFilters(name, column)
	case f.Value.Type == schema.Number:
		return numericFilters(name, column, schema.Value{Type: schema.Number, Format: "double"}, readFloat)
	case f.Value.Type == schema.Boolean:
		return []Filter{boolFilter(name, column)}
	}
	return nil
}

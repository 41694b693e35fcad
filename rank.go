package pulp

import (
	"fmt"

	"github.com/gopulp/pulp/internal/schema"
)

// A Rank is the order of the values of a text field that is not that of texts, as of versions: lists of units can be
// filtered by <field>__lt, __lte, __gt and __gte.
type Rank struct {
	// Field is the name of the field.
	Field string
	// By is the name of a field that says where a unit is in the order: texts whose order is that of the values. It is
	// filled in by whoever makes units, and best hidden.
	By string
	// Of is what By says for a value. Its error is shown to the client.
	Of func(value string) (string, error)
}

// filters are the lookups of a rank.
func (r Rank) filters(detail *plan) (out []Filter, err error) {
	by := detail.byName[r.By]
	if detail.byName[r.Field] == nil || by == nil || by.Value.Type != schema.String || r.Of == nil {
		return nil, fmt.Errorf("rank of field %q: needs two text fields, and Of", r.Field)
	}
	column := (&field{detail: true, column: by.column}).expression()
	read := func(value string) (any, error) {
		rank, err := r.Of(value)
		if err != nil {
			return nil, sentence(err.Error() + ".")
		}
		return rank, nil
	}
	for _, op := range orderings {
		out = append(out, compare(r.Field+"__"+op.suffix, "Filter results where "+r.Field+" is "+op.words+" value", Text(), read, column+" "+op.sql+" ?"))
	}
	return out, nil
}

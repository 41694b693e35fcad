package pulp

import (
	"regexp"
	"strings"
)

// constraint reads SQLite's message of a constraint on columns that a statement broke.
var constraint = regexp.MustCompile(`(UNIQUE|NOT NULL) constraint failed: (\w+\.\w+(?:, \w+\.\w+)*)`)

// isUniqueViolation says whether a statement failed since a row is there already.
func isUniqueViolation(err error) bool {
	return err != nil && strings.Contains(err.Error(), "UNIQUE constraint failed")
}

func isForeignKeyViolation(err error) bool {
	return err != nil && strings.Contains(err.Error(), "FOREIGN KEY constraint failed")
}

// violation turns the error of a statement that broke a constraint of the view's table into the
// field's error: what validation could not see, since somebody else was quicker.
func (v *view[M]) violation(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	switch m := constraint.FindStringSubmatch(text); {
	case m != nil:
		if errs := v.broken(m[1], strings.Split(m[2], ", ")); errs != nil {
			return errs
		}
	case isForeignKeyViolation(err):
		return FieldErrors{NonField: {"Invalid hyperlink - Object does not exist."}}
	case strings.Contains(text, "CHECK constraint failed"):
		return FieldErrors{NonField: {"The values do not satisfy the rules of the table."}}
	}
	return err
}

// broken says in the words that clients know which constraint on columns was broken; nil if the
// columns are not those of fields.
func (v *view[M]) broken(constraint string, columns []string) FieldErrors {
	var names []string
	for _, c := range columns {
		table, column, _ := strings.Cut(c, ".")
		if table != v.key.table {
			return nil
		}
		if column == "domain_id" {
			continue
		}
		f := v.plan.byColumn(column)
		if f == nil {
			return nil
		}
		names = append(names, f.Name)
	}
	switch {
	case len(names) == 0:
		return nil
	case constraint == "NOT NULL":
		return FieldErrors{names[0]: {"This field may not be null."}}
	case len(names) == 1:
		return FieldErrors{names[0]: {"This field must be unique."}}
	}
	return FieldErrors{NonField: {"The fields " + strings.Join(names, ", ") + " must make a unique set."}}
}

// byColumn is the field of a column; nil if there is none that clients know.
func (p *plan) byColumn(column string) *field {
	for _, f := range p.fields {
		if !f.detail && f.column == column {
			return f
		}
	}
	return nil
}

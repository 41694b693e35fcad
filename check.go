package pulp

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-playground/validator/v10"
	"github.com/uptrace/bun"
	bunschema "github.com/uptrace/bun/schema"
)

// place names the columns of the fields as bun does.
func (p *plan) place(db *bun.DB) error {
	table, err := tableOf(db, p.typ)
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range p.fields {
		i := slices.IndexFunc(table.Fields, func(c *bunschema.Field) bool { return slices.Equal(c.Index, f.index) })
		switch {
		case f.detail:
		case i < 0:
			errs = append(errs, fmt.Errorf(`%s.%s: bun knows no column for it; json:"-" leaves it out`, p.typ, f.Name))
		default:
			f.column = table.Fields[i].Name
		}
	}
	return errors.Join(errs...)
}

// check finds rules that the validator does not know, or that do not fit their field.
func (p *plan) check(valid *validator.Validate) error {
	var errs []error
	seen := map[string]bool{}
	for _, f := range p.fields {
		if err := f.try(valid); err != nil {
			errs = append(errs, fmt.Errorf("%s.%s: validate %q: %w", p.typ, f.Name, f.rules, err))
		} else if f.def != nil {
			d := decoder{valid: valid, seal: func(s string) Secret { return Secret(s) }}
			bad := FieldErrors{}
			d.field(f, f.def, reflect.New(p.typ).Elem(), creating, bad)
			if len(bad) > 0 {
				errs = append(errs, fmt.Errorf("%s.%s: default: %s", p.typ, f.Name, strings.Join(bad[f.Name], " ")))
			}
		}
		for _, name := range f.filters {
			if slices.Contains(always, name) || seen[name] {
				errs = append(errs, fmt.Errorf("%s.%s: the filter %q is there twice", p.typ, f.Name, name))
			}
			seen[name] = true
		}
	}
	return errors.Join(errs...)
}

// try runs the rules once, since the validator panics where it does not understand them.
func (f *field) try(valid *validator.Validate) (err error) {
	if f.rules == "" {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
		}
	}()
	_ = valid.Var(reflect.New(f.typ).Elem().Interface(), f.rules) // the zero value may well be wrong
	return nil
}

// A hostModel is a model whose table the host or a plugin makes.
type hostModel struct {
	path  string
	owner Plugin
	typ   reflect.Type
}

const columnsSQL = "SELECT name FROM pragma_table_info(?)"

// checkModels finds the models without a table, or with columns that their table lacks. The
// tables of plugins with migrations are looked at when these have run, the others before.
func (a *App) checkModels(ctx context.Context, migrated bool) error {
	var errs []error
	for _, m := range a.models {
		if (m.owner.Migrations != nil) == migrated {
			errs = append(errs, a.checkModel(ctx, m))
		}
	}
	return errors.Join(errs...)
}

func (a *App) checkModel(ctx context.Context, m hostModel) error {
	table, err := tableOf(a.db.Reader(), m.typ)
	if err != nil {
		return nil // it has been reported
	}
	there := map[string]bool{}
	err = a.eachRow(ctx, columnsSQL, []any{table.Name}, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		there[name] = true
		return err
	})
	if err != nil {
		return fmt.Errorf("read the columns of %s: %w", table.Name, err)
	}
	if len(there) == 0 {
		return fmt.Errorf("view set %q of %s: there is no table %q; make it in Plugin.Migrations or before Open", m.path, structName(m.typ), table.Name)
	}
	var missing []string
	for _, f := range table.Fields {
		if !there[f.Name] {
			missing = append(missing, f.Name)
		}
	}
	if missing != nil {
		return fmt.Errorf("view set %q of %s: the table %q lacks the columns %s", m.path, structName(m.typ), table.Name, strings.Join(missing, ", "))
	}
	return nil
}

// checkRefs finds references to kinds that no part declares.
func (p *plan) checkRefs(r *registry) error {
	var errs []error
	for _, f := range p.fields {
		if f.ref == "" {
			continue
		}
		if k := r.kind(f.ref); k == nil {
			errs = append(errs, fmt.Errorf("%s.%s: ref=%s: there is no such kind, and no view set at that path", p.typ, f.Name, f.ref))
		} else if !k.key.integer {
			errs = append(errs, fmt.Errorf("%s.%s: ref=%s: the primary key of that model is no int64", p.typ, f.Name, f.ref))
		}
	}
	return errors.Join(errs...)
}

// checkOperations finds operations that stand in each other's way.
func (r *registry) checkOperations() error {
	var errs []error
	ids, places := map[string]string{}, map[string]string{}
	for _, op := range r.operations {
		place := op.Method + " " + op.Path
		if other, ok := ids[op.ID]; ok {
			errs = append(errs, fmt.Errorf("the operation id %q is there twice: %s and %s", op.ID, other, place))
		} else if other, ok := places[place]; ok {
			errs = append(errs, fmt.Errorf("%s is there twice: %s and %s", place, other, op.ID))
		}
		ids[op.ID], places[place] = place, op.ID
	}
	return errors.Join(errs...)
}

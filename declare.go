package pulp

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/go-playground/validator/v10"
	"github.com/uptrace/bun"
	bunschema "github.com/uptrace/bun/schema"
)

// declare checks a view set, reports all that is wrong with it, and registers it.
func (s *ViewSet[M]) declare(r *registry, owner Plugin) error {
	v := &view[M]{ViewSet: *s, app: r.app, model: NewModel[M]()}
	v.complete()
	if err := v.check(r, owner); err != nil {
		return fmt.Errorf("view set %q of %s: %w", v.Path, typeName[M](), err)
	}
	r.declared[v.end] = v.decl
	v.codec = codec[M]{Serializer: v.Serializer, app: r.app, plan: v.plan, end: v.end}
	v.declareFilters()
	r.views[v.Path] = v
	ops, err := v.operations(owner)
	r.operations = append(r.operations, ops...)
	if err != nil {
		return fmt.Errorf("view set %q of %s: %w", v.Path, typeName[M](), err)
	}
	return nil
}

// complete fills in what the declaration left to us.
func (v *view[M]) complete() {
	if v.Ops == 0 {
		v.Ops = CRUD
	}
	switch {
	case v.class != "":
	case v.Name != "":
		v.class = strings.ReplaceAll(title(strings.ReplaceAll(v.Name, " ", "_")), " ", "")
	default:
		v.class = typeName[M]()
	}
	if v.Name == "" {
		v.Name = words(v.class)
	}
	if _, ok := any((*M)(nil)).(labeled); ok && v.kind == "" {
		v.labels = true
	}
}

// check finds what is wrong with a declaration, and where its objects are in the API.
func (v *view[M]) check(r *registry, owner Plugin) error {
	t := reflect.TypeFor[M]()
	key, err := keyOf(r.app.db.Reader(), t)
	if err != nil && key.table == "" {
		return err // what is no table has no fields either
	}
	v.key = key
	errs := []error{err, checkPath(v.Path)}
	if v.plan, err = planOf(t); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, v.plan.place(r.app.db.Reader()), v.plan.check(r.valid), v.checkOps(), v.checkComputed())
	r.later = append(r.later, func() error { return v.plan.checkRefs(r) })
	if v.kind == "" {
		r.models = append(r.models, hostModel{v.Path, owner, t})
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	v.end, err = r.place(v.placement(owner), t)
	return err
}

// checkOps finds operations that no task can do.
func (v *view[M]) checkOps() error {
	switch {
	case v.Async&^(Create|Update|Delete) != 0:
		return errors.New("Async may only have Create, Update and Delete")
	case v.Async&^v.Ops != 0:
		return errors.New("Async has an operation that Ops does not have")
	case v.Async != 0 && !v.key.integer:
		return errors.New("Async needs a model whose primary key is an int64")
	}
	return nil
}

func (v *view[M]) checkComputed() error {
	var errs []error
	seen := map[string]bool{"pulp_href": true, "prn": v.key.named}
	for _, c := range v.Serializer.Computed {
		switch {
		case c.Name == "" || c.Values == nil:
			errs = append(errs, fmt.Errorf("computed field %q: needs a Name and Values", c.Name))
		case seen[c.Name] || v.plan.byName[c.Name] != nil:
			errs = append(errs, fmt.Errorf("computed field %q is there twice", c.Name))
		}
		seen[c.Name] = true
	}
	for _, f := range v.Filters {
		if f.Name == "" || f.Where == nil {
			errs = append(errs, fmt.Errorf("filter %q: needs a Name and Where", f.Name))
		}
	}
	return errors.Join(errs...)
}

// placement says where M's objects are in the API.
func (v *view[M]) placement(owner Plugin) placement {
	p := placement{kind: v.kind, typ: v.typ, path: v.Path, prn: v.prn(owner), master: v.master, under: v.under, key: v.key}
	if v.kind == versionKind {
		p.prn = "core.repositoryversion"
	}
	if v.kind == "" {
		p.label = v.prn(owner)
	}
	if !v.key.named {
		p.prn = ""
	}
	return p
}

var goodPath = regexp.MustCompile(`^[a-z0-9_-]+(/([a-z0-9_-]+|\{\}))*$`)

func checkPath(path string) error {
	if !goodPath.MatchString(path) {
		return errors.New(`the path must be like "shop/orders": lower-case words, no slashes at the ends`)
	}
	return nil
}

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

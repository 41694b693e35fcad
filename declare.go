package pulp

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// declare checks a view set, reports all that is wrong with it, and registers it.
func (s *ViewSet[M]) declare(r *registry, owner Plugin) error {
	v := &view[M]{ViewSet: *s, app: r.app, model: NewModel[M]()}
	v.complete()
	if err := v.check(r, owner); err != nil {
		return fmt.Errorf("view set %q of %s: %w", v.Path, typeName[M](), err)
	}
	r.declared[v.end] = v.decl
	if v.end.typ != 0 && v.end.kind.typed {
		r.outdated = append(r.outdated, outdated{typ: v.end.typ, table: v.kind, label: v.typ, steps: v.upgrade})
	}
	v.guard = v.guarded(owner)
	v.end.stem, v.end.policy = v.guard.stem, v.guard.name
	r.guards[v.guard.name] = v.guard
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
	v.plan.drop(v.without...)
	for name, text := range v.defaults {
		errs = append(errs, v.plan.byName[name].presetTo(text))
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
		return errors.New("field Async may only have Create, Update and Delete")
	case v.Async&^v.Ops != 0:
		return errors.New("field Async has an operation that Ops does not have")
	case v.Async != 0 && !v.key.integer:
		return errors.New("field Async needs a model whose primary key is an int64")
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
	if !v.key.named && v.kind == "" {
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

package pulp

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-playground/validator/v10"
)

// CoreVersion is the version of the REST API's core that status reports: clients decide by it
// what they may ask for.
const CoreVersion = "3.117.0"

// A registry is what the parts of one App declared. It is complete when Open returns and
// does not change afterwards.
type registry struct {
	app             *App
	valid           *validator.Validate
	tasks           map[string]taskType
	operations      []Operation
	views           map[string]writer
	kinds           map[string]*kind
	byPath          map[string]*endpoint
	byPRN           map[string]*endpoint
	byType          map[reflect.Type][]*endpoint
	contents        map[int64]*contentFace
	repositories    map[int64]*repositoryFace
	publications    map[int64]*publicationFace
	contentGuards   map[int64]*guardFace
	declared        map[*endpoint]Part   // the declaration of each type
	fromPublication map[int64]bool       // of each type of distribution
	liveRoutes      map[int64]LiveRoutes // of types of distributions that have some
	prefixes        map[int64]string     // of types of distributions that have one
	types           map[typeKey]int64
	labels          map[string]string // of hosts' models → path
	indexes         map[string]string // name → statement
	outdated        []outdated        // every type, until its rows are up to date
	models          []hostModel
	later           []func() error    // checks that need all declarations
	guards          map[string]*guard // by the names of their policies
	permissions     map[string]bool
	roles           map[string][]string // the locked ones and their permissions
	limits          map[string]int      // the places of each limit that a task type declares
	schedules       map[string]rhythm   // by name
}

type typeKey struct{ kind, name string }

// declare makes the registry from the core's own parts, the plugins' and the host's.
func (a *App) declare(ctx context.Context) error {
	a.registry = &registry{
		app: a, valid: newValidator(), tasks: map[string]taskType{}, views: map[string]writer{},
		kinds: coreKinds(), byPath: map[string]*endpoint{}, byPRN: map[string]*endpoint{},
		byType: map[reflect.Type][]*endpoint{}, contents: map[int64]*contentFace{}, repositories: map[int64]*repositoryFace{}, publications: map[int64]*publicationFace{}, contentGuards: map[int64]*guardFace{},
		declared: map[*endpoint]Part{}, fromPublication: map[int64]bool{}, liveRoutes: map[int64]LiveRoutes{}, prefixes: map[int64]string{}, indexes: map[string]string{}, labels: map[string]string{}, limits: map[string]int{}, schedules: map[string]rhythm{},
		guards: map[string]*guard{}, permissions: map[string]bool{}, roles: map[string][]string{},
	}
	if err := a.readTypes(ctx); err != nil {
		return err
	}
	var errs []error
	owners := append([]Plugin{corePlugin()}, a.cfg.Plugins...)
	owners = append(owners, Plugin{Parts: a.cfg.Parts}, mastersPlugin())
	for i, owner := range owners {
		if 0 < i && i <= len(a.cfg.Plugins) && !validLabel(owner.Name) {
			errs = append(errs, fmt.Errorf("plugin %q: the name must be a word of lower-case letters, digits and _", owner.Name))
			continue
		}
		for _, part := range owner.Parts {
			if err := part.declare(a.registry, owner); err != nil {
				errs = append(errs, fmt.Errorf("plugin %q: %w", owner.Name, err))
			}
		}
	}
	for _, check := range a.later {
		errs = append(errs, check())
	}
	a.completeAccess()
	for i := range a.operations {
		a.restrain(&a.operations[i])
	}
	return errors.Join(append(errs, a.checkOperations(), a.checkModels(ctx, false))...)
}

func validLabel(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

func newValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	// The name is new, so that registering cannot fail.
	_ = v.RegisterValidation("relpath", func(f validator.FieldLevel) bool { return ValidPath(f.Field().String()) })
	return v
}

// A placement says where the objects of a type of a kind, or of a host's model, are in the API.
type placement struct {
	kind, typ, path, prn string
	key                  tableKey
	master               bool   // only their lists are there, of all types
	label                string // of a host's model, which no two may have: "shop.order"
	under                string // for versions: the type of their repositories
}

// place makes an endpoint.
func (r *registry) place(p placement, t reflect.Type) (*endpoint, error) {
	if r.views[p.path] != nil {
		return nil, fmt.Errorf("the path %q is declared twice", p.path)
	}
	e := &endpoint{path: p.path, prn: p.prn, label: p.typ, kind: r.kinds[p.kind]}
	if e.kind == nil { // a host's model
		e.kind = hostKind(p.path, p.key)
		r.kinds[e.kind.name] = e.kind
	}
	if p.label != "" {
		if other, ok := r.labels[p.label]; ok {
			return nil, fmt.Errorf("the view set at %q has the same name, %q; give one of them another Name", other, p.label)
		}
		r.labels[p.label] = p.path
	}
	if p.master {
		return e, nil
	}
	var err error
	under := int64(0)
	if p.typ != "" {
		if e.typ, err = r.typeID(p.kind, p.typ); err != nil {
			return nil, err
		}
		under = e.typ
	} else if p.under != "" {
		if under, err = r.typeID(repositoryKind, p.under); err != nil {
			return nil, err
		}
	}
	if e.kind.ends[under] != nil {
		return nil, fmt.Errorf("the %s type %q is declared twice", p.kind, p.typ)
	}
	e.under = under
	e.kind.ends[under] = e
	r.byPath[p.path] = e
	if p.prn != "" && r.byPRN[p.prn] == nil {
		r.byPRN[p.prn] = e
	}
	r.byType[t] = append(r.byType[t], e)
	return e, nil
}

// seed makes the rows that every App needs.
func (a *App) seed(ctx context.Context) error {
	now := int64(a.now())
	_, err := a.db.Writer().DB.ExecContext(ctx, `INSERT INTO domain (pulp_id, name, pulp_created, pulp_last_updated)
		SELECT ?, 'default', ?, ? WHERE NOT EXISTS (SELECT 1 FROM domain)`, NewID(), now, now)
	if err != nil {
		return fmt.Errorf("make domain: %w", err)
	}
	// The type of what was buried, see erase.go.
	_, err = a.db.Writer().DB.ExecContext(ctx, `INSERT INTO type (id, kind, name) SELECT 0, 'gone', '' WHERE NOT EXISTS (SELECT 1 FROM type WHERE id = 0)`)
	if err != nil {
		return fmt.Errorf("make the type of what is gone: %w", err)
	}
	row := a.db.Reader().DB.QueryRowContext(ctx, "SELECT id, pulp_id FROM domain WHERE name = 'default'")
	if err := row.Scan(&a.domain.ID, &a.domain.PulpID); err != nil {
		return fmt.Errorf("read domain: %w", err)
	}
	return nil
}

// A domain owns objects. There is one.
type domain struct {
	ID     int64
	PulpID ID
}

// resource is the name under which the domain is reserved.
func (d domain) resource() string { return "prn:core.domain:" + d.PulpID.String() }

// readTypes reads the numbers of all types that were ever declared.
func (a *App) readTypes(ctx context.Context) error {
	rows, err := a.db.Reader().DB.QueryContext(ctx, "SELECT id, kind, name FROM type")
	if err != nil {
		return fmt.Errorf("read types: %w", err)
	}
	defer rows.Close()
	a.types = map[typeKey]int64{}
	for rows.Next() {
		var id int64
		var k typeKey
		if err := rows.Scan(&id, &k.kind, &k.name); err != nil {
			return fmt.Errorf("read types: %w", err)
		}
		a.types[k] = id
	}
	return rows.Err()
}

// typeID is the number of a type, which a new one gets now.
func (r *registry) typeID(kindName, name string) (int64, error) {
	k := typeKey{kindName, name}
	if id, ok := r.types[k]; ok {
		return id, nil
	}
	var id int64
	row := r.app.db.Writer().DB.QueryRowContext(context.Background(), numberType, kindName, name)
	if err := row.Scan(&id); err != nil {
		return 0, fmt.Errorf("number type %s: %w", name, err)
	}
	r.types[k] = id
	return id, nil
}

// numberType yields the number also if another process has given it just now.
const numberType = `INSERT INTO type (kind, name) VALUES (?, ?) ON CONFLICT (kind, name) DO UPDATE SET name = excluded.name RETURNING id`

// migrate runs the plugins' own migrations.
func (a *App) migrate(ctx context.Context) error {
	for _, p := range a.cfg.Plugins {
		if p.Migrations == nil {
			continue
		}
		if err := a.db.Migrate(ctx, p.Name, p.Migrations); err != nil {
			return fmt.Errorf("plugin %q: %w", p.Name, err)
		}
	}
	return a.checkModels(ctx, true)
}

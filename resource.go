package pulp

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/uptrace/bun"
)

// A claim is a reservation whose resource has its full name.
type claim struct {
	name   string
	shared bool
}

// claims names the resources of rs as clients know them, adds what they imply, and puts them
// in order: no name twice, exclusive wins over shared.
func (a *App) claims(ctx context.Context, db bun.IDB, rs []Reservation) ([]claim, error) {
	out := make([]claim, 0, len(rs))
	for _, r := range rs {
		name, err := a.resourceName(ctx, db, r.resource)
		if err != nil {
			return nil, err
		}
		out = append(out, claim{name, r.shared})
		// A version lives as long as its repository lets it.
		if v, ok := r.resource.(*Version); ok {
			if name, err = a.nameIn(ctx, db, repositoryKind, v.RepositoryID); err != nil {
				return nil, err
			}
			out = append(out, claim{name, true})
		}
	}
	slices.SortFunc(out, func(x, y claim) int {
		if c := cmp.Compare(x.name, y.name); c != 0 {
			return c
		}
		if x.shared == y.shared {
			return 0
		}
		if y.shared {
			return -1
		}
		return 1
	})
	return slices.CompactFunc(out, func(x, y claim) bool { return x.name == y.name }), nil
}

// resourceName is the name of a resource as clients know it: the PRN of an object, or a name
// below the domain's.
func (a *App) resourceName(_ context.Context, _ bun.IDB, r Resource) (string, error) {
	switch v := r.(type) {
	case Name:
		return "pdrn:" + a.domain.PulpID.String() + ":" + string(v), nil
	case record:
		for _, e := range a.byType[reflect.TypeOf(r).Elem()] {
			if t, ok := r.(typed); !ok || t.typeID() == e.typ {
				return "prn:" + e.prn + ":" + v.base().PulpID.String(), nil
			}
		}
		if k, ok := r.(kinded); ok {
			return a.kindName(k, v)
		}
	}
	return r.Resource(), nil
}

// kinded is a record of a kind whose type is not that of its declaration, as where the core
// reads an object of any type.
type kinded interface {
	kindOf() string
	typeID() int64
}

func (m *Remote[D]) kindOf() string     { return remoteKind }
func (m *Repository[D]) kindOf() string { return repositoryKind }

func (a *App) kindName(k kinded, r record) (string, error) {
	e := a.kinds[k.kindOf()].ends[k.typeID()]
	if e == nil {
		return "", fmt.Errorf("the plugin of %s %s: %w", k.kindOf(), r.base().PulpID, ErrNotFound)
	}
	return "prn:" + e.prn + ":" + r.base().PulpID.String(), nil
}

// nameByID is the name under which the object of a kind is reserved.
func (a *App) nameByID(ctx context.Context, kindName string, id int64) (string, error) {
	return a.nameIn(ctx, a.db.Reader(), kindName, id)
}

func (a *App) nameIn(ctx context.Context, db bun.IDB, kindName string, id int64) (string, error) {
	var typ int64
	var key ID
	row := raw(db).QueryRowContext(ctx, "SELECT pulp_type, pulp_id FROM "+kindName+" WHERE id = ?", id)
	err := row.Scan(&typ, &key)
	if noRows(err) {
		return "", ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("name %s: %w", kindName, err)
	}
	e := a.kinds[kindName].ends[typ]
	if e == nil {
		return "", fmt.Errorf("the plugin of %s %s: %w", kindName, key, ErrNotFound)
	}
	return "prn:" + e.prn + ":" + key.String(), nil
}

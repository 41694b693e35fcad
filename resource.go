package pulp

import (
	"cmp"
	"context"
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

func (a *App) resourceName(_ context.Context, _ bun.IDB, r Resource) (string, error) {
	if n, ok := r.(Name); ok {
		return "pdrn:" + a.domain.PulpID.String() + ":" + string(n), nil
	}
	return r.Resource(), nil
}

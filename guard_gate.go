package pulp

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
)

// A gate is the guard of one distribution, ready to be asked. All that is served passes it, also
// what is remembered. The nil gate is that of a distribution without a guard.
type gate struct {
	base   string
	guards []*openGuard // of which one must permit
}

// gateOf opens the guard of a distribution.
func (a *App) gateOf(ctx context.Context, d *servedDistribution) (*gate, error) {
	if d.guard == nil {
		return nil, nil
	}
	g := &gate{base: d.base}
	return g, a.gather(ctx, *d.guard, g, map[int64]bool{})
}

const guardTypeSQL = "SELECT pulp_type FROM guard WHERE id = ?"

// gather adds a guard to a gate; in the place of one that is made of others, these. A guard is
// asked once, however often it is there.
func (a *App) gather(ctx context.Context, guard int64, g *gate, seen map[int64]bool) error {
	if seen[guard] {
		return nil
	}
	seen[guard] = true
	var typ int64
	if err := scanOne(ctx, a.db.Reader(), guardTypeSQL, []any{guard}, &typ); err != nil {
		return fmt.Errorf("find guard: %w", err)
	}
	face := a.contentGuards[typ]
	if face == nil {
		return nil // its plugin is not in this program: it permits nothing
	}
	open, err := face.open(ctx, a, guard)
	if err != nil {
		return fmt.Errorf("open guard: %w", err)
	}
	if open.permit != nil {
		g.guards = append(g.guards, open)
		return nil
	}
	if len(open.members) == 0 {
		g.guards = append(g.guards, &openGuard{permit: func(context.Context, *ContentRequest) error { return nil }})
	}
	for _, member := range open.members {
		if err := a.gather(ctx, member, g, seen); err != nil {
			return err
		}
	}
	return nil
}

// pass asks whether ctx's request for a path may have what is there.
func (g *gate) pass(ctx context.Context, path string) error {
	if g == nil {
		return nil
	}
	r := contentRequest(ctx)
	r.Path, r.BasePath = path, g.base
	refused, broken := Deny("Access denied."), error(nil)
	for _, one := range g.guards {
		err := one.permit(ctx, &r)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrDenied):
			refused = err
		default:
			broken = err
		}
	}
	if broken != nil {
		return fmt.Errorf("ask the guard of %q: %w", g.base, broken)
	}
	return refused
}

// contentRequest is what ctx knows of the request for content.
func contentRequest(ctx context.Context) ContentRequest {
	r, _ := ctx.Value(contentRequestKey).(ContentRequest)
	if r.Header == nil {
		r.Header = func(string) string { return "" }
	}
	if r.Certificates == nil {
		r.Certificates = func() ([]*x509.Certificate, error) { return nil, nil }
	}
	return r
}

// private marks what only some may have.
func (g *gate) private(s *Served, err error) (*Served, error) {
	if s != nil && g != nil {
		s.Private = true
	}
	return s, err
}

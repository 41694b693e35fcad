package pulp

import (
	"context"
	"errors"
	"fmt"
)

// A registry is what the parts of one App declared. It is complete when Open returns and
// does not change afterwards.
type registry struct {
	tasks      map[string]taskType
	operations []Operation
}

// declare makes the registry from the core's own parts, the plugins' and the host's.
func (a *App) declare() (*registry, error) {
	r := &registry{tasks: map[string]taskType{}}
	var errs []error
	owners := append([]Plugin{{Name: "core", Version: Version}}, a.cfg.Plugins...)
	owners = append(owners, Plugin{Parts: a.cfg.Parts})
	for _, owner := range owners {
		for _, part := range owner.Parts {
			if err := part.declare(r, owner); err != nil {
				errs = append(errs, fmt.Errorf("plugin %q: %w", owner.Name, err))
			}
		}
	}
	return r, errors.Join(errs...)
}

// Version is the version of the REST API's core that status reports: clients decide by it
// what they may ask for.
const Version = "3.117.0"

// seed makes the rows that every App needs.
func (a *App) seed(ctx context.Context) error {
	now := a.now()
	_, err := a.db.Writer().DB.ExecContext(ctx, `INSERT INTO domain (pulp_id, name, pulp_created, pulp_last_updated)
		SELECT ?, 'default', ?, ? WHERE NOT EXISTS (SELECT 1 FROM domain)`, NewID(), now, now)
	if err != nil {
		return fmt.Errorf("make domain: %w", err)
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

func (a *App) migrate(context.Context) error    { return nil }
func (a *App) index(context.Context) error      { return nil }
func (a *App) abandonAll(context.Context) error { return nil }

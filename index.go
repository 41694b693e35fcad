package pulp

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

const ownIndexesSQL = `SELECT name FROM sqlite_schema WHERE type = 'index' AND name LIKE 'pulp\_f\_%' ESCAPE '\'`

// index makes the indexes that declarations ask for, and drops those that none asks for any
// more, unless another process may.
func (a *App) index(ctx context.Context) error {
	there := map[string]bool{}
	err := a.eachRow(ctx, ownIndexesSQL, nil, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		there[name] = true
		return err
	})
	if err != nil {
		return fmt.Errorf("read indexes: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(a.indexes)) {
		if there[name] {
			delete(there, name)
			continue
		}
		if _, err := a.db.Writer().DB.ExecContext(ctx, a.indexes[name]); err != nil {
			return fmt.Errorf("make index %s: %w", name, err)
		}
	}
	if a.db.Shared() {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		if _, err := a.db.Writer().DB.ExecContext(ctx, "DROP INDEX "+name); err != nil {
			return fmt.Errorf("drop index %s: %w", name, err)
		}
	}
	return nil
}

package pulp

import (
	"context"

	"github.com/uptrace/bun"
)

// Bury leaves a large object as a task does that is killed right after it has made it vanish.
func (a *App) Bury(ctx context.Context, kind string, id int64) (buried bool, err error) {
	err = a.Tx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		buried, err = tombOf(kind).lower(ctx, tx, id, nil)
		return err
	})
	return buried, err
}

// EraseStatements are the statements by which what was buried is erased, batch by batch.
func EraseStatements() (all []string) {
	for _, t := range tombs() {
		all = append(append(all, t.large, t.left), t.parts...)
	}
	return all
}

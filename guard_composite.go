package pulp

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// compositeDetail are guards of which the first that permits decides. None permits everybody.
type compositeDetail struct {
	Guards []int64 `json:"guards" pulp:"ref=guard" doc:"List of ContentGuards to ask for access-permission."`
}

func compositeGuards() Part {
	return &GuardType[compositeDetail]{
		Name: "composite", Class: "CompositeContentGuard",
		valid:   noCycle,
		members: func(g *Guard[compositeDetail]) []int64 { return g.Detail.Guards },
	}
}

// withinSQL is 1 if a guard (?1) is one of some guards (?2), or a part of one, however deep.
const withinSQL = `WITH RECURSIVE part(id) AS (
SELECT value FROM json_each(?2) UNION SELECT m.value FROM part CROSS JOIN guard g ON g.id = part.id AND g.pulp_type = ?3, json_each(g.detail, '$.guards') m)
SELECT 1 FROM part WHERE id = ?1`

// noCycle refuses a guard that would be a part of itself. A new one cannot be.
func noCycle(ctx context.Context, db bun.IDB, old, m *Guard[compositeDetail]) error {
	if old == nil {
		return nil
	}
	var cycle bool
	if err := scanOne(ctx, db, withinSQL, []any{m.ID, jsonIDs(m.Detail.Guards), m.PulpType}, &cycle); err != nil {
		return fmt.Errorf("compare guards: %w", err)
	}
	if cycle {
		return FieldErrors{"guards": {"A composite content guard cannot be a part of itself."}}
	}
	return nil
}

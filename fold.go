package pulp

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// When a version (?3) goes, the one after it (?4) changes what both did since the one before
// (?2), save the units that came with the one and left with the other, or left and came back.
// These are counted from what the version had changed, or from what the next one did, whichever
// is less: so that deleting a version costs the smaller of two changes, and what the other
// versions hold is not looked at.
const (
	coversBefore  = "(SELECT 1 FROM repository_content o WHERE o.repository_id = ?1 AND o.content_id = m.content_id AND o.added <= ?2 AND (o.removed IS NULL OR o.removed > ?2))"
	coversVersion = "(SELECT 1 FROM repository_content o WHERE o.repository_id = ?1 AND o.content_id = m.content_id AND o.added <= ?3 AND (o.removed IS NULL OR o.removed > ?3))"
	coversNext    = "(SELECT 1 FROM repository_content o WHERE o.repository_id = ?1 AND o.content_id = m.content_id AND o.added <= ?4 AND (o.removed IS NULL OR o.removed > ?4))"

	byAdded   = "SELECT m.content_id FROM repository_content m INDEXED BY repository_content_added WHERE m.repository_id = ?1"
	byRemoved = "SELECT m.content_id FROM repository_content m INDEXED BY repository_content_removed WHERE m.repository_id = ?1"

	passedFromVersionSQL = `SELECT c.pulp_type, count(*) FROM (` +
		byAdded + " AND m.added > ?2 AND m.added <= ?3 AND +m.removed > ?3 AND +m.removed <= ?4 AND NOT EXISTS " + coversBefore + " AND NOT EXISTS " + coversNext +
		" UNION ALL " +
		byRemoved + " AND m.removed > ?2 AND m.removed <= ?3 AND +m.added <= ?2 AND NOT EXISTS " + coversVersion + " AND EXISTS " + coversNext +
		`) AS u CROSS JOIN content c ON c.id = u.content_id GROUP BY c.pulp_type`
	passedFromNextSQL = `SELECT c.pulp_type, count(*) FROM (` +
		byRemoved + " AND m.removed > ?3 AND m.removed <= ?4 AND +m.added > ?2 AND +m.added <= ?3 AND NOT EXISTS " + coversBefore + " AND NOT EXISTS " + coversNext +
		" UNION ALL " +
		byAdded + " AND m.added > ?3 AND m.added <= ?4 AND (m.removed IS NULL OR +m.removed > ?4) AND NOT EXISTS " + coversVersion + " AND EXISTS " + coversBefore +
		`) AS u CROSS JOIN content c ON c.id = u.content_id GROUP BY c.pulp_type`

	changeSizesSQL = `SELECT coalesce(sum(count) FILTER (WHERE version_id = ?1), 0), coalesce(sum(count) FILTER (WHERE version_id = ?2), 0)
FROM version_count WHERE version_id IN (?1, ?2) AND what IN ('A', 'R')`
	addCountsSQL = `INSERT INTO version_count (version_id, what, pulp_type, count)
SELECT ?2, what, pulp_type, count FROM version_count WHERE version_id = ?1 AND what IN ('A', 'R')
ON CONFLICT (version_id, what, pulp_type) DO UPDATE SET count = count + excluded.count`
	takeCountsSQL = "UPDATE version_count SET count = count - ? WHERE version_id = ? AND what IN ('A', 'R') AND pulp_type = ?"
)

// foldCounts adds what a version that goes had changed to what the next one did. What the next
// one holds is not changed.
func foldCounts(ctx context.Context, tx bun.Tx, v, next *Version, prev int64) error {
	passed, err := passedThrough(ctx, tx, v, next, prev)
	if err != nil {
		return fmt.Errorf("count version %d: %w", next.Number, err)
	}
	if _, err := tx.Tx.ExecContext(ctx, addCountsSQL, v.ID, next.ID); err != nil {
		return fmt.Errorf("count version %d: %w", next.Number, err)
	}
	for typ, n := range passed {
		if _, err := tx.Tx.ExecContext(ctx, takeCountsSQL, n, next.ID, typ); err != nil {
			return fmt.Errorf("count version %d: %w", next.Number, err)
		}
	}
	return nil
}

// passedThrough counts by type the units whose changes in two versions undo each other.
func passedThrough(ctx context.Context, tx bun.Tx, v, next *Version, prev int64) (map[int64]int64, error) {
	var own, after int64
	if err := tx.Tx.QueryRowContext(ctx, changeSizesSQL, v.ID, next.ID).Scan(&own, &after); err != nil {
		return nil, err
	}
	query := passedFromVersionSQL
	if after < own {
		query = passedFromNextSQL
	}
	rows, err := tx.Tx.QueryContext(ctx, query, v.RepositoryID, prev, v.Number, next.Number)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[int64]int64{}
	for rows.Next() {
		var typ, n int64
		if err := rows.Scan(&typ, &n); err != nil {
			return nil, err
		}
		out[typ] = n
	}
	return out, rows.Err()
}

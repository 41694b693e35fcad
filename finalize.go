package pulp

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

const (
	// What changed since the version before, by type: by index, so that it costs the change. What
	// left or came and was back as it was, in versions between the two that are gone, did not change.
	countAddedSQL = `INSERT INTO version_count (version_id, what, pulp_type, count)
SELECT ?, 'A', c.pulp_type, count(*) FROM repository_content m CROSS JOIN content c ON c.id = m.content_id
WHERE m.repository_id = ? AND m.added > ? AND m.added <= ? AND (m.removed IS NULL OR m.removed > ?4)
AND NOT EXISTS (SELECT 1 FROM repository_content o WHERE o.repository_id = ?2 AND o.content_id = m.content_id AND o.added <= ?3 AND o.removed > ?3)
GROUP BY c.pulp_type`
	countRemovedSQL = `INSERT INTO version_count (version_id, what, pulp_type, count)
SELECT ?, 'R', c.pulp_type, count(*) FROM repository_content m CROSS JOIN content c ON c.id = m.content_id
WHERE m.repository_id = ? AND m.removed > ? AND m.removed <= ? AND m.added <= ?3
AND NOT EXISTS (SELECT 1 FROM repository_content o WHERE o.repository_id = ?2 AND o.content_id = m.content_id AND o.added > ?3 AND o.added <= ?4 AND (o.removed IS NULL OR o.removed > ?4))
GROUP BY c.pulp_type`
	countPresentSQL = `INSERT INTO version_count (version_id, what, pulp_type, count)
SELECT ?1, 'P', pulp_type, sum(CASE what WHEN 'R' THEN -count ELSE count END) AS n FROM version_count
WHERE version_id = ?1 AND what IN ('A', 'R') OR version_id = ?2 AND what = 'P'
GROUP BY pulp_type HAVING n > 0`
	completeVersionSQL = "UPDATE repository_version SET complete = 1, pulp_created = ?1, pulp_last_updated = ?1 WHERE id = ?2"
	moveLatestSQL      = "UPDATE repository SET latest = ?1, next_version = ?1 + 1, pulp_last_updated = ?2 WHERE id = ?3"
	changedSQL         = `SELECT EXISTS (SELECT 1 FROM repository_content WHERE repository_id = ?1 AND added = ?2)
OR EXISTS (SELECT 1 FROM repository_content WHERE repository_id = ?1 AND removed = ?2)`
	foreignContentSQL = `SELECT c.pulp_type FROM repository_content m CROSS JOIN content c ON c.id = m.content_id
WHERE m.repository_id = ? AND m.added = ? AND c.pulp_type NOT IN (SELECT value FROM json_each(?)) LIMIT 1`
	dropVersionSQL = "DELETE FROM repository_version WHERE id = ? AND NOT complete"
)

// Finish checks the version and makes it appear when the task completes. It returns false, and
// the version is thrown away, if nothing was added or removed. The version may be read, and
// publications of it begun, before it appears.
func (v *NewVersion) Finish(ctx context.Context) (changed bool, err error) {
	a := v.j.app
	err = a.db.Reader().DB.QueryRowContext(ctx, changedSQL, v.RepositoryID, v.Number).Scan(&changed)
	if err != nil {
		return false, fmt.Errorf("compare version %d: %w", v.Number, err)
	}
	if !changed {
		return false, v.j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.Tx.ExecContext(ctx, dropVersionSQL, v.ID)
			return err
		})
	}
	if err := v.check(ctx); err != nil {
		return false, err
	}
	v.j.OnFinish(v.appear)
	return true, nil
}

// check refuses what no version of the repository may hold.
func (v *NewVersion) check(ctx context.Context) error {
	a := v.j.app
	face, err := a.repositoryFace(ctx, v.RepositoryID)
	if err != nil {
		return err
	}
	var typ int64
	args := []any{v.RepositoryID, v.Number, jsonIDs(face.content)}
	if err := scanOne(ctx, a.db.Reader(), foreignContentSQL, args, &typ); err != nil {
		return fmt.Errorf("check version %d: %w", v.Number, err)
	}
	if typ != 0 {
		label := "unknown"
		if e := a.kinds[contentKind].ends[typ]; e != nil {
			label = e.label
		}
		return &TaskError{Text: fmt.Sprintf("Saw unsupported content types %s", label)}
	}
	return a.checkPaths(ctx, &v.Version)
}

// appear makes the version the repository's latest one, and applies its retention.
func (v *NewVersion) appear(ctx context.Context, tx bun.Tx) error {
	now := int64(v.j.app.now())
	if err := recount(ctx, tx, &v.Version, &v.prev); err != nil {
		return err
	}
	if _, err := tx.Tx.ExecContext(ctx, completeVersionSQL, now, v.ID); err != nil {
		return fmt.Errorf("complete version %d: %w", v.Number, err)
	}
	if _, err := tx.Tx.ExecContext(ctx, moveLatestSQL, v.Number, now, v.RepositoryID); err != nil {
		return fmt.Errorf("complete version %d: %w", v.Number, err)
	}
	v.j.Created(versionKind, v.ID)
	return v.j.app.retain(ctx, tx, v.RepositoryID)
}

// recount counts what a version added to and removed from the one before it, and what it holds.
func recount(ctx context.Context, tx bun.Tx, v, prev *Version) error {
	steps := []struct {
		query string
		args  []any
	}{
		{"DELETE FROM version_count WHERE version_id = ?", []any{v.ID}},
		{countAddedSQL, []any{v.ID, v.RepositoryID, prev.Number, v.Number}},
		{countRemovedSQL, []any{v.ID, v.RepositoryID, prev.Number, v.Number}},
		{countPresentSQL, []any{v.ID, prev.ID}},
	}
	for _, s := range steps {
		if _, err := tx.Tx.ExecContext(ctx, s.query, s.args...); err != nil {
			return fmt.Errorf("count version %d: %w", v.Number, err)
		}
	}
	return nil
}

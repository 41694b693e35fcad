package pulp

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

const (
	// What changed since the version before, by type: by index, so that it costs the change. What
	// left or came and was back as it was, in versions between the two that are gone, did not change.
	countAddedSQL = `SELECT 'A', c.pulp_type, count(*) FROM repository_content m INDEXED BY repository_content_added CROSS JOIN content c ON c.id = m.content_id
WHERE m.repository_id = ?1 AND m.added > ?2 AND m.added <= ?3 AND (m.removed IS NULL OR m.removed > ?3)
AND NOT EXISTS (SELECT 1 FROM repository_content o WHERE o.repository_id = ?1 AND o.content_id = m.content_id AND o.added <= ?2 AND +o.removed > ?2)
GROUP BY c.pulp_type`
	countRemovedSQL = `SELECT 'R', c.pulp_type, count(*) FROM repository_content m INDEXED BY repository_content_removed CROSS JOIN content c ON c.id = m.content_id
WHERE m.repository_id = ?1 AND m.removed > ?2 AND m.removed <= ?3 AND m.added <= ?2
AND NOT EXISTS (SELECT 1 FROM repository_content o WHERE o.repository_id = ?1 AND o.content_id = m.content_id AND o.added > ?2 AND o.added <= ?3 AND (o.removed IS NULL OR o.removed > ?3))
GROUP BY c.pulp_type`
	insertCountSQL  = "INSERT INTO version_count (version_id, what, pulp_type, count) VALUES (?, ?, ?, ?)"
	countPresentSQL = `INSERT INTO version_count (version_id, what, pulp_type, count)
SELECT ?1, 'P', pulp_type, sum(CASE what WHEN 'R' THEN -count ELSE count END) AS n FROM version_count
WHERE version_id = ?1 AND what IN ('A', 'R') OR version_id = ?2 AND what = 'P'
GROUP BY pulp_type HAVING n > 0`
	completeVersionSQL = "UPDATE repository_version SET complete = 1, pulp_created = ?1, pulp_last_updated = ?1 WHERE id = ?2"
	moveLatestSQL      = "UPDATE repository SET latest = ?1, next_version = ?1 + 1, pulp_last_updated = ?2 WHERE id = ?3"
	changedSQL         = `SELECT EXISTS (SELECT 1 FROM repository_content WHERE repository_id = ?1 AND added = ?2)
OR EXISTS (SELECT 1 FROM repository_content WHERE repository_id = ?1 AND removed = ?2)`
	foreignContentSQL = `SELECT c.pulp_type FROM repository_content m INDEXED BY repository_content_added CROSS JOIN content c ON c.id = m.content_id
WHERE m.repository_id = ? AND m.added = ? AND c.pulp_type NOT IN (SELECT value FROM json_each(?)) LIMIT 1`
	dropVersionSQL = "DELETE FROM repository_version WHERE id = ? AND NOT complete"
)

// Finish checks the version and makes it appear when the task completes, with what follows from
// it ([RepositoryType.OnVersion]). It returns false, and the version is thrown away, if nothing
// was added or removed. The version may be read, and publications of it begun, before it
// appears.
func (v *NewVersion) Finish(ctx context.Context) (changed bool, err error) {
	if changed, err = v.finish(ctx); err != nil || !changed {
		return false, err
	}
	face, err := v.j.app.repositoryFace(ctx, v.RepositoryID)
	if err != nil {
		return false, err
	}
	return true, face.changed(ctx, v.j, v.RepositoryID, &v.Version)
}

// finish is Finish without what follows.
func (v *NewVersion) finish(ctx context.Context) (changed bool, err error) {
	a := v.j.app
	err = a.db.Reader().DB.QueryRowContext(ctx, changedSQL, v.RepositoryID, v.Number).Scan(&changed)
	if err != nil {
		return false, fmt.Errorf("compare version %d: %w", v.Number, err)
	}
	if !changed {
		_, err := v.j.exec(ctx, dropVersionSQL, v.ID)
		return false, err
	}
	if err := v.check(ctx); err != nil {
		return false, err
	}
	// Counted here and not when it appears, so that no other writer waits for it. Nobody else
	// changes the repository meanwhile.
	if v.changes, err = changesOf(ctx, a.db.Reader(), &v.Version, &v.prev); err != nil {
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
	return a.checkPaths(ctx, &v.Version, &v.prev, face)
}

// appear makes the version the repository's latest one, and applies its retention.
func (v *NewVersion) appear(ctx context.Context, tx bun.Tx) error {
	now := int64(v.j.app.now())
	if err := writeCounts(ctx, tx, &v.Version, &v.prev, v.changes); err != nil {
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

// A change is how many units of a type a version added or removed.
type change struct {
	what       string // 'A' or 'R'
	typ, count int64
}

// changesOf counts what a version added to and removed from the one before it.
func changesOf(ctx context.Context, db bun.IDB, v, prev *Version) (out []change, err error) {
	for _, query := range []string{countAddedSQL, countRemovedSQL} {
		if out, err = appendChanges(ctx, db, out, query, v.RepositoryID, prev.Number, v.Number); err != nil {
			return nil, fmt.Errorf("count version %d: %w", v.Number, err)
		}
	}
	return out, nil
}

func appendChanges(ctx context.Context, db bun.IDB, to []change, query string, args ...any) ([]change, error) {
	rows, err := raw(db).QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var c change
		if err := rows.Scan(&c.what, &c.typ, &c.count); err != nil {
			return nil, err
		}
		to = append(to, c)
	}
	return to, rows.Err()
}

// writeCounts writes what a version changed, and what it therefore holds.
func writeCounts(ctx context.Context, tx bun.Tx, v, prev *Version, changes []change) error {
	if _, err := tx.Tx.ExecContext(ctx, "DELETE FROM version_count WHERE version_id = ?", v.ID); err != nil {
		return fmt.Errorf("count version %d: %w", v.Number, err)
	}
	for _, c := range changes {
		if _, err := tx.Tx.ExecContext(ctx, insertCountSQL, v.ID, c.what, c.typ, c.count); err != nil {
			return fmt.Errorf("count version %d: %w", v.Number, err)
		}
	}
	if _, err := tx.Tx.ExecContext(ctx, countPresentSQL, v.ID, prev.ID); err != nil {
		return fmt.Errorf("count version %d: %w", v.Number, err)
	}
	return nil
}

package pulp

import (
	"context"
	"fmt"
)

// What was begun and not ended leaves rows that nobody sees: versions that were abandoned, and
// membership that only deleted versions saw. The next task that changes the repository clears
// them away, in batches, each of which leaves every visible version as it was.

const (
	settleBatch = 1000

	incompleteSQL = `SELECT v.id, v.number, r.latest FROM repository_version v JOIN repository r ON r.id = v.repository_id
WHERE v.repository_id = ? AND NOT v.complete ORDER BY v.number DESC`
	// Beyond the latest version: as if it had never been begun.
	dropAddedSQL = `DELETE FROM repository_content WHERE repository_id = ?1 AND added > ?2 AND content_id IN (
  SELECT content_id FROM repository_content WHERE repository_id = ?1 AND added > ?2 LIMIT ?3)`
	reopenRemovedSQL = `UPDATE repository_content SET removed = NULL WHERE repository_id = ?1 AND removed > ?2 AND content_id IN (
  SELECT content_id FROM repository_content WHERE repository_id = ?1 AND removed > ?2 LIMIT ?3)`
	// What large publications of a version list goes before the version does.
	dropPublishedSQL = `DELETE FROM published_artifact WHERE (publication_id, relative_path) IN (SELECT f.publication_id, f.relative_path
  FROM publication p CROSS JOIN published_artifact f ON f.publication_id = p.id WHERE p.version_id = ?1 LIMIT ?2)`
	// The visible versions on both sides of a deleted one (?2).
	gapSQL = `SELECT coalesce((SELECT number FROM repository_version WHERE repository_id = ?1 AND number < ?2 AND complete ORDER BY number DESC LIMIT 1), -1),
coalesce((SELECT number FROM repository_version WHERE repository_id = ?1 AND number > ?2 AND complete ORDER BY number LIMIT 1), -1)`
)

// settle clears away what abandoned and deleted versions of a repository left. The job holds
// the repository exclusively.
func (j *Job) settle(ctx context.Context, repository int64) error {
	type left struct{ id, number, latest int64 }
	var all []left
	err := j.app.eachRow(ctx, incompleteSQL, []any{repository}, func(scan func(...any) error) error {
		var l left
		err := scan(&l.id, &l.number, &l.latest)
		all = append(all, l)
		return err
	})
	if err != nil {
		return fmt.Errorf("settle repository: %w", err)
	}
	var done gap
	for _, l := range all {
		if l.number > l.latest {
			err = j.retract(ctx, repository, l.latest)
		} else {
			done, err = j.clear(ctx, repository, l.number, done)
		}
		if err == nil {
			err = j.inBatches(ctx, dropPublishedSQL, l.id, eraseBatch)
		}
		if err == nil {
			_, err = j.exec(ctx, dropVersionSQL, l.id)
		}
		if err != nil {
			return fmt.Errorf("settle version %d: %w", l.number, err)
		}
	}
	return nil
}

// retract undoes all that lies beyond the latest version.
func (j *Job) retract(ctx context.Context, repository, latest int64) error {
	if err := j.inBatches(ctx, dropAddedSQL, repository, latest, settleBatch); err != nil {
		return err
	}
	return j.inBatches(ctx, reopenRemovedSQL, repository, latest, settleBatch)
}

// inBatches repeats a statement, each time in a transaction, until it changes nothing.
func (j *Job) inBatches(ctx context.Context, query string, args ...any) error {
	for {
		n, err := j.exec(ctx, query, args...)
		if err != nil || n == 0 {
			return err
		}
	}
}

// A gap is what lies between two neighbouring visible versions of a repository: deleted ones.
type gap struct{ repository, from, to int64 }

// What nobody sees of a gap came after its first version, and left with its last one or before.
// It is found from what came in the gap or from what left in it, whichever is less: either may
// be all that the repository holds. The last parameters are where to go on, and how many.
const (
	cameSQL = `FROM repository_content m INDEXED BY repository_content_added WHERE m.repository_id = ?1 AND m.added > ?2 AND m.added < ?3`
	leftSQL = `FROM repository_content m INDEXED BY repository_content_removed WHERE m.repository_id = ?1 AND m.removed > ?2 AND m.removed <= ?3`

	countCameSQL = "SELECT count(*) FROM (SELECT 1 " + cameSQL + " LIMIT ?4)"
	countLeftSQL = "SELECT count(*) FROM (SELECT 1 " + leftSQL + " LIMIT ?4)"

	goneOfCameSQL = "SELECT m.added, m.content_id " + cameSQL + " AND +m.removed <= ?3 AND (m.added, m.content_id) > (?4, ?5) ORDER BY m.added, m.content_id LIMIT ?6"
	goneOfLeftSQL = "SELECT m.removed, m.content_id " + leftSQL + " AND +m.added > ?2 AND (m.removed, m.content_id) > (?4, ?5) ORDER BY m.removed, m.content_id LIMIT ?6"

	dropGoneSQL = `DELETE FROM repository_content WHERE repository_id = ?1 AND content_id IN (SELECT value FROM json_each(?4))
AND +added > ?2 AND +removed <= ?3`
)

// clear deletes the membership around a deleted version that no version sees, unless that is
// done. What a visible version sees stays as it is: that it came with a version that is not there
// any more matters to nobody, since all compare numbers, and none asks for one. So deleting a
// version rewrites nothing, however much it had brought.
func (j *Job) clear(ctx context.Context, repository, number int64, done gap) (gap, error) {
	g := gap{repository: repository}
	if err := j.app.db.Reader().DB.QueryRowContext(ctx, gapSQL, repository, number).Scan(&g.from, &g.to); err != nil {
		return done, err
	}
	if g == done || g.to < 0 {
		return done, nil
	}
	query, err := j.app.fewer(ctx, g)
	if err != nil {
		return done, err
	}
	for at, unit := int64(-1), int64(0); ; {
		var units []int64
		err := j.app.eachRow(ctx, query, []any{repository, g.from, g.to, at, unit, settleBatch}, func(scan func(...any) error) error {
			err := scan(&at, &unit)
			units = append(units, unit)
			return err
		})
		if err != nil || len(units) == 0 {
			return g, err
		}
		if _, err := j.exec(ctx, dropGoneSQL, repository, g.from, g.to, jsonIDs(units)); err != nil {
			return g, err
		}
	}
}

// fewer chooses the side from which a gap is looked through: it counts both, a little further
// each time, until one of them ends.
func (a *App) fewer(ctx context.Context, g gap) (string, error) {
	for limit := int64(settleBatch); ; limit *= 4 {
		for count, query := range map[string]string{countCameSQL: goneOfCameSQL, countLeftSQL: goneOfLeftSQL} {
			var n int64
			if err := a.db.Reader().DB.QueryRowContext(ctx, count, g.repository, g.from, g.to, limit).Scan(&n); err != nil {
				return "", err
			}
			if n < limit {
				return query, nil
			}
		}
	}
}

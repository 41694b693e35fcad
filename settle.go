package pulp

import (
	"context"
	"fmt"
)

// What was begun and not ended leaves rows that nobody sees: versions that were abandoned, and
// versions that were deleted but whose membership still stands between their neighbours. The
// next task that changes the repository clears them away, in batches, each of which leaves
// every visible version as it was.

const (
	settleBatch = 2000

	incompleteSQL = `SELECT v.id, v.number, r.latest FROM repository_version v JOIN repository r ON r.id = v.repository_id
WHERE v.repository_id = ? AND NOT v.complete ORDER BY v.number DESC`
	// Beyond the latest version: as if it had never been begun.
	dropAddedSQL = `DELETE FROM repository_content WHERE repository_id = ?1 AND added > ?2 AND content_id IN (
  SELECT content_id FROM repository_content WHERE repository_id = ?1 AND added > ?2 LIMIT ?3)`
	reopenRemovedSQL = `UPDATE repository_content SET removed = NULL WHERE repository_id = ?1 AND removed > ?2 AND content_id IN (
  SELECT content_id FROM repository_content WHERE repository_id = ?1 AND removed > ?2 LIMIT ?3)`
	// Between others: what it changed, the next one changes.
	nextCompleteSQL = "SELECT min(number) FROM repository_version WHERE repository_id = ? AND number > ? AND complete"
	foldGoneSQL     = `DELETE FROM repository_content WHERE repository_id = ?1 AND added = ?2 AND removed <= ?3 AND content_id IN (
  SELECT content_id FROM repository_content WHERE repository_id = ?1 AND added = ?2 AND removed <= ?3 LIMIT ?4)`
	foldAddedSQL = `UPDATE repository_content SET added = ?3 WHERE repository_id = ?1 AND added = ?2 AND content_id IN (
  SELECT content_id FROM repository_content WHERE repository_id = ?1 AND added = ?2 LIMIT ?4)`
	foldRemovedSQL = `UPDATE repository_content SET removed = ?3 WHERE repository_id = ?1 AND removed = ?2 AND content_id IN (
  SELECT content_id FROM repository_content WHERE repository_id = ?1 AND removed = ?2 LIMIT ?4)`
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
	// Newest first: a row may begin with one deleted version and end with a later one.
	for _, l := range all {
		if l.number > l.latest {
			err = j.retract(ctx, repository, l.latest)
		} else {
			err = j.fold(ctx, repository, l.number)
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

// fold moves the changes of a version to the next one.
func (j *Job) fold(ctx context.Context, repository, number int64) error {
	var next int64
	if err := scanOne(ctx, j.app.db.Reader(), nextCompleteSQL, []any{repository, number}, &next); err != nil {
		return err
	}
	for _, query := range []string{foldGoneSQL, foldAddedSQL, foldRemovedSQL} {
		if err := j.inBatches(ctx, query, repository, number, next, settleBatch); err != nil {
			return err
		}
	}
	return nil
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

package pulp

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/uptrace/bun"
)

// A NewVersion is a repository version that a task is building. Nobody sees it until the task
// completes: then it appears as a whole, in the transaction that completes the task. If the
// task fails, is canceled or killed, it never was.
type NewVersion struct {
	Version
	j    *Job
	prev Version // the version that it follows
	face *repositoryFace
	base int64 // the number of the version that it was made equal to; prev's if to none

	changes []change // since prev, once it is finished
}

// The statements on membership say by which index rows are found where there is a choice: without
// statistics SQLite takes all of a repository for as little as what one version added.

// membership batches are small enough that other writers do not wait for long.
const membershipBatch = 1000

const (
	insertVersionSQL = `INSERT INTO repository_version (pulp_id, domain_id, created_by, pulp_created, pulp_last_updated, repository_id, number, base_version_id)
SELECT ?, domain_id, ?, ?, ?, id, next_version, ? FROM repository WHERE id = ? RETURNING id, number`
	// A unit of the head gives way to one that takes its slot.
	closeSlotsSQL = `UPDATE repository_content INDEXED BY repository_content_head SET removed = ?1
WHERE repository_id = ?2 AND removed IS NULL AND added < ?1
AND slot IN (SELECT c.slot FROM json_each(?3) AS unit CROSS JOIN content c ON c.id = unit.value)
AND content_id NOT IN (SELECT value FROM json_each(?3)) RETURNING content_id`
	// So does one that came with the base version (?4): it is not new, though it was not in the head.
	giveWaySQL = `DELETE FROM repository_content INDEXED BY repository_content_head WHERE repository_id = ?2 AND removed IS NULL AND added = ?1
AND slot IN (SELECT c.slot FROM json_each(?3) AS unit CROSS JOIN content c ON c.id = unit.value)
AND content_id NOT IN (SELECT value FROM json_each(?3))
AND EXISTS (SELECT 1 FROM repository_content b WHERE b.repository_id = ?2 AND b.content_id = repository_content.content_id
  AND b.added <= ?4 AND b.removed > ?4)`
	// A unit that this version removed before comes back.
	reopenSQL = `UPDATE repository_content SET removed = NULL
WHERE repository_id = ?2 AND removed = ?1 AND content_id IN (SELECT value FROM json_each(?3))`
	addSQL = `INSERT INTO repository_content (repository_id, content_id, slot, added)
SELECT DISTINCT ?2, c.id, c.slot, ?1 FROM json_each(?3) AS unit
CROSS JOIN content c ON c.id = unit.value
WHERE NOT EXISTS (SELECT 1 FROM repository_content m
  WHERE m.repository_id = ?2 AND m.content_id = c.id AND m.removed IS NULL)`
	// existingSQL counts those of a list that exist, each as often as it is in the list.
	existingSQL = `SELECT count(*) FROM json_each(?) AS unit CROSS JOIN content c ON c.id = unit.value`
	// Units that this version added are forgotten, others end with it.
	forgetSQL = `DELETE FROM repository_content
WHERE repository_id = ?2 AND added = ?1 AND content_id IN (SELECT value FROM json_each(?3))`
	endSQL = `UPDATE repository_content SET removed = ?1
WHERE repository_id = ?2 AND removed IS NULL AND content_id IN (SELECT value FROM json_each(?3))`
	headSQL = `SELECT content_id FROM repository_content
WHERE repository_id = ? AND removed IS NULL AND content_id > ? ORDER BY content_id LIMIT ?`
	versionMembersSQL = `SELECT m.content_id FROM repository_content m
WHERE ` + inVersion + ` AND m.content_id > ? ORDER BY m.content_id LIMIT ?`
)

// NewVersion begins the next version of a repository with the units of its latest one. It
// returns ErrNotReserved unless the task reserves the repository exclusively. If nothing is
// added or removed until the task completes, there will be no version.
func (j *Job) NewVersion(ctx context.Context, repository int64, base *Version) (*NewVersion, error) {
	name, err := j.app.nameByID(ctx, repositoryKind, repository)
	if err != nil {
		return nil, err
	}
	if !j.Reserved(name, true) {
		return nil, fmt.Errorf("begin a version of %s: %w exclusively", name, ErrNotReserved)
	}
	if err := j.settle(ctx, repository); err != nil {
		return nil, err
	}
	prev, err := j.app.latestVersion(ctx, j.app.db.Reader(), repository)
	if err != nil {
		return nil, err
	}
	face, err := j.app.repositoryFace(ctx, repository)
	if err != nil {
		return nil, err
	}
	v := &NewVersion{j: j, face: face, prev: *prev, base: prev.Number}
	v.PulpID, v.RepositoryID = NewID(), repository
	if base != nil {
		v.BaseVersionID = &base.ID
	}
	err = j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		now := int64(j.app.now())
		return tx.Tx.QueryRowContext(ctx, insertVersionSQL, v.PulpID, CallerOf(ctx).AccountID, now, now, v.BaseVersionID, repository).
			Scan(&v.ID, &v.Number)
	})
	if err != nil {
		return nil, fmt.Errorf("begin a version: %w", err)
	}
	if base != nil && base.Number != prev.Number {
		v.base, err = base.Number, v.makeEqual(ctx, base)
	}
	return v, err
}

// AddIn puts units into the version, in a transaction of its task. A unit replaces the one that
// has its slot. Two units of one slot among those that are new is an error, and so is one that was
// deleted meanwhile, as orphans are.
func (v *NewVersion) AddIn(ctx context.Context, tx bun.Tx, content []int64) error {
	var there int
	if err := tx.Tx.QueryRowContext(ctx, existingSQL, jsonIDs(content)).Scan(&there); err != nil {
		return fmt.Errorf("add to version %d: %w", v.Number, err)
	}
	if there < len(content) {
		return &TaskError{Text: "Units of content were deleted before they could be added.", Err: ErrNotFound}
	}
	_, err := v.add(ctx, tx, content)
	return err
}

// add is AddIn and returns the units that were replaced.
func (v *NewVersion) add(ctx context.Context, tx bun.Tx, content []int64) (replaced []int64, err error) {
	args := []any{v.Number, v.RepositoryID, jsonIDs(content)}
	if v.base != v.prev.Number {
		if _, err := tx.Tx.ExecContext(ctx, giveWaySQL, append(args[:3:3], v.base)...); err != nil {
			return nil, fmt.Errorf("add to version %d: %w", v.Number, err)
		}
	}
	replaced, err = scanIDs(tx.Tx.QueryContext(ctx, closeSlotsSQL, args...))
	if err != nil {
		return nil, fmt.Errorf("add to version %d: %w", v.Number, err)
	}
	if len(replaced) > 0 && v.face.immutable {
		return nil, &TaskError{Code: "PLP0023", Text: "Content would replace a unit with the same key in the repository, whose units never change. Remove that unit first."}
	}
	for _, query := range []string{reopenSQL, addSQL} {
		_, err := tx.Tx.ExecContext(ctx, query, args...)
		if isUniqueViolation(err) {
			return nil, duplicates(err)
		}
		if err != nil {
			return nil, fmt.Errorf("add to version %d: %w", v.Number, err)
		}
	}
	return replaced, nil
}

func duplicates(err error) error {
	return &TaskError{Code: "PLP0022", Text: "More than one unit of content with the same natural key within the repository was added.", Err: err}
}

// scanIDs reads a column of ids.
func scanIDs(rows *sql.Rows, err error) (ids []int64, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// RemoveIn takes units out of the version, in a transaction of its task. Units that are not in
// it are passed over.
func (v *NewVersion) RemoveIn(ctx context.Context, tx bun.Tx, content []int64) error {
	for _, query := range []string{forgetSQL, endSQL} {
		if _, err := tx.Tx.ExecContext(ctx, query, v.Number, v.RepositoryID, jsonIDs(content)); err != nil {
			return fmt.Errorf("remove from version %d: %w", v.Number, err)
		}
	}
	return nil
}

// Add is AddIn, in transactions of its own.
func (v *NewVersion) Add(ctx context.Context, content []int64) error {
	return v.batches(ctx, content, v.AddIn)
}

// Remove is RemoveIn, in transactions of its own.
func (v *NewVersion) Remove(ctx context.Context, content []int64) error {
	return v.batches(ctx, content, v.RemoveIn)
}

func (v *NewVersion) batches(ctx context.Context, content []int64, f func(context.Context, bun.Tx, []int64) error) error {
	for ; len(content) > 0; content = content[min(membershipBatch, len(content)):] {
		part := content[:min(membershipBatch, len(content))]
		if err := v.j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error { return f(ctx, tx, part) }); err != nil {
			return err
		}
	}
	return nil
}

// RemoveIf takes out all units for which gone holds; it looks at each, in batches.
func (v *NewVersion) RemoveIf(ctx context.Context, gone func(content int64) bool) (removed int64, err error) {
	return removed, v.walk(ctx, headSQL, []any{v.RepositoryID}, func(ids []int64) error {
		var out []int64
		for _, id := range ids {
			if gone(id) {
				out = append(out, id)
			}
		}
		removed += int64(len(out))
		return v.Remove(ctx, out)
	})
}

// makeEqual gives the version the units of another one of its repository.
func (v *NewVersion) makeEqual(ctx context.Context, base *Version) error {
	var keep idSet
	args := []any{base.RepositoryID, base.Number, base.Number}
	err := v.walk(ctx, versionMembersSQL, args, func(ids []int64) error {
		keep.add(ids...)
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := v.RemoveIf(ctx, func(id int64) bool { return !keep.has(id) }); err != nil {
		return err
	}
	return v.walk(ctx, versionMembersSQL, args, func(ids []int64) error { return v.Add(ctx, ids) })
}

// walk yields the units of a membership query in batches, each read before it is handed over.
func (v *NewVersion) walk(ctx context.Context, query string, args []any, f func(ids []int64) error) error {
	for last := int64(0); ; {
		var ids []int64
		err := v.j.app.eachRow(ctx, query, append(args[:len(args):len(args)], last, membershipBatch), func(scan func(...any) error) error {
			err := scan(&last)
			ids = append(ids, last)
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := f(ids); err != nil {
			return err
		}
	}
}

// eachRow calls f with each row of a query on the readers.
func (a *App) eachRow(ctx context.Context, query string, args []any, f func(scan func(...any) error) error) error {
	rows, err := a.db.Reader().DB.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

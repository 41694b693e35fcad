package pulp

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// A version that a distribution serves is protected: pinned itself, through a publication, or
// as what a distribution of the repository serves at present: the newest version with a
// publication, if its type (?2) serves publications, else the newest one; and all versions with
// checkpoints, if it serves these. Asked of versions ?3 to ?4.
const protectedSQL = `SELECT v.id FROM repository_version v WHERE v.repository_id = ?1 AND v.number BETWEEN ?3 AND ?4 AND (
  EXISTS (SELECT 1 FROM distribution d WHERE d.version_id = v.id)
  OR EXISTS (SELECT 1 FROM publication p CROSS JOIN distribution d ON d.publication_id = p.id WHERE p.version_id = v.id)
  OR EXISTS (SELECT 1 FROM distribution d WHERE d.repository_id = ?1 AND d.pulp_type IN (SELECT value FROM json_each(?2)))
    AND v.number = (SELECT w.number FROM repository_version w WHERE w.repository_id = ?1 AND w.complete
      AND EXISTS (SELECT 1 FROM publication p WHERE p.version_id = w.id AND p.complete) ORDER BY w.number DESC LIMIT 1)
  OR EXISTS (SELECT 1 FROM distribution d WHERE d.repository_id = ?1 AND d.pulp_type NOT IN (SELECT value FROM json_each(?2)))
    AND v.number = (SELECT latest FROM repository WHERE id = ?1)
  OR EXISTS (SELECT 1 FROM distribution d WHERE d.repository_id = ?1 AND d.checkpoint)
    AND EXISTS (SELECT 1 FROM publication p WHERE p.version_id = v.id AND p.checkpoint AND p.complete))`

// protected are the ids of those of a repository's versions that must not be deleted.
func protected(ctx context.Context, db bun.IDB, repository, from, to int64) (map[int64]bool, error) {
	rows, err := raw(db).QueryContext(ctx, protectedSQL, repository, FromContext(ctx).publishedTypes(), from, to)
	if err != nil {
		return nil, fmt.Errorf("find protected versions: %w", err)
	}
	defer rows.Close()
	out := map[int64]bool{}
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		out[id] = true
	}
	return out, rows.Err()
}

var errProtected = Refuse("The repository version cannot be deleted because it (or its publications) are currently being used to distribute content. Please update the necessary distributions first.")

type deleteVersionArgs struct{ Version int64 }

var deleteVersionTask = &Task[deleteVersionArgs, struct{}]{Name: "pulpcore.app.tasks.repository.delete_version", RunTx: runDeleteVersion}

// deleteVersion answers DELETE: it refuses what the task would refuse, and dispatches it.
func deleteVersion(ctx context.Context, v *Version) (id ID, err error) {
	a := FromContext(ctx)
	err = a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := mayDelete(ctx, tx, v); err != nil {
			return err
		}
		repo, err := a.nameIn(ctx, tx, repositoryKind, v.RepositoryID)
		if err != nil {
			return err
		}
		t, err := deleteVersionTask.Dispatch(ctx, tx, deleteVersionArgs{v.ID}, Exclusive(fullName(repo)), Exclusive(v))
		if err == nil {
			id = t.ID
		}
		return err
	})
	return id, err
}

// mayDelete refuses to delete what is distributed.
func mayDelete(ctx context.Context, tx bun.Tx, v *Version) error {
	safe, err := protected(ctx, tx, v.RepositoryID, v.Number, v.Number)
	if err == nil && safe[v.ID] {
		err = errProtected
	}
	return err
}

func runDeleteVersion(ctx context.Context, tx bun.Tx, _ *Job, args deleteVersionArgs) (struct{}, error) {
	v, err := NewModel[Version]().First(ctx, tx, byKey(args.Version), completeVersion)
	if err != nil {
		return struct{}{}, err
	}
	if err := mayDelete(ctx, tx, v); err != nil {
		return struct{}{}, err
	}
	var others bool
	const othersSQL = "SELECT EXISTS (SELECT 1 FROM repository_version WHERE repository_id = ? AND complete AND id <> ?)"
	if err := tx.Tx.QueryRowContext(ctx, othersSQL, v.RepositoryID, v.ID).Scan(&others); err != nil {
		return struct{}{}, err
	}
	if !others {
		return struct{}{}, &TaskError{Code: "PLP0011", Text: "Cannot delete repository version. Repositories must have at least one repository version."}
	}
	return struct{}{}, hide(ctx, tx, v)
}

const (
	hideVersionSQL      = "UPDATE repository_version SET complete = 0 WHERE id = ?"
	dropPublicationsSQL = "DELETE FROM publication AS p WHERE p.version_id = ? AND NOT " + largeFiles
	// Large ones vanish, too; see erase.go.
	hidePublicationsSQL = "UPDATE publication SET complete = 0, checkpoint_of = NULL, task_id = NULL WHERE version_id = ?"
	fallBackSQL         = `UPDATE repository SET latest = (SELECT max(number) FROM repository_version WHERE repository_id = ?1 AND complete)
WHERE id = ?1`
	neighboursSQL = `SELECT n.id, n.number, p.number FROM repository_version n
LEFT JOIN repository_version p ON p.repository_id = n.repository_id AND p.number =
  (SELECT max(number) FROM repository_version WHERE repository_id = n.repository_id AND complete AND number < n.number)
WHERE n.repository_id = ?1 AND n.number =
  (SELECT min(number) FROM repository_version WHERE repository_id = ?1 AND complete AND number > ?2)`
)

// hide makes a version disappear: at once for readers; its rows go when the repository is next
// changed. The version after it then counts its changes, too.
func hide(ctx context.Context, tx bun.Tx, v *Version) error {
	for _, step := range []struct {
		query string
		arg   int64
	}{{hideVersionSQL, v.ID}, {dropPublicationsSQL, v.ID}, {hidePublicationsSQL, v.ID}, {fallBackSQL, v.RepositoryID}} {
		if _, err := tx.Tx.ExecContext(ctx, step.query, step.arg); err != nil {
			return fmt.Errorf("delete version %d: %w", v.Number, err)
		}
	}
	var next Version
	var prev int64
	var prevNumber *int64
	rows, err := tx.Tx.QueryContext(ctx, neighboursSQL, v.RepositoryID, v.Number)
	if err != nil {
		return fmt.Errorf("delete version %d: %w", v.Number, err)
	}
	defer rows.Close()
	if !rows.Next() {
		return rows.Err()
	}
	if err := rows.Scan(&next.ID, &next.Number, &prevNumber); err != nil {
		return err
	}
	if prev = -1; prevNumber != nil {
		prev = *prevNumber
	}
	if err := rows.Close(); err != nil {
		return err
	}
	return foldCounts(ctx, tx, v, &next, prev)
}

const retainSQL = `SELECT v.id, v.number, r.retain_repo_versions FROM repository r CROSS JOIN repository_version v ON v.repository_id = r.id
WHERE r.id = ? AND r.retain_repo_versions IS NOT NULL AND v.complete ORDER BY v.number DESC`

// retain deletes the versions that the repository does not want to keep. Those that are
// distributed stay, beyond the number of those that are kept.
func (a *App) retain(ctx context.Context, tx bun.Tx, repository int64) error {
	all, keep, err := retainable(ctx, tx, repository)
	if err != nil || int64(len(all)) <= keep {
		return err
	}
	safe, err := protected(ctx, tx, repository, 0, all[0].Number)
	if err != nil {
		return err
	}
	for _, v := range all {
		switch {
		case safe[v.ID]:
		case keep > 0:
			keep--
		default:
			if err := hide(ctx, tx, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// retainable are the versions of a repository that keeps only some, newest first, and how many it
// keeps. One that keeps all has none here.
func retainable(ctx context.Context, tx bun.Tx, repository int64) (all []*Version, keep int64, err error) {
	rows, err := tx.Tx.QueryContext(ctx, retainSQL, repository)
	if err != nil {
		return nil, 0, fmt.Errorf("retain versions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		v := &Version{RepositoryID: repository}
		if err := rows.Scan(&v.ID, &v.Number, &keep); err != nil {
			return nil, 0, err
		}
		all = append(all, v)
	}
	return all, keep, rows.Err()
}

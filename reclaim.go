package pulp

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

// ReclaimSpace is the body of the operation that throws away files that can be had again.
type ReclaimSpace struct {
	Repositories []string `json:"repo_hrefs" validate:"required,min=1" doc:"A list of repository hrefs or PRNs, or '*' for all repositories."`
	Keep         []string `json:"repo_versions_keeplist" pulp:"format=uri" doc:"A list of repository versions that will be protected from the reclaim."`
}

type reclaimArgs struct{ Repositories, Keep []int64 }

var reclaimTask = &Task[reclaimArgs, struct{}]{Name: "pulpcore.app.tasks.reclaim_space.reclaim_space", Run: runReclaim}

func reclaimOperation() Part {
	return upkeep[ReclaimSpace]{"repositories_reclaim_space_reclaim", "POST", "repositories/reclaim_space/", "Repositories: Reclaim_Space", "Reclaim disk space", "ReclaimSpace", startReclaim}
}

func startReclaim(ctx context.Context, tx bun.Tx, in *ReclaimSpace) (_ ticketed, err error) {
	a := FromContext(ctx)
	var args reclaimArgs
	if slices.Contains(in.Repositories, "*") {
		if len(in.Repositories) > 1 {
			return nil, FieldErrors{"repo_hrefs": {"Cannot supply repositories and '*'."}}
		}
		args.Repositories, err = a.allRepositories(ctx, tx)
	} else {
		args.Repositories, err = a.named(ctx, tx, "repo_hrefs", repositoryKind, "repositories", in.Repositories)
	}
	if err != nil {
		return nil, err
	}
	if args.Keep, err = a.named(ctx, tx, "repo_versions_keeplist", versionKind, "repository versions", in.Keep); err != nil {
		return nil, err
	}
	var needs []DispatchOption
	for _, id := range args.Repositories {
		name, err := a.nameIn(ctx, tx, repositoryKind, id)
		if err != nil {
			return nil, err
		}
		needs = append(needs, Shared(fullName(name)))
	}
	if needs == nil {
		needs = append(needs, Exclusive(Name("reclaim_space")))
	}
	return reclaimTask.Dispatch(ctx, tx, args, needs...)
}

func (a *App) allRepositories(ctx context.Context, tx bun.Tx) (ids []int64, err error) {
	rows, err := tx.Tx.QueryContext(ctx, "SELECT id FROM repository WHERE domain_id = ? AND pulp_type <> 0 ORDER BY id", a.domain.ID)
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

const (
	// reclaimUnitsSQL are the units of a repository, in any of its versions.
	reclaimUnitsSQL = `SELECT DISTINCT m.content_id FROM repository_content m CROSS JOIN content c ON c.id = m.content_id
WHERE m.repository_id = ?1 AND m.content_id > ?2 AND c.pulp_type IN (SELECT value FROM json_each(?3)) ORDER BY m.content_id LIMIT ?4`
	// reclaimFilesSQL lets go of the files of some units (?1) that a remote has, if no repository
	// beyond ?2 has the unit and none of the versions ?3 holds it.
	reclaimFilesSQL = `UPDATE content_artifact AS ca SET artifact_id = NULL
WHERE ca.content_id IN (SELECT value FROM json_each(?1)) AND ca.artifact_id IS NOT NULL
  AND EXISTS (SELECT 1 FROM remote_artifact ra CROSS JOIN remote r ON r.id = ra.remote_id AND r.pulp_type <> 0
    WHERE ra.content_artifact_id = ca.id AND ra.sha256 IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM repository_content m WHERE m.content_id = ca.content_id AND m.repository_id NOT IN (SELECT value FROM json_each(?2)))
  AND NOT EXISTS (SELECT 1 FROM json_each(?3) k CROSS JOIN repository_version v ON v.id = k.value
    CROSS JOIN repository_content m ON m.repository_id = v.repository_id AND m.content_id = ca.content_id
    WHERE m.added <= v.number AND (m.removed IS NULL OR m.removed > v.number))`
	// reclaimHeldSQL are the artifacts of such files, read before they are let go.
	reclaimHeldSQL = `SELECT ca.artifact_id FROM content_artifact ca
WHERE ca.content_id IN (SELECT value FROM json_each(?1)) AND ca.artifact_id IS NOT NULL`
	dropReclaimedSQL = `DELETE FROM artifact AS a WHERE a.id IN (SELECT value FROM json_each(?1)) AND ` + orphanFile + ` RETURNING sha256`
)

// runReclaim walks over the units of each repository. What it has thrown away is fetched again
// when a client asks for it.
func runReclaim(ctx context.Context, j *Job, args reclaimArgs) (struct{}, error) {
	var types []int64
	for typ, face := range j.app.contents {
		if face.reclaimable {
			types = append(types, typ)
		}
	}
	done := j.Progress("reclaim-space.artifact", "Reclaim disk space", 0)
	for _, repository := range args.Repositories {
		for last := int64(0); ; {
			var units []int64
			err := j.app.eachRow(ctx, reclaimUnitsSQL, []any{repository, last, jsonIDs(types), orphanBatch}, func(scan func(...any) error) error {
				err := scan(&last)
				units = append(units, last)
				return err
			})
			if err == nil && len(units) > 0 {
				err = j.reclaim(ctx, units, args, done)
			}
			if err != nil {
				return struct{}{}, fmt.Errorf("reclaim space: %w", err)
			}
			if len(units) == 0 {
				break
			}
		}
	}
	return struct{}{}, nil
}

// reclaim throws away the files of a batch of units that can be had again.
func (j *Job) reclaim(ctx context.Context, units []int64, args reclaimArgs, done *Progress) error {
	var sums []string
	err := j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		held, err := textsOf(ctx, tx, reclaimHeldSQL, jsonIDs(units))
		if err != nil {
			return err
		}
		if _, err := tx.Tx.ExecContext(ctx, reclaimFilesSQL, jsonIDs(units), jsonIDs(args.Repositories), jsonIDs(args.Keep)); err != nil {
			return err
		}
		sums, err = textsOf(ctx, tx, dropReclaimedSQL, "["+strings.Join(held, ",")+"]")
		return err
	})
	if err != nil {
		return err
	}
	done.Add(int64(len(sums)))
	return j.app.removeBlobs(ctx, sums, lateRow)
}

package pulp

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// aging declares the daily task that deletes versions which others replaced long ago. Each
// repository has a task of its own, so that a busy one keeps no other waiting.
type aging struct{}

type ageArgs struct{ Repository int64 }

const (
	// agedSQL are the versions of a repository (?1) that another one replaced before a time (?2).
	agedSQL = `SELECT v.id, v.number FROM repository_version v WHERE v.repository_id = ?1 AND v.complete
AND v.number < (SELECT latest FROM repository WHERE id = ?1)
AND (SELECT n.pulp_created FROM repository_version n WHERE n.repository_id = ?1 AND n.complete AND n.number > v.number ORDER BY n.number LIMIT 1) < ?2
AND NOT EXISTS (SELECT 1 FROM publication p CROSS JOIN superseded s ON s.publication_id = p.id WHERE p.version_id = v.id AND s.expires_at > ?3)
AND v.number > ?4 ORDER BY v.number LIMIT ?5`
	// agedRepositoriesSQL are the repositories whose oldest version, of more than one, is that old.
	agedRepositoriesSQL = `SELECT r.id FROM repository r WHERE (SELECT n.pulp_created FROM repository_version n
WHERE n.repository_id = r.id AND n.complete ORDER BY n.number LIMIT 1 OFFSET 1) < ?`
	agedBatch = 50
)

func (aging) declare(r *registry, owner Plugin) error {
	keep := r.app.cfg.VersionRetention
	if keep <= 0 {
		return nil
	}
	one := &Task[ageArgs, struct{}]{Name: "pulp.tasks.retain_versions", Run: func(ctx context.Context, j *Job, args ageArgs) (struct{}, error) {
		return struct{}{}, j.forgetAged(ctx, args.Repository, keep)
	}}
	all := &Task[struct{}, struct{}]{Name: "pulp.tasks.version_retention", Run: func(ctx context.Context, j *Job, _ struct{}) (struct{}, error) {
		return struct{}{}, j.startAging(ctx, one, keep)
	}}
	daily := Schedule{Name: "pulp.tasks.version_retention", Every: 24 * time.Hour, Work: all.With(struct{}{})}
	for _, p := range []Part{one, all, daily} {
		if err := p.declare(r, owner); err != nil {
			return err
		}
	}
	return nil
}

// startAging dispatches a task for each repository that has aged versions.
func (j *Job) startAging(ctx context.Context, one *Task[ageArgs, struct{}], keep time.Duration) error {
	var ids []int64
	before := int64(TimeOf(j.app.clock().Add(-keep)))
	err := j.app.eachRow(ctx, agedRepositoriesSQL, []any{before}, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("find repositories with old versions: %w", err)
	}
	return inParts(ids, agedBatch, func(part []int64) error {
		return j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
			for _, id := range part {
				name, err := j.app.nameIn(ctx, tx, repositoryKind, id)
				if err != nil {
					j.Log().Warn("the versions of a repository stay", "repository", id, "error", err)
					continue
				}
				if _, err := one.Dispatch(ctx, tx, ageArgs{id}, Exclusive(fullName(name))); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// forgetAged deletes the aged versions of a repository, but never the latest one and none that is
// distributed, or was until a moment ago.
func (j *Job) forgetAged(ctx context.Context, repository int64, keep time.Duration) error {
	now := j.app.clock()
	for last := int64(-1); ; {
		seen := 0
		err := j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
			old, err := agedVersions(ctx, tx, repository, TimeOf(now.Add(-keep)), TimeOf(now), last)
			seen = len(old)
			if err != nil || seen == 0 {
				return err
			}
			safe, err := protected(ctx, tx, repository, old[0].Number, old[seen-1].Number)
			for _, v := range old {
				if last = v.Number; err == nil && !safe[v.ID] {
					err = hide(ctx, tx, v)
				}
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("delete old versions: %w", err)
		}
		if seen < agedBatch {
			return nil
		}
	}
}

func agedVersions(ctx context.Context, tx bun.Tx, repository int64, before, now Time, last int64) (out []*Version, err error) {
	rows, err := tx.Tx.QueryContext(ctx, agedSQL, repository, int64(before), int64(now), last, agedBatch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		v := &Version{RepositoryID: repository}
		if err := rows.Scan(&v.ID, &v.Number); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

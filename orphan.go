package pulp

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// OrphansCleanup is the body of the operation that deletes what nobody needs any more.
type OrphansCleanup struct {
	Content    []string `json:"content_hrefs" validate:"omitempty,min=1" doc:"Will delete specified content and associated Artifacts if they are orphans."`
	Protection *int64   `json:"orphan_protection_time" validate:"omitempty,min=0,max=4294967295" doc:"The time in minutes for how long Pulp will hold orphan Content and Artifacts before they become candidates for deletion by this orphan cleanup task."`
}

type orphanArgs struct {
	Content []int64 // nil: all
	// Minutes is how long what came in or was used last is kept; negative means what Config says.
	Minutes int64
}

var orphanTask = &Task[orphanArgs, struct{}]{Name: "pulpcore.app.tasks.orphan.orphan_cleanup", Run: runOrphanCleanup}

// orphans is what is reserved by who deletes orphans.
const orphans = Name("orphans")

// orphanOperations declares the clean-up: POST orphans/cleanup/, its elder DELETE orphans/, and
// a daily run.
type orphanOperations struct{}

func (orphanOperations) declare(r *registry, owner Plugin) error {
	parts := []Part{
		orphanTask,
		upkeep[OrphansCleanup]{"orphans_cleanup_cleanup", "POST", "orphans/cleanup/", "Orphans: Cleanup", "Clean up orphans", "OrphansCleanup", startOrphanCleanup},
		upkeep[struct{}]{"orphans_delete", "DELETE", "orphans/", "Orphans", "Delete orphans", "",
			func(ctx context.Context, tx bun.Tx, _ *struct{}) (ticketed, error) {
				return startOrphanCleanup(ctx, tx, &OrphansCleanup{})
			}},
	}
	if r.app.cfg.OrphanProtection >= 0 {
		parts = append(parts, Schedule{Name: "pulp.tasks.orphans", Every: 24 * time.Hour, Work: orphanTask.With(orphanArgs{Minutes: -1}, Exclusive(orphans))})
	}
	for _, p := range parts {
		if err := p.declare(r, owner); err != nil {
			return err
		}
	}
	return nil
}

func startOrphanCleanup(ctx context.Context, tx bun.Tx, in *OrphansCleanup) (ticketed, error) {
	args := orphanArgs{Minutes: -1}
	if in.Protection != nil {
		args.Minutes = *in.Protection
	}
	if in.Content != nil {
		var err error
		if args.Content, err = FromContext(ctx).named(ctx, tx, "content_hrefs", contentKind, "content units", in.Content); err != nil {
			return nil, err
		}
	}
	return orphanTask.Dispatch(ctx, tx, args, Exclusive(orphans))
}

// protection is how long orphans are kept that were used last so many minutes ago.
func (a *App) protection(minutes int64) time.Duration {
	switch {
	case minutes >= 0:
		return time.Duration(minutes) * time.Minute
	case a.cfg.OrphanProtection > 0:
		return a.cfg.OrphanProtection
	}
	return 24 * time.Hour
}

const (
	// orphanUnit and orphanFile are the rules for a unit c and an artifact a that nobody needs.
	orphanUnit = `NOT EXISTS (SELECT 1 FROM repository_content m WHERE m.content_id = c.id)
  AND NOT EXISTS (SELECT 1 FROM content_artifact ca CROSS JOIN published_artifact p ON p.content_artifact_id = ca.id WHERE ca.content_id = c.id)`
	orphanFile = `NOT EXISTS (SELECT 1 FROM content_artifact ca WHERE ca.artifact_id = a.id)
  AND NOT EXISTS (SELECT 1 FROM published_artifact p WHERE p.artifact_id = a.id)`

	// goneVersionsSQL are the versions that were deleted and whose membership still stands.
	goneVersionsSQL = `SELECT v.repository_id, v.number FROM repository_version v JOIN repository r ON r.id = v.repository_id
WHERE NOT v.complete AND v.number < r.latest ORDER BY v.repository_id, v.number`
	orphanUnitsSQL = `SELECT c.id FROM content c WHERE c.id > ?1 AND c.id <= ?2 AND c.touched < ?3 AND ` + orphanUnit
	dropUnitsSQL   = `DELETE FROM content AS c WHERE c.id IN (SELECT value FROM json_each(?1)) AND c.touched < ?2 AND ` + orphanUnit
	orphanFilesSQL = `SELECT a.id FROM artifact a WHERE a.id > ?1 AND a.id <= ?2 AND a.touched < ?3 AND ` + orphanFile
	dropFilesSQL   = `DELETE FROM artifact AS a WHERE a.id IN (SELECT value FROM json_each(?1)) AND a.touched < ?2 AND ` + orphanFile + ` RETURNING sha256`
)

// orphanWindow is how many rows are looked at by one question, and orphanBatch how many are
// deleted in one transaction, since all writers wait meanwhile.
const (
	orphanWindow = 20_000
	orphanBatch  = 500
)

// A cleaning deletes what nobody needs and nobody has used since a time, batch by batch. What
// it has deleted stays deleted if it is canceled.
type cleaning struct {
	j              *Job
	before         Time
	content, files *Progress
}

func runOrphanCleanup(ctx context.Context, j *Job, args orphanArgs) (struct{}, error) {
	keep := j.app.protection(args.Minutes)
	c := &cleaning{
		j: j, before: TimeOf(j.app.clock().Add(-keep)),
		content: j.Progress("clean-up.content", "Clean up orphan Content", 0),
		files:   j.Progress("clean-up.artifacts", "Clean up orphan Artifacts", 0),
	}
	if args.Minutes == 0 {
		c.before++ // also what came in this very moment
	}
	return struct{}{}, c.run(ctx, args.Content, keep)
}

func (c *cleaning) run(ctx context.Context, only []int64, keep time.Duration) error {
	if err := c.forgetGone(ctx); err != nil {
		return fmt.Errorf("clean up deleted versions: %w", err)
	}
	if only != nil {
		if err := c.dropUnits(ctx, only); err != nil {
			return err
		}
	} else if err := c.each(ctx, "content", orphanUnitsSQL, c.dropUnits); err != nil {
		return err
	}
	if err := c.each(ctx, "artifact", orphanFilesSQL, c.dropFiles); err != nil {
		return err
	}
	if only != nil {
		return nil
	}
	return c.j.app.sweepBlobs(ctx, keep)
}

// forgetGone makes units orphans that were in deleted versions only.
func (c *cleaning) forgetGone(ctx context.Context) error {
	type gone struct{ repository, number int64 }
	var all []gone
	err := c.j.app.eachRow(ctx, goneVersionsSQL, nil, func(scan func(...any) error) error {
		var g gone
		err := scan(&g.repository, &g.number)
		all = append(all, g)
		return err
	})
	var done gap
	for _, g := range all {
		if err == nil {
			done, err = c.j.clear(ctx, g.repository, g.number, done)
		}
	}
	return err
}

// each calls drop with the orphans of a table, window by window.
func (c *cleaning) each(ctx context.Context, table, find string, drop func(context.Context, []int64) error) error {
	a := c.j.app
	var last int64
	if err := scanOne(ctx, a.db.Reader(), "SELECT ifnull(max(id), 0) FROM "+table, nil, &last); err != nil {
		return fmt.Errorf("clean up %s: %w", table, err)
	}
	for from := int64(0); from < last; from += orphanWindow {
		var ids []int64
		err := a.eachRow(ctx, find, []any{from, from + orphanWindow, c.before}, func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
		if err == nil {
			err = drop(ctx, ids)
		}
		if err != nil {
			return fmt.Errorf("clean up %s: %w", table, err)
		}
	}
	return nil
}

func (c *cleaning) dropUnits(ctx context.Context, ids []int64) error {
	return inParts(ids, orphanBatch, func(part []int64) error {
		n, err := c.j.exec(ctx, dropUnitsSQL, jsonIDs(part), c.before)
		c.content.Add(n)
		return err
	})
}

// dropFiles deletes the rows first and the bytes after the commit: a row never names a blob that
// is not there.
func (c *cleaning) dropFiles(ctx context.Context, ids []int64) error {
	return inParts(ids, orphanBatch, func(part []int64) error {
		var sums []string
		err := c.j.Tx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
			sums, err = textsOf(ctx, tx, dropFilesSQL, jsonIDs(part), c.before)
			return err
		})
		if err != nil {
			return err
		}
		c.files.Add(int64(len(sums)))
		return c.j.app.removeBlobs(ctx, sums, lateRow)
	})
}

// orphanedFilter finds what nobody needs and nobody has used for so many minutes; -1 is as many
// as protect it from the daily clean-up.
func orphanedFilter(alias, rule string) Filter {
	return Filter{Name: "orphaned_for", Doc: "Minutes Content has been orphaned for. -1 uses the protection time of the clean-up.",
		Value: schema.Value{Type: schema.Number},
		Where: func(ctx context.Context, value string) (Where, error) {
			n, err := readFloat(value)
			if err != nil {
				return nil, Refuse("%s", err)
			}
			a := FromContext(ctx)
			keep := a.protection(-1)
			if minutes := n.(float64); minutes >= 0 {
				keep = time.Duration(minutes * float64(time.Minute))
			}
			before := int64(TimeOf(a.clock().Add(-keep)))
			return func(q *bun.SelectQuery) *bun.SelectQuery {
				return q.Where(alias+".touched <= ?", before).Where(rule)
			}, nil
		}}
}

package pulp

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// A checkpoint is a publication that stays reachable below the time at which it was made, in a
// distribution that serves checkpoints. Times are to the second: "20250131T235959Z".
const checkpointLayout = "20060102T150405Z"

const (
	checkpointsSQL = `SELECT pulp_created FROM publication WHERE checkpoint_of = ? AND complete ORDER BY pulp_created`
	checkpointSQL  = publicationShelfSQL + " AND p.checkpoint_of = ? AND p.pulp_created < ? ORDER BY p.pulp_created DESC, p.id DESC LIMIT 1"
	// What is beyond the number that the repository (?1) wants to keep is a checkpoint no more.
	retainCheckpointsSQL = `UPDATE publication SET checkpoint = 0, checkpoint_of = NULL, pulp_last_updated = ?2 WHERE id IN (
SELECT id FROM publication WHERE checkpoint_of = ?1 AND complete ORDER BY pulp_created DESC, id DESC
LIMIT -1 OFFSET (SELECT coalesce(retain_checkpoints, 9223372036854775807) FROM repository WHERE id = ?1))`
)

// retainCheckpoints makes plain publications of a repository's oldest checkpoints, if it does not
// want to keep them.
func retainCheckpoints(ctx context.Context, tx bun.Tx, repository int64) error {
	if _, err := tx.Tx.ExecContext(ctx, retainCheckpointsSQL, repository, int64(FromContext(ctx).now())); err != nil {
		return fmt.Errorf("retain checkpoints: %w", err)
	}
	return nil
}

// serveCheckpoint finds a path below a distribution that serves checkpoints: their list, or what
// lies in the newest one at the time that the path begins with.
func (a *App) serveCheckpoint(ctx context.Context, d *servedDistribution, path, rel string, open opener) (*Served, error) {
	if d.repository == nil {
		return nil, nothingHere("Distribution is not pointing to a repository.")
	}
	if rel == "" {
		return a.listCheckpoints(ctx, d, path)
	}
	first, rest, inside := strings.Cut(rel, "/")
	at, err := time.Parse(checkpointLayout, first)
	if err != nil || at.Format(checkpointLayout) != first || at.After(a.clock()) {
		return nil, nothingHere("Checkpoints are named by their times, like 20250131T235959Z, which must not be in the future.")
	}
	s, err := a.oneShelf(ctx, d, checkpointSQL, *d.repository, int64(TimeOf(at.Add(time.Second))))
	if err != nil {
		return nil, err
	}
	// The shelf's own date may be that of the distribution, which changed later.
	if made := s.made.Time().Format(checkpointLayout); made != first || !inside {
		return &Served{Redirect: d.base + "/" + made + "/" + rest}, nil
	}
	return a.serveFrom(ctx, s, path, rest, open)
}

// listCheckpoints lists the times of a repository's checkpoints.
func (a *App) listCheckpoints(ctx context.Context, d *servedDistribution, path string) (*Served, error) {
	var entries []Entry
	err := a.eachRow(ctx, checkpointsSQL, []any{*d.repository}, func(scan func(...any) error) error {
		var made Time
		err := scan(&made)
		e := Entry{Name: made.Time().Format(checkpointLayout) + "/", Size: -1}
		if n := len(entries); n == 0 || entries[n-1].Name != e.Name {
			entries = append(entries, e)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list checkpoints: %w", err)
	}
	return &Served{Listing: &Listing{Path: path, Entries: sequence(entries)}}, nil
}

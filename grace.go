package pulp

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// Who has read the metadata of a publication asks for its files a little later. If another
// publication has taken its place by then, the distribution still serves those files of the one
// before at paths that the new one lacks, for a grace period. At a path that both have, there is only
// the new one's.

const (
	// supersededSQL puts down that a distribution (?1) served a publication until now.
	supersededSQL = `INSERT INTO superseded (distribution_id, publication_id, expires_at)
SELECT ?1, p.id, ?2 FROM publication p JOIN repository_version v ON v.id = p.version_id WHERE p.complete AND v.complete`
	again = ` ON CONFLICT (distribution_id, publication_id) DO UPDATE SET expires_at = excluded.expires_at`
	// outdatedSQL does so for all distributions of a repository (?1), or of one of its versions (?4),
	// that serve its newest publication and shall serve a new one (?3) from now on.
	outdatedSQL = `INSERT INTO superseded (distribution_id, publication_id, expires_at)
SELECT d.id, p.id, ?2 FROM distribution d CROSS JOIN publication p ON p.id = (
  SELECT p.id FROM publication p JOIN repository_version v ON v.id = p.version_id
  WHERE p.complete AND v.complete AND v.repository_id = ?1 AND p.id <> ?3 ORDER BY v.number DESC, p.id DESC LIMIT 1) WHERE d.repository_id = ?1
UNION ALL SELECT d.id, p.id, ?2 FROM distribution d CROSS JOIN publication p ON p.id = (
  SELECT max(id) FROM publication WHERE complete AND version_id = ?4 AND id <> ?3) WHERE d.version_id = ?4` + again
	forgetSupersededSQL = `DELETE FROM superseded WHERE distribution_id = ? AND expires_at <= ?`
	forgetOutdatedSQL   = `DELETE FROM superseded WHERE expires_at <= ?1 AND distribution_id IN (
  SELECT id FROM distribution WHERE repository_id = ?2 UNION ALL SELECT id FROM distribution WHERE version_id = ?3)`
	stillServedSQL = publicationShelfSQL + ` AND p.id <> ?3 AND p.id IN (
  SELECT publication_id FROM superseded WHERE distribution_id = ?1 AND expires_at > ?2 ORDER BY expires_at DESC LIMIT 16) ORDER BY p.id DESC`
)

// supersede remembers what a distribution served before it was pointed elsewhere.
func supersede[D any](ctx context.Context, tx bun.Tx, old, m *Distribution[D]) error {
	a := FromContext(ctx)
	if old == nil || a.cfg.PublicationGrace < 0 || same(old.RepositoryID, m.RepositoryID) && same(old.VersionID, m.VersionID) && same(old.PublicationID, m.PublicationID) {
		return nil
	}
	query, arg := "", old.PublicationID
	switch {
	case old.PublicationID != nil:
		query = " AND p.id = ?3"
	case old.VersionID != nil:
		query, arg = " AND v.id = ?3"+newestSQL, old.VersionID
	case old.RepositoryID != nil:
		query, arg = " AND v.repository_id = ?3"+newestSQL, old.RepositoryID
	default:
		return nil
	}
	if _, err := tx.Tx.ExecContext(ctx, forgetSupersededSQL, m.ID, int64(a.now())); err != nil {
		return fmt.Errorf("forget what was served: %w", err)
	}
	if _, err := tx.Tx.ExecContext(ctx, supersededSQL+query+again, m.ID, a.graceEnd(), *arg); err != nil {
		return fmt.Errorf("remember what was served: %w", err)
	}
	return nil
}

func same(a, b *int64) bool { return a == b || a != nil && b != nil && *a == *b }

// outdate remembers what a publication that appears takes the place of.
func (a *App) outdate(ctx context.Context, tx bun.Tx, v *Version, publication int64) error {
	if a.cfg.PublicationGrace < 0 {
		return nil
	}
	if _, err := tx.Tx.ExecContext(ctx, forgetOutdatedSQL, int64(a.now()), v.RepositoryID, v.ID); err != nil {
		return fmt.Errorf("forget what was served: %w", err)
	}
	if _, err := tx.Tx.ExecContext(ctx, outdatedSQL, v.RepositoryID, a.graceEnd(), publication, v.ID); err != nil {
		return fmt.Errorf("remember what was served: %w", err)
	}
	return nil
}

// graceEnd is until when what is superseded now is served.
func (a *App) graceEnd() int64 {
	grace := a.cfg.PublicationGrace
	if grace == 0 {
		grace = 3 * 24 * time.Hour
	}
	return int64(TimeOf(a.clock().Add(grace)))
}

// serveSuperseded looks for a file in what a distribution served before; nil if it is in none.
func (a *App) serveSuperseded(ctx context.Context, d *servedDistribution, now *shelf, rel string) (*Served, error) {
	var shelves []*shelf
	args := []any{d.id, int64(a.now()), now.publication}
	err := a.eachRow(ctx, stillServedSQL, args, func(scan func(...any) error) error {
		s := &shelf{}
		err := scan(&s.publication, &s.version, &s.repository, &s.number, &s.made, &s.typ)
		s.changed = max(s.made, d.changed)
		shelves = append(shelves, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find what was served: %w", err)
	}
	for _, s := range shelves {
		f, err := a.fileAt(ctx, s, rel)
		if err != nil {
			return nil, err
		}
		if f != nil {
			return a.openFile(ctx, s, f)
		}
	}
	return nil, nil
}

package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
)

// A PublishedUnit is a unit of the version that is being published, with its file.
type PublishedUnit[D any] struct {
	Detail D
	File   PublishedFile // of several files the first by path; its Path is empty if there is none
}

const publishedUnitsSQL = `SELECT c.id, CASE WHEN c.pulp_type = ?6 THEN c.detail END, coalesce(ca.relative_path, ''),
  coalesce(a.sha256, ra.sha256, ''), coalesce(a.size, ra.size, -1)
FROM (SELECT n.content_id FROM repository_content n WHERE n.repository_id = ?1 AND n.added <= ?2 AND (n.removed IS NULL OR n.removed > ?3)
  AND n.content_id < ?4 ORDER BY n.content_id DESC LIMIT ?5) AS m
CROSS JOIN content c ON c.id = m.content_id
LEFT JOIN content_artifact ca ON ca.id = (SELECT f.id FROM content_artifact f WHERE f.content_id = c.id ORDER BY f.relative_path LIMIT 1)
LEFT JOIN artifact a ON a.id = ca.artifact_id
LEFT JOIN remote_artifact ra ON ra.id = ` + firstSource + `
ORDER BY c.id DESC`

// Published yields the units of this type in the version that is being published, newest first, read in
// batches.
func (t *ContentType[D]) Published(ctx context.Context, p *Publishing) iter.Seq2[PublishedUnit[D], error] {
	return func(yield func(PublishedUnit[D], error) bool) {
		typ, err := p.app.typeOf(contentKind, t)
		for last, more := int64(1)<<62, true; more && err == nil; {
			var units []PublishedUnit[D]
			args := []any{p.version.RepositoryID, p.version.Number, p.version.Number, last, membershipBatch, typ}
			more = false
			err = p.app.eachRow(ctx, publishedUnitsSQL, args, func(scan func(...any) error) error {
				var u PublishedUnit[D]
				var detail *string
				more = true
				if err := scan(&last, &detail, &u.File.Path, &u.File.SHA256, &u.File.Size); err != nil || detail == nil {
					return err
				}
				if err := json.Unmarshal([]byte(*detail), &u.Detail); err != nil {
					return err
				}
				units = append(units, u)
				return nil
			})
			for i := 0; err == nil && i < len(units); i++ {
				if !yield(units[i], nil) {
					return
				}
			}
		}
		if err != nil {
			yield(PublishedUnit[D]{}, fmt.Errorf("list published units: %w", err))
		}
	}
}

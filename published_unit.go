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

// The units of a type (?6) of version ?2 of repository ?1, below id ?4: a batch of all types, since
// only its end says where to go on.
const publishedUnitsSQL = `SELECT c.id, CASE WHEN c.pulp_type = ?6 THEN c.detail END, coalesce(ca.relative_path, ''),
  coalesce(a.sha256, ra.sha256, ''), coalesce(a.size, ra.size, -1)
FROM repository_content n CROSS JOIN content c ON c.id = n.content_id
LEFT JOIN content_artifact ca ON ca.id = (SELECT f.id FROM content_artifact f WHERE f.content_id = c.id ORDER BY f.relative_path LIMIT 1)
LEFT JOIN artifact a ON a.id = ca.artifact_id
LEFT JOIN remote_artifact ra ON ra.id = ` + firstSource + `
WHERE n.repository_id = ?1 AND n.added <= ?2 AND (n.removed IS NULL OR n.removed > ?3) AND n.content_id < ?4
ORDER BY n.content_id DESC LIMIT ?5`

// Published yields the units of this type in the version that is being published, newest first. They are
// read in batches: memory does not grow with their number.
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

// PublishedRepository is the repository whose version is being published, as it is now.
func PublishedRepository[D any](ctx context.Context, p *Publishing) (*Repository[D], error) {
	repo, err := NewModel[Repository[D]]().First(ctx, p.app.db.Reader(), byKey(p.version.RepositoryID))
	if err != nil {
		return nil, fmt.Errorf("read the repository that is published: %w", err)
	}
	return repo, nil
}

// Autopublish makes an OnVersion of a [RepositoryType] that publishes each new version, with the settings
// that wanted says, if it wants that for the repository.
func Autopublish[D, P any](t *PublicationType[P], wanted func(repo *D) (settings P, ok bool)) func(context.Context, *Job, *Repository[D], *Version) error {
	return func(ctx context.Context, j *Job, repo *Repository[D], v *Version) error {
		settings, ok := wanted(&repo.Detail)
		if !ok {
			return nil
		}
		return t.Create(ctx, j, v, settings)
	}
}

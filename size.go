package pulp

import (
	"context"
	"encoding/json"
	"fmt"
)

// A RepositorySize says what the files of a repository take, those of all its versions and of
// their publications. Each file counts once, in whatever units and versions it is.
type RepositorySize struct {
	// Files is how many files are here.
	Files int64 `json:"files" doc:"How many different files of all versions are stored here."`
	// Unique is how many bytes no other repository has: what deleting this one would free.
	Unique int64 `json:"unique_bytes" doc:"Bytes of files that no other repository has."`
	// Shared is how many bytes other repositories have as well.
	Shared int64 `json:"shared_bytes" doc:"Bytes of files that other repositories have as well."`
	// Absent is how many bytes of files are known and not here yet, as far as remotes tell.
	Absent int64 `json:"absent_bytes" doc:"Bytes of files on demand that have not been fetched, as far as remotes tell their size."`
}

const (
	// The files of a batch of units.
	sizeFilesSQL = `SELECT unit.content_id, coalesce(a.id, 0), coalesce(a.size, (SELECT max(ra.size) FROM remote_artifact ra WHERE ra.content_artifact_id = ca.id), 0)
FROM (SELECT DISTINCT content_id FROM repository_content WHERE repository_id = ?1 AND content_id > ?2
  AND added <= (SELECT latest FROM repository WHERE id = ?1) ORDER BY content_id LIMIT ?3) unit
LEFT JOIN content_artifact ca ON ca.content_id = unit.content_id LEFT JOIN artifact a ON a.id = ca.artifact_id`
	// The metadata of publications; the parameters are as before, the place is a publication.
	sizeMetadataSQL = `SELECT one.id, coalesce(a.id, 0), coalesce(a.size, 0)
FROM (SELECT p.id FROM repository_version v CROSS JOIN publication p ON p.version_id = v.id
  WHERE v.repository_id = ?1 AND p.id > ?2 AND p.complete AND v.complete ORDER BY p.id LIMIT ?3) one
LEFT JOIN published_artifact pa ON pa.publication_id = one.id AND pa.artifact_id IS NOT NULL
LEFT JOIN artifact a ON a.id = pa.artifact_id`
	// Those of some files (?2) that other repositories have, too.
	sizeSharedSQL = `SELECT f.value FROM json_each(?2) AS f WHERE
EXISTS (SELECT 1 FROM content_artifact ca CROSS JOIN repository_content m ON m.content_id = ca.content_id AND m.repository_id <> ?1 WHERE ca.artifact_id = f.value)
OR EXISTS (SELECT 1 FROM published_artifact pa CROSS JOIN publication p ON p.id = pa.publication_id CROSS JOIN repository_version v ON v.id = p.version_id AND v.repository_id <> ?1
  WHERE pa.artifact_id = f.value)`
)

// RepositorySize adds up what the files of the repository with an id take. It reads each of its
// units once, in batches, and keeps nobody waiting: some seconds for a million units. What changes
// meanwhile may be counted or not. ErrNotFound says that there is no such repository.
func (a *App) RepositorySize(ctx context.Context, id int64) (*RepositorySize, error) {
	if _, err := a.nameIn(ctx, a.db.Reader(), repositoryKind, id); err != nil {
		return nil, fmt.Errorf("size of repository: %w", err)
	}
	s := &sizing{app: a, repository: id}
	for _, query := range []string{sizeFilesSQL, sizeMetadataSQL} {
		if err := s.walk(ctx, query); err != nil {
			return nil, fmt.Errorf("size of repository: %w", err)
		}
	}
	return &s.RepositorySize, nil
}

// A sizing adds up the files of a repository.
type sizing struct {
	RepositorySize
	app        *App
	repository int64
	seen       idSet
}

func (s *sizing) walk(ctx context.Context, query string) error {
	for last := int64(0); ; {
		next := last
		sizes := map[int64]int64{} // of files that were not seen before
		err := s.app.eachRow(ctx, query, []any{s.repository, last, membershipBatch}, func(scan func(...any) error) error {
			var at, id, size int64
			if err := scan(&at, &id, &size); err != nil {
				return err
			}
			next = max(next, at)
			switch {
			case id == 0:
				s.Absent += size
			case !s.seen.has(id):
				s.seen.add(id)
				sizes[id] = size
			}
			return nil
		})
		if err == nil && len(sizes) > 0 {
			err = s.count(ctx, sizes)
		}
		if err != nil || next == last {
			return err
		}
		last = next
	}
}

// count adds files, of which it finds out whether others have them.
func (s *sizing) count(ctx context.Context, sizes map[int64]int64) error {
	ids := make([]int64, 0, len(sizes))
	for id, size := range sizes {
		ids = append(ids, id)
		s.Files++
		s.Unique += size
	}
	return s.app.eachRow(ctx, sizeSharedSQL, []any{s.repository, jsonIDs(ids)}, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		s.Unique -= sizes[id]
		s.Shared += sizes[id]
		return err
	})
}

// sizeOperation is GET size/ of a repository, for whoever may see it.
func sizeOperation[D any](v *view[Repository[D]], owner Plugin) []Operation {
	o := v.operation(owner, "size", "size/", true, Operation{
		Method: "GET", Summary: "Report the size of a repository", Answer: objectOf[RepositorySize]("RepositorySize"), Codes: []AnswerKind{OK},
		Do: func(ctx context.Context, r *Request) (*Answer, error) {
			m, err := v.one(ctx, v.app.db.Reader(), r.Vars)
			if err != nil {
				return nil, err
			}
			size, err := v.app.RepositorySize(ctx, m.ID)
			if err != nil {
				return nil, err
			}
			body, err := json.Marshal(size)
			return &Answer{Kind: OK, Body: body}, err
		},
	})
	o.action = "retrieve"
	return []Operation{o}
}

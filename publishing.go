package pulp

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/uptrace/bun"
)

// Publishing is a task that makes a publication. The publication appears, with all its files,
// when the task completes.
type Publishing struct {
	app         *App
	j           *Job
	version     *Version
	id          int64
	passThrough bool
	checkpoint  bool
}

// Version is what is being published.
func (p *Publishing) Version() *Version { return p.version }

// A PublishedFile is a file of a unit of the version that is being published.
type PublishedFile struct {
	Path   string
	SHA256 string // in hex; empty if neither the file is here nor its remote tells
	Size   int64  // in bytes; -1 if neither the file is here nor its remote tells
}

// firstSource is the oldest source of a file ca; not one of a remote that was deleted.
const firstSource = `(SELECT min(s.id) FROM remote_artifact s CROSS JOIN remote r ON r.id = s.remote_id AND r.pulp_type <> 0 WHERE s.content_artifact_id = ca.id)`

// publishedFilesSQL reads the files of a batch of units; one without files is a row without a path, so that
// the next batch is found behind it.
const publishedFilesSQL = `SELECT c.id, ca.relative_path, coalesce(a.sha256, ra.sha256, ''), coalesce(a.size, ra.size, -1)
FROM repository_content m CROSS JOIN content c ON c.id = m.content_id
LEFT JOIN content_artifact ca ON ca.content_id = c.id
LEFT JOIN artifact a ON a.id = ca.artifact_id
LEFT JOIN remote_artifact ra ON ra.id = ` + firstSource + `
WHERE ` + inVersion + ` AND m.content_id < ? AND m.content_id IN (
  SELECT n.content_id FROM repository_content n WHERE n.repository_id = ?1 AND n.added <= ?2 AND (n.removed IS NULL OR n.removed > ?3)
  AND n.content_id < ?4 ORDER BY n.content_id DESC LIMIT ?5)
ORDER BY m.content_id DESC, ca.relative_path`

// Files yields the files of the version's units, newest unit first, read in batches.
func (p *Publishing) Files(ctx context.Context) iter.Seq2[PublishedFile, error] {
	return func(yield func(PublishedFile, error) bool) {
		for last := int64(1) << 62; ; {
			var files []PublishedFile
			end := true
			args := []any{p.version.RepositoryID, p.version.Number, p.version.Number, last, membershipBatch}
			err := p.app.eachRow(ctx, publishedFilesSQL, args, func(scan func(...any) error) error {
				var f PublishedFile
				var path *string
				err := scan(&last, &path, &f.SHA256, &f.Size)
				if end = false; path != nil {
					f.Path = *path
					files = append(files, f)
				}
				return err
			})
			if err != nil {
				yield(PublishedFile{}, fmt.Errorf("list published files: %w", err))
				return
			}
			for _, f := range files {
				if !yield(f, nil) {
					return
				}
			}
			if end {
				return
			}
		}
	}
}

// Write adds a file of metadata at a path of the publication. write gets a writer of its bytes.
func (p *Publishing) Write(ctx context.Context, path string, write func(w io.Writer) error) error {
	_, err := p.WriteUnder(ctx, func(PublishedFile) []string { return []string{path} }, write)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// WriteUnder is [Publishing.Write] for a file that lies at several paths, or at one that its digest
// is part of: paths is asked once the file, whose Path is empty, is written. Of no path nothing is
// added. What it returns has the first one.
func (p *Publishing) WriteUnder(ctx context.Context, paths func(f PublishedFile) []string, write func(w io.Writer) error) (PublishedFile, error) {
	in, err := p.app.spool(ctx, write)
	if err != nil {
		return PublishedFile{}, err
	}
	defer in.Discard()
	f := PublishedFile{SHA256: in.SHA256, Size: in.Size}
	at := paths(f)
	if len(at) == 0 {
		return f, nil
	}
	f.Path = at[0]
	return f, p.add(ctx, in, at...)
}

const publishFileSQL = `INSERT INTO published_artifact (publication_id, relative_path, artifact_id) VALUES (?, ?, ?)`

// add puts a received file into the publication.
func (p *Publishing) add(ctx context.Context, f *Incoming, paths ...string) error {
	for _, path := range paths {
		if !ValidPath(path) {
			return &TaskError{Code: "PLP0012", Text: fmt.Sprintf("Cannot create publication. %q is no path of a file below a directory.", path)}
		}
	}
	if err := p.app.keep(ctx, f); err != nil {
		return err
	}
	return p.j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		ids, err := p.app.saveArtifacts(ctx, tx, f.Sums)
		if err != nil {
			return err
		}
		for _, path := range paths {
			if _, err := tx.Tx.ExecContext(ctx, publishFileSQL, p.id, path, ids[f.SHA256]); err != nil {
				return fmt.Errorf("publish %s: %w", path, err)
			}
		}
		return nil
	})
}

const (
	ownPublicationSQL      = "UPDATE publication SET task_id = ? WHERE id = ?"                                      // see strayPublications
	dropUnmadeSQL          = "DELETE FROM publication AS p WHERE p.id = ? AND NOT p.complete AND NOT " + largeFiles // the sweep takes large ones
	completePublicationSQL = "UPDATE publication SET complete = 1 WHERE id = ?"
	publishedPathsSQL      = "SELECT relative_path FROM published_artifact WHERE publication_id = ? AND relative_path > ? ORDER BY relative_path LIMIT ?"
	publishedAboveSQL      = "SELECT f.relative_path FROM json_each(?2) AS dir CROSS JOIN published_artifact f ON f.publication_id = ?1 AND f.relative_path = dir.value LIMIT 1"
	// A unit's file of version ?2 at one of several paths (?3), or below one (?4).
	unitAtSQL = `SELECT ca.relative_path FROM json_each(?3) AS path CROSS JOIN content_artifact ca ON ca.relative_path = path.value
CROSS JOIN repository_content m ON m.repository_id = ?1 AND m.content_id = ca.content_id AND m.added <= ?2 AND (m.removed IS NULL OR m.removed > ?2)
UNION ALL SELECT ca.relative_path FROM content_artifact ca
CROSS JOIN repository_content m ON m.repository_id = ?1 AND m.content_id = ca.content_id AND m.added <= ?2 AND (m.removed IS NULL OR m.removed > ?2)
WHERE ca.relative_path > ?4 || '/' AND ca.relative_path < ?4 || '0' LIMIT 1`
)

// begin makes a publication of type t that nobody sees yet, with the settings of another one.
func (t *PublicationType[D]) begin(ctx context.Context, j *Job, typ int64, v *Version, like *Publication[D]) (*Publishing, *Publication[D], error) {
	name, err := j.app.resourceName(ctx, j.app.db.Reader(), v)
	if err != nil {
		return nil, nil, err
	}
	repo, err := j.app.nameByID(ctx, repositoryKind, v.RepositoryID)
	if err != nil {
		return nil, nil, err
	}
	if !j.Reserved(name, false) && !j.Reserved(repo, false) {
		return nil, nil, fmt.Errorf("publish %s: neither it nor its repository: %w", name, ErrNotReserved)
	}
	pub := &Publication[D]{VersionID: v.ID, PublisherID: like.PublisherID, PassThrough: t.PassThrough, Checkpoint: like.Checkpoint, Detail: like.Detail}
	if pub.PulpType = typ; pub.Checkpoint {
		pub.CheckpointOf = &v.RepositoryID
	}
	err = j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := NewModel[Publication[D]]().Insert(ctx, tx, pub); err != nil {
			return err
		}
		if _, err := tx.Tx.ExecContext(ctx, ownPublicationSQL, j.id, pub.ID); err != nil {
			return err
		}
		return j.app.owned(ctx, tx, j.app.kinds[publicationKind].ends[typ], pub.ID)
	})
	return &Publishing{app: j.app, j: j, version: v, id: pub.ID, passThrough: t.PassThrough, checkpoint: pub.Checkpoint}, pub, err
}

// finish checks the publication and makes it appear when the task completes.
func (p *Publishing) finish(ctx context.Context) error {
	if err := p.checkPaths(ctx); err != nil {
		return err
	}
	p.j.OnFinish(func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.Tx.ExecContext(ctx, completePublicationSQL, p.id)
		if err == nil && p.checkpoint {
			err = retainCheckpoints(ctx, tx, p.version.RepositoryID)
		}
		if err == nil {
			err = p.app.outdate(ctx, tx, p.version, p.id)
		}
		if err == nil {
			p.j.Created(publicationKind, p.id)
		}
		return err
	})
	return nil
}

// checkPaths refuses metadata at the path of another file, or where one of the two has its
// directory. The files of units are among themselves as they were in the version.
func (p *Publishing) checkPaths(ctx context.Context) error {
	for last := ""; ; {
		var paths []string
		err := p.app.eachRow(ctx, publishedPathsSQL, []any{p.id, last, membershipBatch}, func(scan func(...any) error) error {
			err := scan(&last)
			paths = append(paths, last)
			return err
		})
		if err != nil {
			return fmt.Errorf("check publication: %w", err)
		}
		if len(paths) == 0 {
			return nil
		}
		for _, path := range paths {
			clash, err := p.clash(ctx, path)
			if err != nil {
				return fmt.Errorf("check publication: %w", err)
			}
			if clash != "" {
				return &TaskError{Code: "PLP0012", Text: fmt.Sprintf("Cannot create publication. Path is duplicated, or both a file and a directory: %s.", clash)}
			}
		}
	}
}

// clash finds another file that metadata at a path cannot lie beside; empty for none.
func (p *Publishing) clash(ctx context.Context, path string) (clash string, err error) {
	db, above := p.app.db.Reader(), prefixes(path)
	if len(above) > 0 {
		err = scanOne(ctx, db, publishedAboveSQL, []any{p.id, jsonTexts(above)}, &clash)
	}
	if err != nil || clash != "" || !p.passThrough {
		return clash, err
	}
	v := p.version
	err = scanOne(ctx, db, unitAtSQL, []any{v.RepositoryID, v.Number, jsonTexts(append(above, path)), path}, &clash)
	return clash, err
}

// Create makes a publication of a version inside a task that makes the version, or that
// reserves it or its repository.
func (t *PublicationType[D]) Create(ctx context.Context, j *Job, v *Version, d D) error {
	typ, err := j.app.typeOf(publicationKind, t)
	if err != nil {
		return err
	}
	_, err = t.make(ctx, j, typ, v, &Publication[D]{Detail: d})
	return err
}

// make runs the plugin's function and completes the publication.
func (t *PublicationType[D]) make(ctx context.Context, j *Job, typ int64, v *Version, like *Publication[D]) (*Publication[D], error) {
	p, pub, err := t.begin(ctx, j, typ, v, like)
	if err != nil {
		return nil, err
	}
	if t.Publish != nil {
		err = t.Publish(ctx, p, pub)
	}
	if err == nil {
		err = p.finish(ctx)
	}
	return pub, p.dropIf(err)
}

// dropIf forgets the publication if there is an error, which it returns.
func (p *Publishing) dropIf(err error) error {
	if err == nil {
		return nil
	}
	drop := func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.Tx.ExecContext(ctx, dropUnmadeSQL, p.id)
		return err
	}
	if lost := p.j.CleanUp(drop); lost != nil {
		p.j.Log().Warn("rows of a publication that was not made stay until the next sweep", "error", lost)
	}
	return err
}

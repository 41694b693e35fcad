package pulp

import (
	"context"
	"fmt"
	"iter"
	"path"
	"strings"
)

// The statements that find the file at a path share their parameters: the repository, the number
// of the version, the path, the slot, the publication.
const (
	publishedAtSQL = `SELECT pa.relative_path, coalesce(pa.content_artifact_id, 0), coalesce(a.sha256, ''), coalesce(a.size, -1)
FROM published_artifact pa LEFT JOIN content_artifact ca ON ca.id = pa.content_artifact_id
LEFT JOIN artifact a ON a.id = coalesce(pa.artifact_id, ca.artifact_id)
WHERE pa.publication_id = ?5 AND pa.relative_path = ?3`
	// A unit whose only file's path is its slot is found by its slot: among those that are still
	// there, or that have been removed since.
	slotAtSQL = `SELECT ca.relative_path, ca.id, coalesce(a.sha256, ''), coalesce(a.size, -1)
FROM repository_content m CROSS JOIN content_artifact ca ON ca.content_id = m.content_id LEFT JOIN artifact a ON a.id = ca.artifact_id
WHERE m.repository_id = ?1 AND m.slot = ?4 AND m.removed IS NULL AND m.added <= ?2 AND ca.relative_path = ?3
UNION ALL
SELECT ca.relative_path, ca.id, coalesce(a.sha256, ''), coalesce(a.size, -1)
FROM repository_content m CROSS JOIN content_artifact ca ON ca.content_id = m.content_id LEFT JOIN artifact a ON a.id = ca.artifact_id
WHERE m.repository_id = ?1 AND m.slot = ?4 AND m.removed > ?2 AND m.added <= ?2 AND ca.relative_path = ?3 LIMIT 1`
	// What is published at a path, or else lies there.
	publishedOrSlotAtSQL = publishedAtSQL + "\nUNION ALL\n" + slotAtSQL
	memberAtSQL          = `SELECT ca.relative_path, ca.id, coalesce(a.sha256, ''), coalesce(a.size, -1)
FROM content_artifact ca CROSS JOIN repository_content m ON m.repository_id = ?1 AND m.content_id = ca.content_id
LEFT JOIN artifact a ON a.id = ca.artifact_id
WHERE ca.relative_path = ?3 AND m.added <= ?2 AND (m.removed IS NULL OR m.removed > ?2) LIMIT 1`
)

// fileAt finds the file at a path of a shelf; nil for none.
func (a *App) fileAt(ctx context.Context, s *shelf, path string) (f *shelvedFile, err error) {
	args := func(slot []byte) []any { return []any{s.repository, s.number, path, slot, s.publication} }
	face := a.repositories[s.typ]
	switch {
	case s.version == 0:
		return a.oneFile(ctx, publishedAtSQL, args(nil)...)
	case face == nil:
		return nil, fmt.Errorf("the plugin of the repository is not in this program: %w", ErrNotFound)
	}
	for i, typ := range face.content {
		c, query := a.contents[typ], slotAtSQL
		if !c.single {
			if f, err = a.oneFile(ctx, publishedAtSQL, args(nil)...); f != nil || err != nil {
				return f, err
			}
			return a.oneFile(ctx, memberAtSQL, s.repository, s.number, path)
		}
		if i == 0 {
			query = publishedOrSlotAtSQL // one question instead of two
		}
		slot := c.slotOf(path)
		if f, err = a.oneFile(ctx, query, args(slot[:])...); f != nil || err != nil {
			return f, err
		}
	}
	return nil, nil
}

func (a *App) oneFile(ctx context.Context, query string, args ...any) (*shelvedFile, error) {
	rows, err := a.db.Reader().DB.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("find file: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, rows.Err()
	}
	var f shelvedFile
	if err := rows.Scan(&f.path, &f.contentArtifact, &f.sha256, &f.size); err != nil {
		return nil, fmt.Errorf("find file: %w", err)
	}
	return &f, rows.Err()
}

// belowSQL yields the files of a publication (?1) and of a version (?2, ?3) from a path (?4) up
// to, but not with, another one (?5).
const belowSQL = `SELECT pa.relative_path, coalesce(a.size, -1) FROM published_artifact pa
LEFT JOIN content_artifact ca ON ca.id = pa.content_artifact_id LEFT JOIN artifact a ON a.id = coalesce(pa.artifact_id, ca.artifact_id)
WHERE pa.publication_id = ?1 AND pa.relative_path >= ?4 AND pa.relative_path < ?5
UNION ALL
SELECT ca.relative_path, coalesce(a.size, ra.size, -1) FROM content_artifact ca
CROSS JOIN repository_content m ON m.repository_id = ?2 AND m.content_id = ca.content_id AND m.added <= ?3 AND (m.removed IS NULL OR m.removed > ?3)
LEFT JOIN artifact a ON a.id = ca.artifact_id
LEFT JOIN remote_artifact ra ON ra.id = ` + firstSource + `
WHERE ca.relative_path >= ?4 AND ca.relative_path < ?5
ORDER BY 1 LIMIT ?6`

const listingBatch = 500

type listed struct {
	path string
	size int64
}

// below reads files of a directory and its subdirectories, from a path on.
func (a *App) below(ctx context.Context, s *shelf, dir, from string, limit int) (out []listed, err error) {
	end := "\U0010FFFF"
	if dir != "" {
		end = strings.TrimSuffix(dir, "/") + "0" // the byte after a slash
	}
	repository := s.repository
	if s.version == 0 {
		repository = 0
	}
	args := []any{s.publication, repository, s.number, from, end, limit}
	err = a.eachRow(ctx, belowSQL, args, func(scan func(...any) error) error {
		var l listed
		err := scan(&l.path, &l.size)
		out = append(out, l)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list %q: %w", dir, err)
	}
	return out, nil
}

// listShelf lists a directory of a shelf. A subdirectory costs one seek, however much it holds.
func (a *App) listShelf(ctx context.Context, s *shelf, whole, dir string) (*Served, error) {
	first, err := a.below(ctx, s, dir, dir, listingBatch)
	if err != nil {
		return nil, err
	}
	if len(first) == 0 && dir != "" {
		return nil, ErrNotFound
	}
	entries := func(yield func(Entry, error) bool) {
		files, from, last := first, dir, ""
		for len(files) > 0 {
			for _, f := range files {
				e := Entry{Name: f.path[len(dir):], Size: f.size, Modified: s.changed}
				from = f.path + "\x00"
				if sub, _, deeper := strings.Cut(e.Name, "/"); deeper {
					e = Entry{Name: sub + "/", Size: -1}
					from = dir + sub + "0"
				}
				if e.Name != last && !yield(e, nil) {
					return
				}
				last = e.Name
			}
			if len(files) < listingBatch {
				return
			}
			var err error
			if files, err = a.below(ctx, s, dir, from, listingBatch); err != nil {
				yield(Entry{}, err)
				return
			}
		}
	}
	return &Served{Listing: &Listing{Path: whole, Entries: entries}}, nil
}

const basesSQL = `SELECT base_path FROM distribution
WHERE domain_id = ? AND NOT hidden AND base_path > ? AND base_path < ? ORDER BY base_path`

// listBases lists the distributions below a path that none of them serves.
func (a *App) listBases(ctx context.Context, path string) (*Served, error) {
	dir := strings.TrimSuffix(path, "/")
	from, end := "", "\U0010FFFF"
	if dir != "" {
		from, end = dir+"/", dir+"0"
	}
	var entries []Entry
	err := a.eachRow(ctx, basesSQL, []any{a.domain.ID, from, end}, func(scan func(...any) error) error {
		var base string
		err := scan(&base)
		name, _, _ := strings.Cut(base[min(len(from), len(base)):], "/")
		if n := len(entries); n == 0 || entries[n-1].Name != name+"/" {
			entries = append(entries, Entry{Name: name + "/", Size: -1})
		}
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("list distributions: %w", err)
	case len(entries) == 0 && dir != "":
		return nil, ErrNotFound
	case dir != "" && !strings.HasSuffix(path, "/"):
		return &Served{Redirect: path + "/"}, nil
	}
	return &Served{Listing: &Listing{Path: path, Entries: sequence(entries)}}, nil
}

// sequence yields entries that are known already.
func sequence(entries []Entry) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// A shelved file is one that a path leads to.
type shelvedFile struct {
	path            string
	contentArtifact int64  // 0 for metadata
	sha256          string // empty if its bytes are not here
	size            int64
}

// settled is the second after t, once it has come, else zero: HTTP's dates have no parts of
// seconds, and a client that asks by If-Modified-Since alone, be it with the time when it asked last, must
// not take what was there earlier in a second for what is there now.
func (a *App) settled(t Time) Time {
	if t = (t/1e6 + 1) * 1e6; t > a.now() {
		return 0
	}
	return t
}

// openFile opens a file, which may mean to fetch it first.
func (a *App) openFile(ctx context.Context, s *shelf, f *shelvedFile) (*Served, error) {
	out := &ServedFile{Name: path.Base(f.path), Size: f.size, SHA256: f.sha256, Modified: a.settled(s.changed)}
	if f.sha256 == "" {
		if err := a.onDemand(ctx, f, out); err != nil {
			return nil, err
		}
		return &Served{File: out}, nil
	}
	file, err := a.openArtifact(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("open artifact %s: %w", f.sha256, err)
	}
	out.ReadSeekCloser = file
	return &Served{File: out}, nil
}

package pulp

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ValidPath says whether p is a path of a file below a directory: relative, without empty, "."
// or ".." parts, control characters, or blanks at the ends of a part.
func ValidPath(p string) bool {
	if p == "" || !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl) {
		return false
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == "" || part == "." || part == ".." || strings.TrimSpace(part) != part {
			return false
		}
	}
	return true
}

// CanonicalPath says whether p is a path that clients may choose: a [ValidPath] without white
// space, '?' and '#'.
func CanonicalPath(p string) bool {
	return ValidPath(p) && !strings.ContainsAny(p, "?#") && !strings.ContainsFunc(p, unicode.IsSpace)
}

// parentPath is the directory of p; empty at the root.
func parentPath(p string) string { return p[:max(0, strings.LastIndexByte(p, '/'))] }

const (
	// Two units of the version, one of which is new in it, with a file at one path.
	samePathSQL = `SELECT ca.relative_path FROM repository_content m INDEXED BY repository_content_added
CROSS JOIN content_artifact ca ON ca.content_id = m.content_id
CROSS JOIN content_artifact other ON other.relative_path = ca.relative_path AND other.content_id <> ca.content_id
CROSS JOIN repository_content o ON o.repository_id = m.repository_id AND o.content_id = other.content_id AND o.removed IS NULL
WHERE m.repository_id = ? AND m.added = ? AND m.removed IS NULL LIMIT 1`
	// A new file where others have a directory.
	belowPathSQL = `SELECT ca.relative_path FROM repository_content m INDEXED BY repository_content_added
CROSS JOIN content_artifact ca ON ca.content_id = m.content_id
CROSS JOIN content_artifact other ON other.relative_path > ca.relative_path || '/' AND other.relative_path < ca.relative_path || '0'
CROSS JOIN repository_content o ON o.repository_id = m.repository_id AND o.content_id = other.content_id AND o.removed IS NULL
WHERE m.repository_id = ? AND m.added = ? AND m.removed IS NULL LIMIT 1`
	// The files of a version at one of several paths.
	fileAtSQL = `SELECT ca.relative_path FROM json_each(?2) AS dir CROSS JOIN content_artifact ca ON ca.relative_path = dir.value
CROSS JOIN repository_content m ON m.repository_id = ?1 AND m.content_id = ca.content_id AND m.removed IS NULL LIMIT 1`
	newPathsSQL = `SELECT m.content_id, ca.relative_path FROM repository_content m INDEXED BY repository_content_added
CROSS JOIN content_artifact ca ON ca.content_id = m.content_id
WHERE m.repository_id = ?1 AND m.added = ?2 AND m.removed IS NULL AND m.content_id > ?3 AND m.content_id <= coalesce(
  (SELECT n.content_id FROM repository_content n WHERE n.repository_id = ?1 AND n.added = ?2 AND n.content_id > ?3
   ORDER BY n.content_id LIMIT 1 OFFSET ?4), 9223372036854775807)`
)

const emptyVersionSQL = "SELECT NOT EXISTS (SELECT 1 FROM version_count WHERE version_id = ? AND what = 'P' AND count > 0)"

// checkPaths refuses a version that is being built if its files could not all be served: two at
// one path, or one where another has its directory. Only what is new in it is looked at, and no
// more than is possible: where the path is the slot of the only type of content, two at one path
// are no version anyway; and where nothing was before, each directory is that of a new file.
func (a *App) checkPaths(ctx context.Context, v, prev *Version, face *repositoryFace) error {
	db := a.db.Reader()
	var first bool
	if err := scanOne(ctx, db, emptyVersionSQL, []any{prev.ID}, &first); err != nil {
		return fmt.Errorf("check paths: %w", err)
	}
	var queries []string
	if len(face.content) != 1 || !a.contents[face.content[0]].single {
		queries = append(queries, samePathSQL)
	}
	if !first {
		queries = append(queries, belowPathSQL)
	}
	for _, query := range queries {
		var path string
		if err := scanOne(ctx, db, query, []any{v.RepositoryID, v.Number}, &path); err != nil {
			return fmt.Errorf("check paths: %w", err)
		}
		if path != "" {
			return pathClash(path)
		}
	}
	return a.checkParents(ctx, v)
}

func pathClash(path string) error {
	return &TaskError{Code: "PLP0022", Text: fmt.Sprintf("Cannot create repository version. Path is duplicated, or both a file and a directory: %s.", path)}
}

// checkParents refuses a new file in a directory that is a file. It looks at the units in batches,
// each of which is read before the next query begins.
func (a *App) checkParents(ctx context.Context, v *Version) error {
	for last, more := int64(0), true; more; {
		more = false
		dirs := map[string]bool{}
		err := a.eachRow(ctx, newPathsSQL, []any{v.RepositoryID, v.Number, last, membershipBatch}, func(scan func(...any) error) error {
			var id int64
			var path string
			err := scan(&id, &path)
			for dir := parentPath(path); dir != "" && !dirs[dir]; dir = parentPath(dir) {
				dirs[dir] = true
			}
			last, more = max(last, id), true
			return err
		})
		if err != nil {
			return fmt.Errorf("check paths: %w", err)
		}
		var file string
		args := []any{v.RepositoryID, jsonTexts(slices.Collect(maps.Keys(dirs)))}
		if err := scanOne(ctx, a.db.Reader(), fileAtSQL, args, &file); err != nil {
			return fmt.Errorf("check paths: %w", err)
		}
		if file != "" {
			return pathClash(file)
		}
	}
	return nil
}

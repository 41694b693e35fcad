package pulp

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Served is what a path below a distribution leads to: a redirect, a file or a listing.
type Served struct {
	// Redirect is another path below the content root, where what was asked for is: that of a
	// directory has a slash at its end. It is decoded. Empty means none.
	Redirect string
	// File is a file whose bytes were verified, or are while they are read: see
	// [Config.StreamAbove] and [ServedFile.Whole]. The receiver closes it.
	File *ServedFile
	// Listing is a directory.
	Listing *Listing
	// Private says that a guard let the request pass: others may be refused.
	Private bool
}

// A ServedFile is an open file with what HTTP says of it.
type ServedFile struct {
	io.ReadSeekCloser
	Name     string // the last part of its path
	Size     int64  // in bytes; -1 if Look does not know it
	SHA256   string // in hex; its entity tag
	Modified Time   // when these bytes came to be at this path; zero as long as others may follow in the same second, the unit of HTTP's dates
}

// A Listing is a directory: its path below the content root, with a slash at the end, and its
// entries in the order of their names.
type Listing struct {
	Path    string
	Entries iter.Seq2[Entry, error]
}

// An Entry is a member of a directory.
type Entry struct {
	Name     string // a directory's ends in a slash
	Size     int64  // in bytes; -1 for a directory, or when it is not known
	Modified Time   // zero for a directory
}

// Serve finds what a path below the content root leads to; the path has neither prefix nor
// leading slash, and is decoded. A file that is known but not here yet is fetched from its
// remote, once for all who ask at the same time, verified, and (unless the remote's policy
// forbids it) kept. Reading a file above [Config.StreamAbove] may fail midway, and then what was read
// is worth nothing. A remote that did not deliver a file is not asked for it again for 30 seconds, and one
// that sent wrong bytes for 5 minutes. ErrNotFound, with a reason, says that there is nothing; ErrDenied that the
// distribution's guard does not let ctx's request pass, whatever is there (see
// [WithContentRequest] and [WithCaller] for what it sees of it).
func (a *App) Serve(ctx context.Context, path string) (*Served, error) {
	return a.lead(a.With(ctx), path, a.openFile)
}

// Look is Serve for who only wants to know: a file that is not here is not fetched, and cannot be
// read.
func (a *App) Look(ctx context.Context, path string) (*Served, error) {
	return a.lead(a.With(ctx), path, a.describeFile)
}

// An opener makes a file of a shelf ready for who asked.
type opener func(ctx context.Context, s *shelf, f *shelvedFile) (*Served, error)

func (a *App) lead(ctx context.Context, path string, open opener) (*Served, error) {
	commits, alone := a.db.Commits()
	if at, ok := a.finds.at(commits, path); ok && alone {
		if err := at.gate.pass(ctx, path); err != nil {
			return nil, err
		}
		return at.gate.private(open(ctx, at.shelf, at.file))
	}
	if !servable(path) {
		return nil, ErrNotFound
	}
	d, err := a.distributionAt(ctx, path)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return a.listBases(ctx, path)
	}
	gate, err := a.gateOf(ctx, d)
	if err == nil {
		err = gate.pass(ctx, path)
	}
	if err != nil {
		return nil, err
	}
	return gate.private(a.serveBelow(ctx, d, path, func(ctx context.Context, s *shelf, f *shelvedFile) (*Served, error) {
		if alone && f.sha256 != "" {
			a.finds.keep(commits, path, found{gate, s, f})
		}
		return open(ctx, s, f)
	}))
}

// serveBelow finds a path of a distribution whose guard has been asked.
func (a *App) serveBelow(ctx context.Context, d *servedDistribution, path string, open opener) (*Served, error) {
	if path == d.base {
		return &Served{Redirect: path + "/"}, nil
	}
	rel := strings.TrimPrefix(path, d.base+"/")
	if d.checkpoint {
		return a.serveCheckpoint(ctx, d, path, rel, open)
	}
	s, err := a.shelfOf(ctx, d)
	if err != nil {
		return nil, err
	}
	return a.serveAt(ctx, d, s, path, rel, open)
}

// serveAt finds a path on the shelf of a distribution, or on one that it had lately.
func (a *App) serveAt(ctx context.Context, d *servedDistribution, s *shelf, path, rel string, open opener) (*Served, error) {
	served, err := a.serveFrom(ctx, s, path, rel, open)
	if err == ErrNotFound && s.publication != 0 { // and not one of its kind, that a file is there and cannot be had
		if old, failed := a.serveSuperseded(ctx, d, s, rel); old != nil || failed != nil {
			return old, failed
		}
	}
	return served, err
}

// servable says whether a path could be that of a file or, with a slash at its end, a directory.
func servable(path string) bool {
	path = strings.TrimSuffix(path, "/")
	return path == "" || ValidPath(path)
}

// A served distribution, as far as a request needs it.
type servedDistribution struct {
	id, typ                          int64
	base                             string
	changed                          Time
	repository, version, publication *int64
	guard, remote                    *int64
	checkpoint                       bool
}

// At most one can match, since no base path lies below another one.
const distributionAtSQL = `SELECT id, pulp_type, base_path, pulp_last_updated, repository_id, version_id, publication_id, guard_id, remote_id, checkpoint
FROM distribution WHERE domain_id = ? AND base_path = ?`

// distributionAt finds the distribution below whose base path a path lies; nil for none. It looks
// at the directories from the top down, since base paths are short, and no two overlap.
func (a *App) distributionAt(ctx context.Context, path string) (*servedDistribution, error) {
	path = strings.TrimSuffix(path, "/")
	for end := 0; end < len(path); {
		next := strings.IndexByte(path[end+1:], '/')
		if end += 1 + next; next < 0 {
			end = len(path)
		}
		var d servedDistribution
		err := a.db.Reader().DB.QueryRowContext(ctx, distributionAtSQL, a.domain.ID, path[:end]).
			Scan(&d.id, &d.typ, &d.base, &d.changed, &d.repository, &d.version, &d.publication, &d.guard, &d.remote, &d.checkpoint)
		if err == nil {
			return &d, nil
		}
		if !noRows(err) {
			return nil, fmt.Errorf("find distribution: %w", err)
		}
	}
	return nil, nil
}

// A shelf is what a distribution serves: a publication, a version, or a publication that lets
// the files of its version through.
type shelf struct {
	publication int64 // 0 for none
	version     int64 // 0 for none
	repository  int64
	typ         int64 // of the repository
	number      int64
	made        Time // its version or publication
	changed     Time
}

const (
	publicationShelfSQL = `SELECT p.id, CASE WHEN p.pass_through THEN v.id ELSE 0 END, v.repository_id, v.number, p.pulp_created, (SELECT pulp_type FROM repository WHERE id = v.repository_id)
FROM publication p JOIN repository_version v ON v.id = p.version_id WHERE p.complete AND v.complete`
	versionShelfSQL = `SELECT 0, v.id, v.repository_id, v.number, v.pulp_created, (SELECT pulp_type FROM repository WHERE id = v.repository_id)
FROM repository_version v WHERE v.complete`
	newestSQL = " ORDER BY v.number DESC, p.id DESC LIMIT 1"
)

// nothingHere is an ErrNotFound that tells clients why.
type nothingHere string

func (e nothingHere) Error() string  { return string(e) }
func (e nothingHere) Detail() string { return string(e) }
func (e nothingHere) Unwrap() error  { return ErrNotFound }

// shelfOf finds what a distribution serves at this moment.
func (a *App) shelfOf(ctx context.Context, d *servedDistribution) (*shelf, error) {
	published := a.fromPublication[d.typ]
	query, arg := "", d.publication
	switch {
	case d.publication != nil:
		query = publicationShelfSQL + " AND p.id = ?"
	case d.version != nil && published:
		query, arg = publicationShelfSQL+" AND v.id = ?"+newestSQL, d.version
	case d.version != nil:
		query, arg = versionShelfSQL+" AND v.id = ?", d.version
	case d.repository != nil && published:
		query, arg = publicationShelfSQL+" AND v.repository_id = ?"+newestSQL, d.repository
	case d.repository != nil:
		query, arg = versionShelfSQL+" AND v.repository_id = ? ORDER BY v.number DESC LIMIT 1", d.repository
	default:
		return nil, nothingHere("Distribution is not pointing to a publication, repository, repository version, or remote.")
	}
	return a.oneShelf(ctx, d, query, *arg)
}

// oneShelf is the shelf of a distribution that a query finds.
func (a *App) oneShelf(ctx context.Context, d *servedDistribution, query string, args ...any) (*shelf, error) {
	rows, err := a.db.Reader().DB.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("find what is distributed: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, nothingHere("Nothing is published here yet.")
	}
	var s shelf
	if err := rows.Scan(&s.publication, &s.version, &s.repository, &s.number, &s.made, &s.typ); err != nil {
		return nil, fmt.Errorf("find what is distributed: %w", err)
	}
	// A date that never goes back, whatever the distribution is pointed at, so that clients which
	// only compare dates see each change.
	s.changed = max(s.made, d.changed)
	return &s, rows.Err()
}

// serveFrom finds a path on a shelf.
func (a *App) serveFrom(ctx context.Context, s *shelf, whole, rel string, open opener) (*Served, error) {
	if rel == "" || strings.HasSuffix(rel, "/") {
		f, err := a.fileAt(ctx, s, rel+"index.html")
		switch {
		case err != nil:
			return nil, err
		case f != nil:
			return open(ctx, s, f)
		}
		return a.listShelf(ctx, s, whole, rel)
	}
	f, err := a.fileAt(ctx, s, rel)
	switch {
	case err != nil:
		return nil, err
	case f != nil:
		return open(ctx, s, f)
	}
	below, err := a.below(ctx, s, rel+"/", rel+"/", 1)
	if err != nil {
		return nil, err
	}
	if len(below) > 0 {
		return &Served{Redirect: whole + "/"}, nil
	}
	return nil, ErrNotFound
}

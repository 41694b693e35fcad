package pulp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// LiveRoutes are the routes of a plugin below the paths of its distributions. httpapi.Live makes
// them: this package knows nothing of HTTP.
type LiveRoutes interface {
	// LiveRoutes marks the type.
	LiveRoutes()
}

// A Live is what a request below a distribution with [LiveRoutes] is about. It is of one moment:
// whatever changes meanwhile, the request sees one version of the repository. Its guard has let
// the request pass, and [CallerOf] its context tells who makes it.
type Live struct {
	// BasePath is the distribution's: "acme/stable".
	BasePath string
	// Path is what is asked for below it, decoded and without leading slash; empty for the
	// distribution itself.
	Path string
	// Version is what is served; nil if there is none, or nothing is published yet.
	Version *Version
	// Repository has what repositories of any type have, and can be reserved by a task; nil if
	// nothing of a repository is served.
	Repository *Repository[None]
	// Remote is where what is not here may come from ([Upstream]); nil if the distribution names
	// none. Its fields hold secrets: they are for the App, not for answers.
	Remote *Remote[None]
	// Prefix is that of the distribution's type, see [DistributionType]; empty for none.
	Prefix string
	// Private says that a guard let the request pass: others may be refused.
	Private bool

	app   *App
	d     *servedDistribution
	shelf *shelf
	empty error // why there is no shelf
}

// Live finds the distribution with routes below which a path lies, and asks its guard. Both results
// are nil for any other path, which is for [App.Serve]: also for one that lies nowhere, and for
// distributions of checkpoints. ErrDenied says that the guard refuses.
func (a *App) Live(ctx context.Context, path string) (*Live, LiveRoutes, error) {
	if len(a.liveRoutes) == 0 || !servable(path) {
		return nil, nil, nil
	}
	ctx = a.With(ctx)
	commits, alone := a.db.Commits()
	if _, ok := a.finds.at(commits, path); ok && alone {
		return nil, nil, nil // what is remembered there is a file of another distribution
	}
	d, err := a.distributionAt(ctx, path)
	if err != nil || d == nil || d.checkpoint || a.liveRoutes[d.typ] == nil {
		return nil, nil, err
	}
	gate, err := a.gateOf(ctx, d)
	if err == nil {
		err = gate.pass(ctx, path)
	}
	if err != nil {
		return nil, nil, err
	}
	l := &Live{BasePath: d.base, Path: strings.TrimPrefix(path[len(d.base):], "/"), Prefix: a.prefixes[d.typ], Private: gate != nil, app: a, d: d}
	return l, a.liveRoutes[d.typ], l.read(ctx)
}

// LivePath splits the path of a request into the [DistributionType].Prefix of a type and what is below it.
func (a *App) LivePath(path string) (prefix, below string, ok bool) {
	for _, prefix := range a.prefixes {
		if below, ok := strings.CutPrefix(path, prefix); ok {
			return prefix, below, true
		}
	}
	return "", "", false
}

// read finds what the distribution serves at this moment.
func (l *Live) read(ctx context.Context) (err error) {
	a, db := l.app, l.app.db.Reader()
	if l.d.remote != nil {
		if l.Remote, err = a.remoteOf(ctx, *l.d.remote); err != nil {
			return fmt.Errorf("read the distribution's remote: %w", err)
		}
	}
	if l.shelf, l.empty = a.shelfOf(ctx, l.d); l.empty != nil {
		if _, nothing := l.empty.(nothingHere); !nothing {
			return l.empty
		}
		return l.readRepository(ctx, l.d.repository)
	}
	l.Version, err = NewModel[Version]().First(ctx, db, completeVersion, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("v.repository_id = ? AND v.number = ?", l.shelf.repository, l.shelf.number)
	})
	if err != nil {
		return fmt.Errorf("read the distribution's version: %w", err)
	}
	return l.readRepository(ctx, &l.shelf.repository)
}

func (l *Live) readRepository(ctx context.Context, id *int64) (err error) {
	if id == nil {
		return nil
	}
	if l.Repository, err = NewModel[Repository[None]]().First(ctx, l.app.db.Reader(), byKey(*id), alive); err != nil {
		return fmt.Errorf("read the distribution's repository: %w", err)
	}
	return nil
}

// DistributionOf is the distribution that a request is about, with the fields of its type, which must be D.
func DistributionOf[D any](ctx context.Context, l *Live) (*Distribution[D], error) {
	m, err := NewModel[Distribution[D]]().First(ctx, l.app.db.Reader(), byKey(l.d.id))
	if err != nil {
		return nil, fmt.Errorf("read the distribution: %w", err)
	}
	return m, nil
}

// RemoteOf is the remote of a request's distribution, with the fields of its type, which must be D; ErrNotFound if
// there is none.
func RemoteOf[D any](ctx context.Context, l *Live) (*Remote[D], error) {
	if l.Remote == nil {
		return nil, fmt.Errorf("the distribution has no remote: %w", ErrNotFound)
	}
	m, err := NewModel[Remote[D]]().First(ctx, l.app.db.Reader(), byKey(l.Remote.ID), alive)
	if err != nil {
		return nil, fmt.Errorf("read the distribution's remote: %w", err)
	}
	return m, nil
}

// TaskHref is the path of a task in the API.
func (l *Live) TaskHref(ctx context.Context, id ID) string {
	return l.app.href(ctx, l.app.kinds[taskKind].ends[0], id.String(), nil)
}

// App is the App that serves.
func (l *Live) App() *App { return l.app }

// Serve is [App.Serve] for the request's path, in the version of the request.
func (l *Live) Serve(ctx context.Context) (*Served, error) { return l.lead(ctx, l.app.openFile) }

// Look is [App.Look] for the request's path, in the version of the request.
func (l *Live) Look(ctx context.Context) (*Served, error) { return l.lead(ctx, l.app.describeFile) }

func (l *Live) lead(ctx context.Context, open opener) (*Served, error) {
	if l.empty != nil {
		return nil, l.empty
	}
	return l.private(l.app.serveAt(ctx, l.d, l.shelf, l.d.base+"/"+l.Path, l.Path, open))
}

func (l *Live) private(s *Served, err error) (*Served, error) {
	if s != nil {
		s.Private = l.Private
	}
	return s, err
}

// ReadAt reads from the middle; one goroutine may at a time. The end of a file that is still on its way comes when
// all of it has been verified.
func (f *ServedFile) ReadAt(p []byte, off int64) (int, error) {
	if r, ok := f.ReadSeekCloser.(io.ReaderAt); ok {
		return r.ReadAt(p, off)
	}
	if _, err := f.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(f.ReadSeekCloser, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

const unitFileSQL = `SELECT ca.relative_path, ca.id, coalesce(a.sha256, ''), coalesce(a.size, -1)
FROM content_artifact ca LEFT JOIN artifact a ON a.id = ca.artifact_id WHERE ca.content_id = ? ORDER BY ca.relative_path LIMIT 1`

// ServeUnit is Serve for the first file of a unit, by its id, wherever the unit is: for one that
// came too late for the version of the request, see [App.SaveUnits].
func (l *Live) ServeUnit(ctx context.Context, unit int64) (*Served, error) {
	f, err := l.app.oneFile(ctx, unitFileSQL, unit)
	if err == nil && f == nil {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	s := l.shelf
	if s == nil {
		s = &shelf{changed: l.d.changed}
	}
	return l.private(l.app.openFile(ctx, s, f))
}

// Operation is what a request for an action ("modify", "sync") of the repository would call, with
// the variables of its path, so that routes which do such a thing in their own way ask for the same
// permissions. ErrNotFound says that there is no such action, or no repository.
func (l *Live) Operation(action string) (*Operation, map[string]string, error) {
	if l.Repository != nil {
		if e := l.app.kinds[repositoryKind].ends[l.Repository.PulpType]; e != nil {
			if op, vars := l.app.route("POST", e.path+"/"+l.Repository.PulpID.String()+"/"+action+"/"); op != nil {
				return op, vars, nil
			}
		}
	}
	return nil, nil, fmt.Errorf("the distribution has no repository with the action %q: %w", action, ErrNotFound)
}

// Add dispatches the task that adds units, by their ids, to the repository from which the distribution serves the
// latest version. With overwrite false the task fails if one would take the place of another unit.
// Wait for the ticket as long as the client shall wait; what the request itself sees does not
// change. ErrConflict says that the distribution is pinned to a version or a publication, or has
// no repository.
func (l *Live) Add(ctx context.Context, overwrite bool, units ...int64) (ticket *Ticket[struct{}], err error) {
	if l.d.repository == nil || l.Repository == nil {
		return nil, fmt.Errorf("the distribution %q does not follow a repository: %w", l.BasePath, ErrConflict)
	}
	args := modifyTaskArgs{Repository: l.Repository.ID, Add: units, Overwrite: overwrite}
	err = l.app.Tx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		ticket, err = modifyTask.Dispatch(ctx, tx, args, Exclusive(l.Repository))
		return err
	})
	return ticket, err
}

// Take saves a unit and has the repository take it, see [Live.Add] with overwrite false, and waits at most so long until
// it has: ended is false if the task goes on. A [TaskError] with the code PLP0023 says that another unit has its
// place. The files of a unit that is not saved are discarded.
func (l *Live) Take(ctx context.Context, u *Unit, wait time.Duration) (task ID, ended bool, err error) {
	defer u.discard()
	ids, err := l.app.SaveUnits(ctx, u)
	if err != nil {
		return task, false, err
	}
	ticket, err := l.Add(ctx, false, ids...)
	if err != nil {
		return task, false, err
	}
	ended, err = ticket.WaitFor(ctx, wait)
	return ticket.ID, ended, err
}

// Keep saves a unit that was got for the request, has the repository take it, see [Live.Add] with overwrite
// false, and waits at most so long until it has: the unit, whose id is returned, can be served at once by
// [Live.ServeUnit]. Where the distribution is pinned or has no repository, the unit is in none. The
// files of a unit that is not kept are discarded.
func (l *Live) Keep(ctx context.Context, u *Unit, wait time.Duration) (id int64, err error) {
	defer u.discard()
	ids, err := l.app.SaveUnits(ctx, u)
	if err != nil {
		return 0, err
	}
	ticket, err := l.Add(ctx, false, ids...)
	if errors.Is(err, ErrConflict) {
		return ids[0], nil
	}
	if err != nil {
		return 0, err
	}
	_, err = ticket.WaitFor(ctx, wait)
	return ids[0], err
}

package pulp

import (
	"context"
	"errors"
	"fmt"
	"iter"
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
	// Remote is where what is not here may come from ([Live.Fetch]); nil if the distribution names
	// none. Its fields hold secrets: they are for the App, not for answers.
	Remote *Remote[None]
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
	l := &Live{BasePath: d.base, Path: strings.TrimPrefix(path[len(d.base):], "/"), Private: gate != nil, app: a, d: d}
	return l, a.liveRoutes[d.typ], l.read(ctx)
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
	brief, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if _, err = ticket.Wait(brief); errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = nil // the task goes on
	}
	return ids[0], err
}

const heldSQL = `EXISTS (SELECT 1 FROM repository_content m WHERE m.content_id = c.id AND m.repository_id = ? AND m.added <= ? AND (m.removed IS NULL OR m.removed > ?))`

// In yields the units of this type that a version holds and whose field has a value, in no particular
// order. The field must have a filter tag: an index finds them, whatever else there is. A nil version
// holds nothing. ctx must carry the App, as it does in requests and tasks.
func (t *ContentType[D]) In(ctx context.Context, v *Version, name, value string) iter.Seq2[*Content[D], error] {
	if v == nil {
		return func(func(*Content[D], error) bool) {}
	}
	a := FromContext(ctx)
	where, err := t.heldBy(a, v, name, value)
	if err != nil {
		return func(yield func(*Content[D], error) bool) { yield(nil, err) }
	}
	return NewModel[Content[D]]().All(ctx, a.db.Reader(), where)
}

func (t *ContentType[D]) heldBy(a *App, v *Version, name, value string) (Where, error) {
	if a == nil {
		return nil, ErrNoApp
	}
	typ, err := a.typeOf(contentKind, t)
	if err != nil {
		return nil, err
	}
	for _, f := range a.contents[typ].plan.fields {
		if f.Name != name || len(f.filters) == 0 {
			continue
		}
		// The same words as the index has, and the type as a literal: else no index would be used.
		has := fmt.Sprintf("json_extract(?TableAlias.detail, '$.%s') = ? AND ?TableAlias.pulp_type = %d", f.column, typ)
		return func(q *bun.SelectQuery) *bun.SelectQuery {
			return q.Where(has, value).Where(heldSQL, v.RepositoryID, v.Number, v.Number)
		}, nil
	}
	return nil, fmt.Errorf("field %q of %s is none that has a filter tag", name, a.contents[typ].label)
}

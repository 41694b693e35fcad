package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/uptrace/bun"
)

// A Syncer is the way in which repositories of a type are synced. [SyncFunc] makes one.
type Syncer[D any] interface {
	action(owner Plugin, t *RepositoryType[D]) (Action[Repository[D]], Part)
}

// SyncFunc makes a Syncer of a function that reads the remote's metadata and puts the units
// that it finds. A struct that embeds [SyncArgs] is the body of the request. If it has a method
// Check(*Repository[D]) error, that is asked before the task is dispatched.
func SyncFunc[D, R, A any](f func(ctx context.Context, s *Sync, repo *Repository[D], remote *Remote[R], args A) error) Syncer[D] {
	return syncFunc[D, R, A]{f}
}

type syncFunc[D, R, A any] struct {
	f func(ctx context.Context, s *Sync, repo *Repository[D], remote *Remote[R], args A) error
}

// syncTaskArgs is what a sync task is told.
type syncTaskArgs struct {
	Repository int64
	Args       json.RawMessage
}

func (sf syncFunc[D, R, A]) action(owner Plugin, t *RepositoryType[D]) (Action[Repository[D]], Part) {
	task := &Task[syncTaskArgs, struct{}]{
		Name: "pulp_" + owner.Name + ".app.tasks.synchronizing.synchronize",
		Run: func(ctx context.Context, j *Job, args syncTaskArgs) (struct{}, error) {
			return struct{}{}, sf.run(ctx, j, args)
		},
	}
	if t.Name != owner.Name {
		task.Name = "pulp_" + owner.Name + ".app.tasks.synchronizing." + t.Name + "_synchronize"
	}
	bind := func(v *view[Repository[D]], _ Action[Repository[D]]) (reflect.Type, reflect.Type, caller) {
		return reflect.TypeFor[A](), reflect.TypeFor[Ticket[struct{}]](), func(ctx context.Context, r *Request) (*Answer, error) {
			return sf.request(ctx, v, t, task, r)
		}
	}
	return Action[Repository[D]]{Name: "sync", Summary: "Sync from a remote", bind: bind, bodyName: "RepositorySyncURL"}, task
}

// request answers POST sync/: it validates, and dispatches the task.
func (sf syncFunc[D, R, A]) request(ctx context.Context, v *view[Repository[D]], t *RepositoryType[D], task *Task[syncTaskArgs, struct{}], r *Request) (*Answer, error) {
	repo, err := v.one(ctx, v.app.db.Reader(), r.Vars)
	if err != nil {
		return nil, err
	}
	if err := v.allow(ctx, Update, repo); err != nil {
		return nil, err
	}
	args, err := decodeSync[D, A](ctx, v.app, repo, r.Body.Fields)
	if err != nil {
		return nil, err
	}
	remote, err := v.app.remoteOf(ctx, *any(args).(syncing).common().Remote)
	if err != nil {
		return nil, err
	}
	if !t.accepts(v.app.registry, remote.PulpType) {
		return nil, FieldErrors{"remote": {fmt.Sprintf("Type for Remote '%s' does not match Repository '%s'.", remote.Name, repo.Name)}}
	}
	body, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	var ticket *Ticket[struct{}]
	err = v.app.Tx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		ticket, err = task.Dispatch(ctx, tx, syncTaskArgs{repo.ID, body}, Exclusive(repo), Shared(remote))
		return err
	})
	if err != nil {
		return nil, err
	}
	return v.app.accepted(ctx, ticket.TaskID()), nil
}

// accepts says whether the type's repositories can be synced from a type of remote.
func (t *RepositoryType[D]) accepts(r *registry, typ int64) bool {
	for _, part := range t.Remotes {
		for _, e := range r.kinds[remoteKind].ends {
			if e.typ == typ && r.declared[e] == part {
				return true
			}
		}
	}
	return false
}

// remoteOf reads what a remote of any type says of its server.
func (a *App) remoteOf(ctx context.Context, id int64) (*Remote[None], error) {
	m, err := NewModel[Remote[json.RawMessage]]().First(ctx, a.db.Reader(), byKey(id), alive)
	if err != nil {
		return nil, err
	}
	return m.connection(), nil
}

// run is the task: it reads, lets the plugin put units, and completes the version.
func (sf syncFunc[D, R, A]) run(ctx context.Context, j *Job, in syncTaskArgs) (err error) {
	var args A
	if err := json.Unmarshal(in.Args, &args); err != nil {
		return fmt.Errorf("read arguments: %w", err)
	}
	common := any(&args).(syncing).common()
	db := j.app.db.Reader()
	repo, err := NewModel[Repository[D]]().First(ctx, db, byKey(in.Repository), alive)
	if err != nil {
		return err
	}
	remote, err := NewModel[Remote[R]]().First(ctx, db, byKey(*common.Remote), alive)
	if err != nil {
		return err
	}
	s := &Sync{app: j.app, j: j, remote: remote.ID, remoteID: remote.PulpID, url: remote.URL, policy: remote.Policy, mirror: common.Mirror, repository: repo.ID, state: repo.LastSync}
	if s.client, err = j.app.client(remote); err != nil {
		return err
	}
	defer s.close()
	if s.version, err = j.NewVersion(ctx, repo.ID, nil); err != nil {
		return err
	}
	s.downloads = j.Progress("sync.downloading.artifacts", "Downloading Artifacts", 0)
	s.associated = j.Progress("associating.content", "Associating Content", 0)
	if err := sf.fill(ctx, s, repo, remote, args); err != nil {
		return err
	}
	return s.complete(ctx)
}

// fill runs the plugin's function beside the pipeline.
func (sf syncFunc[D, R, A]) fill(ctx context.Context, s *Sync, repo *Repository[D], remote *Remote[R], args A) error {
	s.pipe = newPipeline(ctx, s)
	ended := false
	defer func() {
		if !ended { // with an error, or in a panic
			s.pipe.abort()
		}
	}()
	if err := sf.f(ctx, s, repo, remote, args); err != nil {
		return err
	}
	ended = true
	return s.pipe.end()
}

// complete makes the version appear, and publishes it where that is wanted.
func (s *Sync) complete(ctx context.Context) error {
	if s.skipped {
		_, err := s.version.finish(ctx)
		return err
	}
	changed, err := s.finish(ctx)
	if err != nil || !changed {
		return err
	}
	face, err := s.app.repositoryFace(ctx, s.repository)
	if err != nil {
		return err
	}
	if err := face.changed(ctx, s.j, s.repository, &s.version.Version); err != nil {
		return err
	}
	if s.mirror && len(s.mirrored) > 0 {
		return s.publishMirror(ctx)
	}
	return nil
}

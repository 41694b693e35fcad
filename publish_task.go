package pulp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/uptrace/bun"
)

const publisherUsedSQL = "UPDATE publisher SET last_published = ? WHERE id = ?"

// publishTask is the task behind both ways of publishing.
func (t *PublicationType[D]) publishTask(r *registry, owner Plugin, label string) *Task[publishArgs, json.RawMessage] {
	name := "pulp_" + owner.Name + ".app.tasks.publishing.publish"
	if t.Name != owner.Name {
		name = "pulp_" + owner.Name + ".app.tasks.publishing." + t.Name + "_publish"
	}
	return &Task[publishArgs, json.RawMessage]{Name: name, Run: func(ctx context.Context, j *Job, args publishArgs) (json.RawMessage, error) {
		return t.run(ctx, j, j.app.types[typeKey{publicationKind, label}], args)
	}}
}

func (t *PublicationType[D]) run(ctx context.Context, j *Job, typ int64, args publishArgs) (json.RawMessage, error) {
	v, err := NewModel[Version]().First(ctx, j.app.db.Reader(), byKey(args.Version), completeVersion)
	if err != nil {
		return nil, err
	}
	var d D
	if err := json.NewDecoder(bytes.NewReader(args.Detail)).Decode(&d); err != nil {
		return nil, fmt.Errorf("read arguments: %w", err)
	}
	pub, err := t.make(ctx, j, typ, v, &Publication[D]{PublisherID: args.Publisher, Checkpoint: args.Checkpoint, Detail: d})
	if err != nil {
		return nil, err
	}
	if args.Publisher != nil {
		j.OnFinish(func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.Tx.ExecContext(ctx, publisherUsedSQL, int64(j.app.now()), *args.Publisher)
			return err
		})
	}
	return j.app.views[j.app.publications[typ].path].(texter).textByID(ctx, j.app.db.Reader(), pub.ID)
}

// texter is a view of any model that can write one row.
type texter interface {
	textByID(ctx context.Context, db bun.IDB, id int64) (json.RawMessage, error)
}

func (v *view[M]) textByID(ctx context.Context, db bun.IDB, id int64) (json.RawMessage, error) {
	m, err := v.row(ctx, db, id)
	if err != nil {
		return nil, err
	}
	return v.text(ctx, db, m)
}

// mirror publishes a version with the metadata of the remote that it mirrors.
func (t *PublicationType[D]) mirror(r *registry, label string) func(context.Context, *Sync) error {
	return func(ctx context.Context, s *Sync) error {
		p, _, err := t.begin(ctx, s.j, r.types[typeKey{publicationKind, label}], &s.version.Version, &Publication[D]{})
		if err != nil {
			return err
		}
		for _, f := range s.mirrored {
			if err := p.add(ctx, f.in, f.Name); err != nil {
				return p.dropIf(err)
			}
		}
		return p.dropIf(p.finish(ctx))
	}
}

// publishMirror publishes the new version with the type of publication that fits its repository.
func (s *Sync) publishMirror(ctx context.Context) error {
	var typ int64
	if err := scanOne(ctx, s.app.db.Reader(), "SELECT pulp_type FROM repository WHERE id = ?", []any{s.repository}, &typ); err != nil {
		return err
	}
	for _, face := range s.app.publications {
		if face.repository == s.app.kinds[repositoryKind].ends[typ].label {
			return face.mirror(ctx, s)
		}
	}
	return nil
}

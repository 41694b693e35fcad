package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/fetch"
	"github.com/gopulp/pulp/internal/schema"
)

// createArgs is what the task that creates a unit is told.
type createArgs struct {
	Type       int64
	Detail     json.RawMessage
	Labels     Labels
	Repository *int64
	Overwrite  bool
	Artifact   *int64
	Upload     *int64
	URL        string
	Remote     *Remote[None]
}

var createContentTask = &Task[createArgs, json.RawMessage]{Name: "pulpcore.app.tasks.base.general_create_content", Run: runCreateContent}

// finishUnits fills in what only the file tells, and makes the unit, and after it those beside it.
func (t *ContentType[D]) finishUnits(ctx context.Context, detail json.RawMessage, f *Incoming) ([]*Unit, error) {
	var d D
	if err := json.Unmarshal(detail, &d); err != nil {
		return nil, fmt.Errorf("read arguments: %w", err)
	}
	if err := t.FromFile(ctx, &d, f); err != nil {
		return nil, err
	}
	var beside []*Unit
	if t.Beside != nil {
		beside = t.Beside(&d)
	}
	return append([]*Unit{t.Unit(d, Remotely{SHA256: f.SHA256, Size: f.Size})}, beside...), nil
}

// checkDigest refuses a file with another digest than a detail says, where that has a field for it.
func (c *contentFace) checkDigest(detail json.RawMessage, f *Incoming) error {
	var said struct {
		SHA256 string `json:"sha256"`
	}
	if own := c.plan.byName["sha256"]; own == nil || own.Value.Type != schema.String {
		return nil
	}
	if err := json.Unmarshal(detail, &said); err != nil {
		return fmt.Errorf("read arguments: %w", err)
	}
	if said.SHA256 == "" {
		return nil
	}
	return f.is("sha256", said.SHA256)
}

// is refuses a file that has another digest than a field of the request says.
func (f *Incoming) is(field, sha256 string) error {
	if !strings.EqualFold(f.SHA256, sha256) {
		return FieldErrors{field: {"The file that came has the sha256 " + f.SHA256 + "."}}
	}
	return nil
}

// unitOf makes a unit of a file that has been kept, ready to be saved.
func (a *App) unitOf(ctx context.Context, typ int64, detail json.RawMessage, labels Labels, f *Incoming) (*saving, error) {
	face := a.contents[typ]
	if err := face.checkDigest(detail, f); err != nil {
		return nil, err
	}
	units, err := face.decl.(creatable).finishUnits(ctx, detail, f)
	if err != nil {
		return nil, err
	}
	units[0].files[0].Bytes = f
	out := &saving{labels: make([]Labels, len(units))}
	out.labels[0] = labels
	for _, u := range units {
		row, err := a.row(u)
		if err != nil {
			return nil, err
		}
		out.rows, out.files = append(out.rows, row), append(out.files, u.files)
	}
	return out, nil
}

func runCreateContent(ctx context.Context, j *Job, args createArgs) (json.RawMessage, error) {
	a := j.app
	f, err := a.bytesOf(ctx, j, args)
	if err != nil {
		return nil, err
	}
	defer f.Discard()
	unit, err := a.unitOf(ctx, args.Type, args.Detail, args.Labels, f)
	if err != nil {
		return nil, err
	}
	var ids []int64
	err = j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		ids, err = a.save(ctx, tx, unit)
		return err
	})
	if err != nil {
		return nil, err
	}
	id := ids[0]
	j.Created(contentKind, id)
	if args.Repository != nil {
		v, err := j.NewVersion(ctx, *args.Repository, nil)
		if err != nil {
			return nil, err
		}
		if err := v.addAndFinish(ctx, ids, args.Overwrite); err != nil {
			return nil, err
		}
	}
	if args.Upload != nil {
		j.OnFinish(func(ctx context.Context, tx bun.Tx) error { return dropUpload(ctx, tx, *args.Upload) })
	}
	return a.views[a.kinds[contentKind].ends[args.Type].path].(texter).textByID(ctx, a.db.Reader(), id)
}

// bytesOf gets the file of a new unit from where the client said that it is.
func (a *App) bytesOf(ctx context.Context, j *Job, args createArgs) (*Incoming, error) {
	switch {
	case args.Upload != nil:
		f, err := a.joinUpload(ctx, *args.Upload)
		if err != nil {
			return nil, err
		}
		return f, a.keep(ctx, f)
	case args.Remote != nil:
		c, err := a.clientOf(args.Remote)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		f, _, err := a.fetch(ctx, c.Client, fetch.Request{URLs: []string{args.URL}, Size: -1})
		if err != nil {
			return nil, err
		}
		return f, a.keep(ctx, f)
	}
	m, err := NewModel[Artifact]().First(ctx, a.db.Reader(), byKey(*args.Artifact))
	if err != nil {
		return nil, err
	}
	return a.stored(m), nil
}

// stored is a file that is an artifact already.
func (a *App) stored(m *Artifact) *Incoming {
	f := &Incoming{opens: func() (*os.File, error) { return a.storage.blobs().Open(m.SHA256) }}
	f.Size, f.SHA256 = m.Size, m.SHA256
	f.MD5, f.SHA1, f.SHA224, f.SHA384, f.SHA512 = text(m.MD5), text(m.SHA1), text(m.SHA224), text(m.SHA384), text(m.SHA512)
	return f
}

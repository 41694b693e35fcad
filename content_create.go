package pulp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"reflect"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/fetch"
	"github.com/gopulp/pulp/internal/schema"
)

// contentBody is what a client sends to create a unit, beside the file itself: exactly one of a
// file in the form, an upload, an artifact and a URL is where its bytes come from.
type contentBody[D any] struct {
	Repository *int64          `json:"repository" pulp:"writeonly,notnull,ref=repository" doc:"A URI of a repository the new content unit should be associated with."`
	Overwrite  bool            `json:"overwrite" pulp:"writeonly" default:"true" doc:"When set to false and a content unit with the same key already exists in the target repository, the task will fail."`
	Labels     Labels          `json:"pulp_labels" doc:"A dictionary of arbitrary key/value pairs used to describe a specific Content instance."`
	Artifact   *int64          `json:"artifact" pulp:"notnull,ref=artifact" doc:"Artifact file representing the physical content"`
	Upload     *int64          `json:"upload" pulp:"writeonly,notnull,ref=upload" doc:"An uncommitted upload that may be used to create the content unit."`
	FileURL    *string         `json:"file_url" pulp:"writeonly,notnull" doc:"A url that Pulp can download and turn into the content unit."`
	Downloader json.RawMessage `json:"downloader_config" pulp:"writeonly" doc:"Configuration for the download process (e.g., proxies, auth, timeouts). Only applicable when providing a file_url."`
	Detail     D               `bun:"detail,type:json" json:"detail"`
}

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

func (v *view[M]) createContentOperations(owner Plugin, t creatable) []Operation {
	object, body := v.codec.object(v.schemaName(owner)), t.body(v.schemaName(owner))
	body.Fields = append(body.Fields, fileField(false))
	create := v.operation(owner, "create", "", false, Operation{
		Method: "POST", Summary: "Create " + article(v.Name), Form: true, Body: body, Answer: object, Codes: []AnswerKind{Accepted},
		Do: func(ctx context.Context, r *Request) (*Answer, error) { return t.create(ctx, v.app, v.end.typ, r) },
	})
	upload := v.operation(owner, "upload", "upload/", false, Operation{
		Method: "POST", Summary: "Upload " + article(v.Name) + " synchronously", Form: true, Body: body, Answer: object, Codes: []AnswerKind{Created},
		Do: func(ctx context.Context, r *Request) (*Answer, error) {
			id, err := t.upload(ctx, v.app, v.end.typ, r)
			if err != nil {
				return nil, err
			}
			body, err := v.textByID(ctx, v.app.db.Reader(), id)
			return &Answer{Kind: Created, Body: body}, err
		},
	})
	return []Operation{create, upload}
}

// creatable is a content type that clients may create units of.
type creatable interface {
	Part
	body(name string) *schema.Object
	create(ctx context.Context, a *App, typ int64, r *Request) (*Answer, error)
	upload(ctx context.Context, a *App, typ int64, r *Request) (int64, error)
	finishUnit(ctx context.Context, detail json.RawMessage, f *Incoming) (*Unit, error)
}

func (t *ContentType[D]) body(name string) *schema.Object { return objectOf[contentBody[D]](name) }

// read decodes the body of a request to create.
func (t *ContentType[D]) read(ctx context.Context, a *App, r *Request) (*contentBody[D], error) {
	p, err := planOf(reflect.TypeFor[contentBody[D]]())
	if err != nil {
		return nil, err
	}
	in := new(contentBody[D])
	if err := a.decoder(ctx, a.db.Reader()).decode(p, r.Body.Fields, reflect.ValueOf(in).Elem(), creating); err != nil {
		return nil, err
	}
	n := 0
	for _, given := range []bool{r.Body.Files["file"] != nil, in.Artifact != nil, in.Upload != nil, in.FileURL != nil} {
		if given {
			n++
		}
	}
	if n != 1 {
		return nil, FieldErrors{NonField: {"Exactly one of 'file', 'artifact', 'upload', 'file_url' must be specified."}}
	}
	if t.Validate != nil {
		return in, t.Validate(&in.Detail)
	}
	return in, nil
}

// create answers POST on the collection. A file that comes with it is an artifact at once; the
// rest is a task.
func (t *ContentType[D]) create(ctx context.Context, a *App, typ int64, r *Request) (*Answer, error) {
	in, err := t.read(ctx, a, r)
	if err != nil {
		return nil, err
	}
	args := createArgs{Type: typ, Labels: in.Labels, Repository: in.Repository, Overwrite: in.Overwrite, Artifact: in.Artifact, Upload: in.Upload}
	if args.Detail, err = json.Marshal(in.Detail); err != nil {
		return nil, err
	}
	if in.FileURL != nil {
		if args.URL, args.Remote, err = a.downloader(ctx, *in.FileURL, in.Downloader); err != nil {
			return nil, err
		}
	}
	f := r.Body.Files["file"]
	if f != nil {
		if err := a.keep(ctx, f); err != nil {
			return nil, err
		}
	}
	var ticket *Ticket[json.RawMessage]
	err = a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if f != nil {
			ids, err := a.saveArtifacts(ctx, tx, f.Sums)
			if err != nil {
				return err
			}
			id := ids[f.SHA256]
			args.Artifact = &id
		}
		opts, err := a.createReservations(ctx, tx, args)
		if err != nil {
			return err
		}
		ticket, err = createContentTask.Dispatch(ctx, tx, args, opts...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.accepted(ctx, ticket.TaskID()), nil
}

func (a *App) createReservations(ctx context.Context, tx bun.Tx, args createArgs) (opts []DispatchOption, err error) {
	if args.Repository != nil {
		name, err := a.nameIn(ctx, tx, repositoryKind, *args.Repository)
		if err != nil {
			return nil, err
		}
		opts = append(opts, Exclusive(fullName(name)))
	}
	if args.Upload != nil {
		u, err := NewModel[UploadSession]().First(ctx, tx, byKey(*args.Upload))
		if err != nil {
			return nil, err
		}
		opts = append(opts, Exclusive(u))
	}
	return opts, nil
}

// A fullName is a resource whose name is already as clients know it.
type fullName string

// Resource returns the name.
func (n fullName) Resource() string { return string(n) }

// downloader reads a URL and the settings for its download. User info in the URL becomes
// credentials.
func (a *App) downloader(ctx context.Context, raw string, config json.RawMessage) (string, *Remote[None], error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", nil, FieldErrors{"file_url": {"Enter a valid URL."}}
	}
	m := &Remote[None]{}
	fields := map[string]json.RawMessage{}
	if len(config) > 0 && string(config) != "null" {
		if err := decodeJSON(config, unquoted(config), reflect.ValueOf(&fields).Elem()); err != nil {
			return "", nil, FieldErrors{"downloader_config": {err.Error()}}
		}
	}
	fields["name"], fields["url"] = json.RawMessage(`"file_url"`), nil
	if u.User != nil {
		password, _ := u.User.Password()
		fields["username"], _ = json.Marshal(u.User.Username())
		fields["password"], _ = json.Marshal(password)
		u.User = nil
	}
	fields["url"], _ = json.Marshal(u.String())
	p, err := planOf(reflect.TypeFor[Remote[None]]())
	if err != nil {
		return "", nil, err
	}
	if err := a.decoder(ctx, a.db.Reader()).decode(p, fields, reflect.ValueOf(m).Elem(), creating); err != nil {
		return "", nil, err
	}
	if err := validRemote(a, m); err != nil {
		var bad FieldErrors
		if errors.As(err, &bad) && bad["url"] != nil {
			bad["file_url"] = bad["url"]
			delete(bad, "url")
		}
		return "", nil, err
	}
	return u.String(), m, nil
}

// upload answers POST upload/: the unit is there when the answer is.
func (t *ContentType[D]) upload(ctx context.Context, a *App, typ int64, r *Request) (int64, error) {
	in, err := t.read(ctx, a, r)
	if err != nil {
		return 0, err
	}
	f := r.Body.Files["file"]
	if f == nil {
		return 0, FieldErrors{"file": {"No file was submitted."}}
	}
	if in.Repository != nil {
		return 0, FieldErrors{"repository": {"Unexpected field"}}
	}
	detail, err := json.Marshal(in.Detail)
	if err != nil {
		return 0, err
	}
	if err := a.keep(ctx, f); err != nil {
		return 0, err
	}
	unit, err := a.unitOf(ctx, typ, detail, in.Labels, f)
	if err != nil {
		return 0, err
	}
	var ids []int64
	err = a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		ids, err = a.save(ctx, tx, unit)
		return err
	})
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// finishUnit fills in what only the file tells, and makes the unit.
func (t *ContentType[D]) finishUnit(ctx context.Context, detail json.RawMessage, f *Incoming) (*Unit, error) {
	var d D
	if err := json.Unmarshal(detail, &d); err != nil {
		return nil, fmt.Errorf("read arguments: %w", err)
	}
	if err := t.FromFile(ctx, &d, f); err != nil {
		return nil, err
	}
	return t.Unit(d, Remotely{SHA256: f.SHA256, Size: f.Size}), nil
}

// unitOf makes a unit of a file that has been kept, ready to be saved.
func (a *App) unitOf(ctx context.Context, typ int64, detail json.RawMessage, labels Labels, f *Incoming) (*saving, error) {
	u, err := a.contents[typ].decl.(creatable).finishUnit(ctx, detail, f)
	if err != nil {
		return nil, err
	}
	row, err := a.row(u)
	if err != nil {
		return nil, err
	}
	u.files[0].kept = f
	return &saving{rows: []*contentRow{row}, files: [][]Remotely{u.files}, labels: []Labels{labels}}, nil
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
	var id int64
	err = j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		ids, err := a.save(ctx, tx, unit)
		if err == nil {
			id = ids[0]
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	j.Created(contentKind, id)
	if args.Repository != nil {
		v, err := j.NewVersion(ctx, *args.Repository, nil)
		if err != nil {
			return nil, err
		}
		if err := v.addAndFinish(ctx, []int64{id}, args.Overwrite); err != nil {
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

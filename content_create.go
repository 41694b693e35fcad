package pulp

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"reflect"

	"github.com/uptrace/bun"

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
	finishUnits(ctx context.Context, detail json.RawMessage, f *Incoming) ([]*Unit, error)
}

func (t *ContentType[D]) body(name string) *schema.Object { return objectOf[contentBody[D]](name) }

// read decodes the body of a request to create.
func (t *ContentType[D]) read(ctx context.Context, a *App, r *Request) (*contentBody[D], error) {
	in, err := readBody[contentBody[D]](ctx, a, r.Body.Fields)
	if err != nil {
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

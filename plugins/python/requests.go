package python

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/python/internal/pep"
)

// patience is how long a client, for whom the bytes are there, waits until the repository has them.
const patience = 10 * time.Second

// remoteFiles is what the distribution's remote has of a project, and the remote's fields choose.
func remoteFiles(r *httpapi.LiveRequest, name string) ([]pep.File, error) {
	if r.Remote == nil {
		return nil, nil
	}
	remote, err := pulp.RemoteOf[Remote](r.Context(), r.Live)
	if err != nil {
		return nil, err
	}
	f, err := remote.Detail.Filter()
	if err != nil || !f.Project(name) {
		return nil, err
	}
	doc, err := r.Document(r.Context(), indexURL(remote.URL, name), pep.Acceptable, maxIndex)
	if err != nil {
		return nil, err
	}
	files, err := pep.ReadProject(doc, name)
	if err != nil {
		return nil, pulp.BadMetadata(name, err)
	}
	return f.Choose(files), nil
}

// remoteFile is one of them.
func remoteFile(r *httpapi.LiveRequest, name, filename string) (*entry, error) {
	files, err := remoteFiles(r, name)
	i := slices.IndexFunc(files, func(f pep.File) bool { return f.Filename == filename })
	if err == nil && i < 0 {
		err = pulp.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return &entry{files[i]}, nil
}

// pullFile gets a file from the remote, and has the repository keep it.
func pullFile(r *httpapi.LiveRequest, name, filename string) (unit int64, err error) {
	e, err := remoteFile(r, name, filename)
	if err != nil {
		return 0, err
	}
	return pulp.Pulled(r.Context(), r.Live, "file "+filename+" "+e.URL, func(ctx context.Context) (int64, error) {
		u, err := e.unit(ctx, r.Live, name, true)
		if err != nil {
			return 0, err
		}
		return r.Keep(ctx, u, patience)
	})
}

// pullMetadata answers with the metadata that the remote has beside a file.
func pullMetadata(w http.ResponseWriter, r *httpapi.LiveRequest, name, filename string) error {
	e, err := remoteFile(r, name, filename)
	if err == nil && !e.Metadata.Set {
		err = pulp.ErrNotFound
	}
	if err != nil {
		return err
	}
	text, err := e.metadata(r.Context(), r.Live)
	if err != nil {
		return err
	}
	return r.Text(w, "text/plain; charset=utf-8", text)
}

// upload takes a package as twine sends it. It answers when the repository has a version with it, or after some
// seconds that the task goes on.
func upload(w http.ResponseWriter, r *httpapi.LiveRequest) error {
	if err := r.Allow("modify"); err != nil {
		return err
	}
	d, err := pulp.DistributionOf[Distribution](r.Context(), r.Live)
	if err != nil {
		return err
	}
	if !d.Detail.AllowUploads {
		return pulp.Refuse("The index %q takes no uploads (allow_uploads is false).", r.BasePath)
	}
	p, in, err := received(w, r)
	if err != nil {
		return err
	}
	task, ended, err := r.Take(r.Context(), packages.Unit(*p, pulp.Remotely{Bytes: in}), patience)
	var failed *pulp.TaskError
	if errors.As(err, &failed) && failed.Code == "PLP0023" {
		return pulp.Refuse("File already exists: %s is in the repository with other content. A file never changes: give it another version.", p.Filename)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	if !ended {
		w.WriteHeader(http.StatusAccepted)
	}
	return json.NewEncoder(w).Encode(map[string]any{"session": nil, "task": r.TaskHref(r.Context(), task), "task_start_time": nil})
}

// received reads and checks the form of an upload.
func received(w http.ResponseWriter, r *httpapi.LiveRequest) (*Package, *pulp.Incoming, error) {
	form, err := r.Form(w)
	if err != nil {
		return nil, nil, err
	}
	field := func(name string) (text string) {
		_ = json.Unmarshal(form.Fields[name], &text) // what is no text is not there
		return text
	}
	in := form.Files["content"]
	switch want := field("sha256_digest"); {
	case field(":action") != "file_upload":
		return nil, nil, pulp.FieldErrors{":action": {"Only file_upload is known."}}
	case in == nil:
		return nil, nil, pulp.FieldErrors{"content": {"No file was submitted."}}
	case want == "":
		return nil, nil, pulp.FieldErrors{"sha256_digest": {"This field is required."}}
	case !strings.EqualFold(want, in.SHA256):
		return nil, nil, pulp.FieldErrors{"sha256_digest": {"The file that came has the sha256 " + in.SHA256 + "."}}
	}
	p := &Package{}
	if err := p.describe(in.Name, in); err != nil {
		return nil, nil, pulp.FieldErrors{"content": {"The file cannot be read as a Python package: " + err.Error() + "."}}
	}
	return p, in, nil
}

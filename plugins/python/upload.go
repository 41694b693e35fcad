package python

import (
	"errors"
	"net/http"
	"time"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
)

// patience is how long a client, for whom the bytes are there, waits until the repository has them.
const patience = 10 * time.Second

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
	form, err := r.Form(w)
	if err != nil {
		return err
	}
	if form.Text(":action") != "file_upload" {
		return pulp.FieldErrors{":action": {"Only file_upload is known."}}
	}
	in, err := form.File("content", "sha256_digest")
	if err != nil {
		return err
	}
	p := &Package{}
	if err := p.describe(in.Name, in); err != nil {
		return unreadable("content", err)
	}
	err = r.Took(w, packages.Unit(*p, pulp.Remotely{Bytes: in}), patience, map[string]any{"session": nil, "task_start_time": nil})
	var failed *pulp.TaskError
	if errors.As(err, &failed) && failed.Code == "PLP0023" {
		return pulp.Refuse("File already exists: %s is in the repository with other content. A file never changes: give it another version.", p.Filename)
	}
	return err
}

// unreadable tells a client that the file in a field is no package.
func unreadable(field string, err error) error {
	return pulp.FieldErrors{field: {"The file cannot be read as a Python package: " + err.Error() + "."}}
}

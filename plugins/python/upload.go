package python

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
)

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

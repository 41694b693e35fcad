package python

import (
	"context"
	"errors"
	"net/http"
	"slices"
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
	f, err := newFilter(&remote.Detail)
	if err != nil || !f.project(name) {
		return nil, err
	}
	doc, err := r.Document(r.Context(), indexURL(remote.URL, name), pep.Acceptable, maxIndex)
	if err != nil {
		return nil, err
	}
	files, err := pep.ReadProject(doc, name)
	if err != nil {
		return nil, pulp.BadRemote("%w", err)
	}
	return f.choose(files), nil
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
			return 0, refused(err)
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
		return refused(err)
	}
	return r.Text(w, "text/plain; charset=utf-8", text)
}

// refused is the error of a remote whose package is not what it must be.
func refused(err error) error {
	var bad *pulp.TaskError
	if errors.As(err, &bad) && !errors.Is(err, pulp.ErrNotFound) && !errors.Is(err, pulp.ErrRemote) {
		return pulp.BadRemote("%w", err)
	}
	return err
}

package pulp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// A file whose bytes are gone, or are not as many as they were, is found out when it is opened. It
// is fetched again from whoever has it. Bytes that changed and are as many are found by repair/ and
// verify, which read them.

var errCut = errors.New("the stored file has another size than its record")

// mendSourcesSQL are the places from which an artifact (?1) can be had.
const mendSourcesSQL = `SELECT ra.id, ra.remote_id, ra.url, a.size, a.sha256, r.policy FROM artifact a
CROSS JOIN content_artifact ca ON ca.artifact_id = a.id CROSS JOIN remote_artifact ra ON ra.content_artifact_id = ca.id CROSS JOIN remote r ON r.id = ra.remote_id
WHERE a.domain_id = ?1 AND a.sha256 = ?2 AND (ra.failed_at IS NULL OR ra.failed_at < ?3) ORDER BY ra.id LIMIT 20`

// openArtifact opens the bytes of a file, and has them fetched again if they are not there.
func (a *App) openArtifact(ctx context.Context, f *shelvedFile) (*os.File, error) {
	file, err := a.openWhole(f)
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errCut) {
		return file, err
	}
	a.log.ErrorContext(ctx, "a stored file is damaged; looking for a remote that has it", "path", f.path, "sha256", f.sha256, "error", err)
	if lost := a.mend(ctx, f); lost != nil {
		return nil, errors.Join(err, lost)
	}
	return a.openWhole(f)
}

// openWhole opens a file that has as many bytes as it should.
func (a *App) openWhole(f *shelvedFile) (*os.File, error) {
	file, err := a.storage.blobs().Open(f.sha256)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Size() != f.size {
		err = fmt.Errorf("%w: %d bytes, not %d", errCut, info.Size(), f.size)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// mend downloads a file once for all who ask for it, and puts it in its place.
func (a *App) mend(ctx context.Context, f *shelvedFile) error {
	ch := a.flights.do(ctx, "mend "+f.sha256, func(ctx context.Context) (any, error) {
		if file, err := a.openWhole(f); err == nil {
			return &kept{f.sha256, f.size}, file.Close() // somebody was faster
		}
		var sources []source
		args := []any{a.domain.ID, f.sha256, int64(TimeOf(a.clock().Add(-coolDown)))}
		err := a.eachRow(ctx, mendSourcesSQL, args, func(scan func(...any) error) error {
			var s source
			err := scan(&s.id, &s.remote, &s.url, &s.size, &s.sha256, &s.policy)
			sources = append(sources, s)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, s := range sources {
			in, err := a.askFrom(ctx, f, s, nil)
			if err != nil {
				return nil, err
			}
			if in == nil {
				continue
			}
			defer in.Discard()
			if err := a.keep(ctx, in); err != nil { // it replaces bytes of another size
				return nil, err
			}
			a.tally.mended.Add(1)
			a.log.Info("a damaged file was fetched again", "path", f.path, "sha256", f.sha256)
			return &kept{in.SHA256, in.Size}, nil
		}
		return nil, errors.New("no remote delivers it")
	})
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case res := <-ch:
		return res.Err
	}
}

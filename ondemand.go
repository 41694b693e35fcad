package pulp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/blob"
	"github.com/gopulp/pulp/internal/fetch"
)

// coolDown is how long a source is not asked again that sent wrong bytes.
const coolDown = 5 * time.Minute

const (
	// What has no digest cannot be verified.
	sourcesSQL = `SELECT ra.id, ra.remote_id, ra.url, coalesce(ra.size, -1), ra.sha256, r.policy
FROM remote_artifact ra JOIN remote r ON r.id = ra.remote_id AND r.pulp_type <> 0
WHERE ra.content_artifact_id = ? AND ra.sha256 IS NOT NULL AND (ra.failed_at IS NULL OR ra.failed_at < ?) ORDER BY ra.id`
	sourceFailedSQL = "UPDATE remote_artifact SET failed_at = ? WHERE id = ?"
	artifactNowSQL  = `SELECT a.sha256, a.size FROM content_artifact ca JOIN artifact a ON a.id = ca.artifact_id WHERE ca.id = ?`
	attachSQL       = "UPDATE content_artifact SET artifact_id = ? WHERE id = ? AND artifact_id IS NULL"
)

// A source is a place from which a file can be had.
type source struct {
	id, remote int64
	url        string
	size       int64
	sha256     string
	policy     Policy
}

// downFor is how long a source is not asked again that did not deliver: long enough that the many who ask for
// a file cost a remote in trouble, and wait for, one download; short enough that nobody misses a remote which
// is back. Wrong bytes are remembered for longer, in the source's row.
const downFor = 30 * time.Second

// A failedSource is a key of misses. It has the URL as well, since a remote may be pointed elsewhere, and
// then is asked.
type failedSource struct {
	id  int64
	url string
}

func (s source) miss() failedSource { return failedSource{s.id, s.url} }

// kept is a file that was had from a source and is an artifact now.
type kept struct {
	sha256 string
	size   int64
}

// onDemand gets a file that is known but not here into f. All who ask for it meanwhile wait for
// the same download, which goes on if they leave. The bytes of a file up to Config.StreamAbove are
// verified before the first of them is served. What only streamed remotes have is downloaded for
// each who asks.
func (a *App) onDemand(ctx context.Context, sf *shelvedFile, f *ServedFile) error {
	sources, err := a.sources(ctx, sf)
	if err != nil {
		return err
	}
	keep := slices.DeleteFunc(slices.Clone(sources), func(s source) bool { return s.policy == Streamed })
	if len(keep) > 0 && a.large(keep) {
		g := a.flights.grow(ctx, strconv.FormatInt(sf.contentArtifact, 10), func(ctx context.Context, g *growing) (*kept, error) {
			return a.fetchAndKeep(ctx, sf, keep, g)
		})
		if err := a.openGrowing(ctx, g, f); !errors.Is(err, ErrNotFound) {
			return err
		}
	} else if len(keep) > 0 {
		ch := a.flights.do(ctx, strconv.FormatInt(sf.contentArtifact, 10), func(ctx context.Context) (any, error) { return a.fetchAndKeep(ctx, sf, keep, nil) })
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case res := <-ch:
			if res.Err == nil {
				return a.openKept(res.Val.(*kept), f)
			}
			if !errors.Is(res.Err, ErrNotFound) {
				return res.Err
			}
		}
	}
	return a.stream(ctx, sf, slices.DeleteFunc(sources, func(s source) bool { return s.policy != Streamed }), f)
}

func (a *App) openKept(got *kept, f *ServedFile) (err error) {
	f.SHA256, f.Size = got.sha256, got.size
	f.ReadSeekCloser, err = a.storage.blobs().Open(got.sha256)
	return err
}

// describeFile says of a file that is not here what its source told.
func (a *App) describeFile(ctx context.Context, s *shelf, f *shelvedFile) (*Served, error) {
	if f.sha256 != "" {
		return a.openFile(ctx, s, f)
	}
	sources, err := a.sources(ctx, f)
	if err != nil {
		return nil, err
	}
	sources = slices.DeleteFunc(sources, func(s source) bool { return a.misses.at(s.miss(), a.clock()) != nil })
	if len(sources) == 0 {
		return nil, notDelivered(f)
	}
	from := sources[0]
	if i := slices.IndexFunc(sources, func(s source) bool { return s.size >= 0 }); i > 0 {
		from = sources[i]
	}
	return &Served{File: &ServedFile{Name: path.Base(f.path), Size: from.size, SHA256: from.sha256, Modified: a.settled(s.changed), ReadSeekCloser: absent{io.NewSectionReader(nil, 0, max(from.size, 0))}}}, nil
}

// absent is a file of which only the size is here.
type absent struct{ *io.SectionReader }

func (absent) Read([]byte) (int, error) { return 0, errors.New("this file has not been fetched") }
func (absent) Close() error             { return nil }

// sources are the places from which a file can be had, without those that failed lately.
func (a *App) sources(ctx context.Context, sf *shelvedFile) (out []source, err error) {
	args := []any{sf.contentArtifact, int64(TimeOf(a.clock().Add(-coolDown)))}
	err = a.eachRow(ctx, sourcesSQL, args, func(scan func(...any) error) error {
		var s source
		err := scan(&s.id, &s.remote, &s.url, &s.size, &s.sha256, &s.policy)
		out = append(out, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find sources of %s: %w", sf.path, err)
	}
	return out, nil
}

func notDelivered(sf *shelvedFile) error {
	return fmt.Errorf("none of the remotes that have %s delivers it: %w", sf.path, ErrNotFound)
}

// fetchAndKeep tries sources in turn until one delivers, and makes the file an artifact.
// Those who follow g see it come.
func (a *App) fetchAndKeep(ctx context.Context, sf *shelvedFile, sources []source, g *growing) (*kept, error) {
	var got kept
	err := a.db.Reader().DB.QueryRowContext(ctx, artifactNowSQL, sf.contentArtifact).Scan(&got.sha256, &got.size)
	if err == nil {
		return &got, nil // somebody was faster
	}
	for _, s := range sources {
		in, err := a.askFrom(ctx, sf, s, g)
		if err != nil {
			return nil, err
		}
		if in != nil {
			return &kept{in.SHA256, in.Size}, a.attach(ctx, sf, in)
		}
	}
	return nil, notDelivered(sf)
}

// stream tries sources whose files are not kept.
func (a *App) stream(ctx context.Context, sf *shelvedFile, sources []source, f *ServedFile) error {
	if a.large(sources) {
		return a.passOn(ctx, sf, sources, f)
	}
	for _, s := range sources {
		in, err := a.askFrom(ctx, sf, s, nil)
		if err != nil {
			return err
		}
		if in != nil {
			file, err := in.Open()
			if err != nil {
				in.Discard()
				return fmt.Errorf("open %s: %w", sf.path, err)
			}
			f.SHA256, f.Size, f.ReadSeekCloser = in.SHA256, in.Size, passing{file, in}
			return nil
		}
	}
	return notDelivered(sf)
}

// passing is a file that goes when its reader has it.
type passing struct {
	*os.File
	in *Incoming
}

// Close closes and removes the file.
func (p passing) Close() error {
	defer p.in.Discard()
	return p.File.Close()
}

// askFrom is fetchFrom, but does not ask a source again that failed just now: clients are many, and
// do not know.
func (a *App) askFrom(ctx context.Context, sf *shelvedFile, s source, g *growing) (*Incoming, error) {
	if a.misses.at(s.miss(), a.clock()) != nil {
		return nil, nil
	}
	return a.fetchFrom(ctx, sf, s, g)
}

// fetchFrom downloads and verifies a file, which those who follow g see come; nil if the source does
// not deliver it.
func (a *App) fetchFrom(ctx context.Context, sf *shelvedFile, s source, g *growing) (*Incoming, error) {
	remote, err := a.remoteOf(ctx, s.remote)
	if err != nil {
		return nil, err
	}
	c, err := a.clientOf(remote)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	req := fetch.Request{URLs: []string{s.url}, Size: s.size, Digests: map[string]string{"sha256": s.sha256}}
	in, _, err := a.fetchInto(ctx, c.Client, req, func(w *blob.Writer) (fetch.Sink, error) { return g.flow(w, s) })
	switch {
	case err == nil:
		g.verified()
		return in, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case ourFault(err):
		return nil, fmt.Errorf("fetch %s: %w", sf.path, err)
	}
	a.log.Warn("on demand: source failed", "path", sf.path, "url", fetch.Redact(s.url), "err", err)
	if !errors.Is(err, fetch.ErrDigest) && !errors.Is(err, fetch.ErrSize) {
		a.misses.keep(s.miss(), ErrRemote, a.clock(), downFor) // it may be back in a moment
		return nil, nil
	}
	_, err = a.db.Writer().DB.ExecContext(ctx, sourceFailedSQL, int64(a.now()), s.id)
	return nil, err
}

// attach keeps a downloaded file and makes it that of its unit.
func (a *App) attach(ctx context.Context, sf *shelvedFile, in *Incoming) error {
	defer in.Discard()
	if err := a.keep(ctx, in); err != nil {
		return err
	}
	return a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		ids, err := a.saveArtifacts(ctx, tx, in.Sums)
		if err != nil {
			return err
		}
		_, err = tx.Tx.ExecContext(ctx, attachSQL, ids[in.SHA256], sf.contentArtifact)
		return err
	})
}

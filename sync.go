package pulp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/fetch"
)

// SyncArgs is what every request to sync may say. A plugin embeds it in its own.
type SyncArgs struct {
	Remote *int64 `json:"remote" pulp:"notnull,ref=remote" doc:"A remote to sync from. This will override a remote set on repository."`
	Mirror bool   `json:"mirror" default:"false" doc:"If true, synchronization will remove all content that is not present in the remote repository. If false, sync will be additive only."`
}

func (s *SyncArgs) common() *SyncArgs { return s }

// syncing is a pointer to a struct that embeds SyncArgs.
type syncing interface{ common() *SyncArgs }

// A Sync is a task that brings the content of a remote into a new version of a repository. The
// plugin reads the remote's metadata and puts what it finds; looking up, downloading, saving and
// adding happen meanwhile, and memory does not grow with the number of units.
type Sync struct {
	app                   *App
	j                     *Job
	remote                int64
	remoteID              ID
	url                   string
	policy                Policy
	mirror                bool
	client                *client
	repository            int64
	state                 json.RawMessage // what the last sync noted
	note                  json.RawMessage // what this one notes
	version               *NewVersion
	pipe                  *pipeline
	downloads, associated *Progress
	seen                  idSet
	skipped               bool
	metadata              []*File
	mirrored              []*File
	receivedMu            sync.Mutex
	received              []*Incoming // by Obtain
}

// A File is metadata that sync downloaded. It is removed when the sync ends.
type File struct {
	io.Reader
	Name   string // the last part of its URL's path
	SHA256 string
	Size   int64
	in     *Incoming
	file   *os.File
}

// Get downloads a file of metadata. Its size is limited, its bytes are not verified by anything
// but the connection; use Fetch for a file of known digest.
func (s *Sync) Get(ctx context.Context, from string) (*File, error) {
	return s.download(ctx, fetch.Request{URLs: []string{from}, Size: -1})
}

// Read downloads a file of metadata as Get does, and returns its bytes. The file lies beside the one at
// base, see Resolve; it is an error if it has more than limit bytes.
func (s *Sync) Read(ctx context.Context, base, file string, limit int64) ([]byte, error) {
	from, err := s.Resolve(base, file)
	if err != nil {
		return nil, err
	}
	f, err := s.download(ctx, fetch.Request{URLs: []string{from}, Size: -1, MaxSize: limit})
	if err != nil {
		return nil, err
	}
	return io.ReadAll(f)
}

// Fetch downloads a file of metadata that has the SHA256 and the Size of f, or it is an error, and lies
// beside the one at base: at the first of some paths where it is to be had; of none at that of f.
func (s *Sync) Fetch(ctx context.Context, base string, f Remotely, paths ...string) (*File, error) {
	req := fetch.Request{Size: f.Size, Digests: map[string]string{"sha256": f.SHA256}}
	if len(paths) == 0 {
		paths = []string{f.Path}
	}
	for _, path := range paths {
		from, err := s.Resolve(base, path)
		if err != nil {
			return nil, err
		}
		req.URLs = append(req.URLs, from)
	}
	return s.download(ctx, req)
}

func (s *Sync) download(ctx context.Context, req fetch.Request) (*File, error) {
	done := s.j.Progress("sync.downloading.metadata", "Downloading Metadata", 0)
	in, got, err := s.app.fetch(ctx, s.client.Client, req)
	if err != nil {
		return nil, fmt.Errorf("download metadata: %w", err)
	}
	f := &File{Name: lastPart(got.URL), SHA256: in.SHA256, Size: in.Size, in: in}
	s.metadata = append(s.metadata, f)
	if f.file, err = in.Open(); err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	f.Reader = f.file
	done.Add(1)
	return f, nil
}

// Latest is the version that the new one follows: what it holds is known.
func (s *Sync) Latest() *Version { return &s.version.prev }

// lastPart is the last part of a URL's path; empty if it has none.
func lastPart(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Path[strings.LastIndexByte(u.Path, '/')+1:]
}

// Resolve gives the URL of a file that lies beside the one at base. It refuses paths that lead
// out of base's directory.
func (s *Sync) Resolve(base, file string) (string, error) {
	u, err := fetch.Resolve(base, file)
	if err != nil {
		return "", &TaskError{Code: "PLP0013", Text: err.Error(), Err: err}
	}
	return u, nil
}

// BadMetadata is the failure of a sync of what is wrong with a file of the remote's metadata. To a request that is
// answered from a remote it is [ErrRemote].
func BadMetadata(file string, err error) error {
	return &TaskError{Code: "PLP0013", Text: fmt.Sprintf("%s: %s", file, err), Err: fmt.Errorf("%w: %w", ErrRemote, err)}
}

// Put hands a unit to the pipeline; it waits while the pipeline is busy. Its error is that of
// the stage that failed; return it.
func (s *Sync) Put(ctx context.Context, u *Unit) error { return s.pipe.put(ctx, u) }

// Progress is [Job.Progress].
func (s *Sync) Progress(code, message string, total int64) *Progress {
	return s.j.Progress(code, message, total)
}

// Mirrored says that the files of the remote's metadata stand for the new version as they are:
// if the sync is a mirror and makes a version, it is published with them.
func (s *Sync) Mirrored(files ...*File) { s.mirrored = files }

// lastSync is what a sync notes of what it saw.
type lastSync struct {
	Remote  ID     `json:"remote_pk"`
	URL     string `json:"url"`
	Policy  Policy `json:"download_policy"`
	Mirror  bool   `json:"mirror"`
	Version int64  `json:"most_recent_version"`
	State   string `json:"metadata_checksum"`
}

const missingFilesSQL = `SELECT 1 FROM repository_content m CROSS JOIN content_artifact ca ON ca.content_id = m.content_id
WHERE m.repository_id = ? AND m.removed IS NULL AND ca.artifact_id IS NULL LIMIT 1`

// Unchanged says whether the last sync of the repository saw the same state, a digest of all
// metadata, of the same remote with the same settings, and nothing has changed the repository
// since. Then there is nothing to do. Otherwise it notes the state for the next sync.
func (s *Sync) Unchanged(ctx context.Context, url, state string) (bool, error) {
	var last lastSync
	if err := json.Unmarshal(s.state, &last); err != nil {
		return false, fmt.Errorf("read last sync: %w", err)
	}
	now := lastSync{s.remoteID, url, s.policy, s.mirror, s.version.prev.Number, state}
	note, err := json.Marshal(now)
	s.note = note
	switch {
	case err != nil:
		return false, err
	case last.Remote != now.Remote || last.URL != url || last.State != state || last.Version != now.Version,
		s.policy == Immediate && last.Policy != Immediate, s.mirror && !last.Mirror:
		return false, nil
	}
	if s.policy == Immediate {
		var missing int
		if err := scanOne(ctx, s.app.db.Reader(), missingFilesSQL, []any{s.repository}, &missing); err != nil {
			return false, err
		}
		if missing != 0 {
			return false, nil
		}
	}
	s.j.Progress("sync.was_skipped", "Skipping Sync (no change from previous sync)", 0)
	s.skipped = true
	return true, nil
}

// close removes the metadata that was downloaded.
func (s *Sync) close() {
	for _, f := range s.metadata {
		if f.file != nil {
			f.file.Close()
		}
		f.in.Discard()
	}
	for _, f := range s.received {
		f.Discard()
	}
	s.client.Close()
}

// finish completes the version once everything is in it, and notes what was seen.
func (s *Sync) finish(ctx context.Context) (changed bool, err error) {
	if s.mirror {
		removed := s.j.Progress("unassociating.content", "Un-Associating Content", 0)
		n, err := s.version.RemoveIf(ctx, func(id int64) bool { return !s.seen.has(id) })
		if err != nil {
			return false, err
		}
		removed.Add(n)
	}
	if changed, err = s.version.finish(ctx); err != nil {
		return false, err
	}
	s.j.OnFinish(func(ctx context.Context, tx bun.Tx) error {
		note := s.note
		if note == nil {
			note = json.RawMessage("{}")
		}
		_, err := tx.Tx.ExecContext(ctx, `UPDATE repository SET last_sync = json_set(?1, '$.most_recent_version', latest) WHERE id = ?2`, string(note), s.repository)
		return err
	})
	return changed, nil
}

// checkSync is implemented by the arguments of a sync that does not suit every repository.
type checkSync[D any] interface {
	// Check returns an [InputError] if the sync makes no sense for the repository.
	Check(repo *Repository[D]) error
}

// decodeSync reads the body of a request to sync.
func decodeSync[D, A any](ctx context.Context, a *App, repo *Repository[D], in map[string]json.RawMessage) (*A, error) {
	args, err := readBody[A](ctx, a, in)
	if err != nil {
		return nil, err
	}
	common, ok := any(args).(syncing)
	if !ok {
		return nil, errors.New("the arguments of a sync must embed SyncArgs")
	}
	if c := common.common(); c.Remote == nil {
		c.Remote = repo.RemoteID
	}
	if common.common().Remote == nil {
		return nil, FieldErrors{"remote": {"A remote must be specified on the repository or in the request."}}
	}
	if c, ok := any(args).(checkSync[D]); ok {
		return args, c.Check(repo)
	}
	return args, nil
}

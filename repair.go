package pulp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/blob"
)

// Repair is the body of the action that looks after the files of a version.
type Repair struct {
	VerifyChecksums bool `json:"verify_checksums" default:"true" doc:"Will verify that the checksum of all stored files matches what saved in the database. Otherwise only the existence of the files will be checked. Enabled by default."`
}

type repairArgs struct {
	Version int64
	Verify  bool
}

var repairTask = &Task[repairArgs, struct{}]{Name: "pulpcore.app.tasks.repository.repair_version", Run: runRepair}

func repairAction() Action[Version] {
	act := Do("repair", repairVersion)
	act.Summary = "Repair a repository version"
	return act
}

// repairVersion answers POST repair/.
func repairVersion(ctx context.Context, v *Version, in Repair) (*Ticket[struct{}], error) {
	a := FromContext(ctx)
	var ticket *Ticket[struct{}]
	err := a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		repo, err := a.nameIn(ctx, tx, repositoryKind, v.RepositoryID)
		if err != nil {
			return err
		}
		ticket, err = repairTask.Dispatch(ctx, tx, repairArgs{v.ID, in.VerifyChecksums}, Shared(fullName(repo)))
		return err
	})
	return ticket, err
}

// A repair looks at each file of a version that is here. A file that is missing or has other
// bytes than it should is downloaded again, from any remote that has it; if none delivers, wrong
// bytes are removed, so that they are not served.
type repair struct {
	j                            *Job
	verify                       bool
	seen                         idSet
	missing, corrupted, repaired *Progress
}

// A storedFile is an artifact as its row says.
type storedFile struct {
	id, size int64
	path     string // of one of the units that have it
	sha256   string
}

const (
	// The artifacts of a batch of units of a version.
	storedFilesSQL = `SELECT m.content_id, a.id, a.size, ca.relative_path, a.sha256 FROM repository_content m
CROSS JOIN content_artifact ca ON ca.content_id = m.content_id CROSS JOIN artifact a ON a.id = ca.artifact_id
WHERE m.repository_id = ?1 AND m.added <= ?2 AND (m.removed IS NULL OR m.removed > ?2) AND m.content_id > ?3 AND m.content_id <= ?4`
	batchEndSQL = `SELECT max(content_id) FROM (SELECT m.content_id FROM repository_content m
WHERE m.repository_id = ?1 AND m.added <= ?2 AND (m.removed IS NULL OR m.removed > ?2) AND m.content_id > ?3 ORDER BY m.content_id LIMIT ?4) HAVING count(*) > 0`
	artifactSourcesSQL = `SELECT ra.id, ra.remote_id, ra.url FROM content_artifact ca CROSS JOIN remote_artifact ra ON ra.content_artifact_id = ca.id
CROSS JOIN remote r ON r.id = ra.remote_id AND r.pulp_type <> 0 WHERE ca.artifact_id = ?`
)

// repairAllSQL are the artifacts of any repository.
const repairAllSQL = "SELECT id, size, sha256, sha256 FROM artifact WHERE id > ? ORDER BY id LIMIT ?"

type repairAllArgs struct{ Verify bool }

var repairAllTask = &Task[repairAllArgs, struct{}]{Name: "pulpcore.app.tasks.repository.repair_all_artifacts", Run: runRepairAll}

// repairOperation is POST repair/, which looks after all files.
func repairOperation() Part {
	return upkeep[Repair]{"repair_post", "POST", "repair/", "Repair", "Repair artifacts", "Repair", func(ctx context.Context, tx bun.Tx, in *Repair) (ticketed, error) {
		return repairAllTask.Dispatch(ctx, tx, repairAllArgs{in.VerifyChecksums}, Exclusive(Name("repair")))
	}}
}

func runRepairAll(ctx context.Context, j *Job, args repairAllArgs) (struct{}, error) {
	r := newRepair(j, args.Verify)
	for last := int64(0); ; {
		var files []storedFile
		err := j.app.eachRow(ctx, repairAllSQL, []any{last, membershipBatch}, func(scan func(...any) error) error {
			var f storedFile
			err := scan(&f.id, &f.size, &f.path, &f.sha256)
			files = append(files, f)
			return err
		})
		if err != nil || len(files) == 0 {
			return struct{}{}, err
		}
		for _, f := range files {
			if err := r.check(ctx, f); err != nil {
				return struct{}{}, err
			}
		}
		last = files[len(files)-1].id
	}
}

func newRepair(j *Job, verify bool) *repair {
	return &repair{
		j: j, verify: verify,
		missing:   j.Progress("repair.missing", "Identify missing files", 0),
		corrupted: j.Progress("repair.corrupted", "Identify corrupted files", 0),
		repaired:  j.Progress("repair.repaired", "Repair files", 0),
	}
}

func runRepair(ctx context.Context, j *Job, args repairArgs) (struct{}, error) {
	v, err := NewModel[Version]().First(ctx, j.app.db.Reader(), byKey(args.Version), completeVersion)
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, newRepair(j, args.Verify).run(ctx, v)
}

func (r *repair) run(ctx context.Context, v *Version) error {
	a := r.j.app
	for last := int64(0); ; {
		end := int64(0)
		if err := scanOne(ctx, a.db.Reader(), batchEndSQL, []any{v.RepositoryID, v.Number, last, membershipBatch}, &end); err != nil || end == 0 {
			return err
		}
		var files []storedFile
		err := a.eachRow(ctx, storedFilesSQL, []any{v.RepositoryID, v.Number, last, end}, func(scan func(...any) error) error {
			var unit int64
			var f storedFile
			err := scan(&unit, &f.id, &f.size, &f.path, &f.sha256)
			files = append(files, f)
			return err
		})
		if err != nil {
			return fmt.Errorf("list files of version %d: %w", v.Number, err)
		}
		for _, f := range files {
			if r.seen.has(f.id) {
				continue
			}
			r.seen.add(f.id)
			if err := r.check(ctx, f); err != nil {
				return err
			}
		}
		last = end
	}
}

// check looks at a file, and mends it if it can.
func (r *repair) check(ctx context.Context, f storedFile) error {
	blobs := r.j.app.storage.blobs()
	_, err := blobs.Stat(f.sha256)
	if err == nil && r.verify {
		err = blobs.Verify(ctx, f.sha256)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		r.missing.Add(1)
	case errors.Is(err, blob.ErrCorrupt):
		r.corrupted.Add(1)
	default:
		return err
	}
	in, err := r.fetch(ctx, f)
	if err != nil {
		return err
	}
	defer in.Discard()
	release, err := r.j.app.holdRemoval(ctx)
	if err != nil {
		return err
	}
	defer release()
	// The wrong bytes first, for keep would take them for the right ones.
	if err := blobs.Remove(f.sha256); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove wrong bytes: %w", err)
	}
	if in == nil {
		r.j.Log().Warn("a file cannot be repaired: no remote delivers it", "path", f.path, "sha256", f.sha256)
		return nil
	}
	if err := r.j.app.keep(ctx, in); err != nil {
		return err
	}
	r.repaired.Add(1)
	return nil
}

// fetch downloads a file from any remote that delivers it; nil if none does.
func (r *repair) fetch(ctx context.Context, f storedFile) (*Incoming, error) {
	var sources []source
	err := r.j.app.eachRow(ctx, artifactSourcesSQL, []any{f.id}, func(scan func(...any) error) error {
		s := source{size: f.size, sha256: f.sha256}
		err := scan(&s.id, &s.remote, &s.url)
		sources = append(sources, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find sources of %s: %w", f.path, err)
	}
	for _, s := range sources {
		if in, err := r.j.app.fetchFrom(ctx, &shelvedFile{path: f.path}, s, nil); in != nil || err != nil {
			return in, err
		}
	}
	return nil, nil
}

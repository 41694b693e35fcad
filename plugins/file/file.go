// Package file is the plugin for content that is files and nothing more.
//
// A remote's URL names a manifest: one line for each file, with its path, its SHA-256 and its
// size, separated by commas. Sync reads such a manifest, publishing writes one.
package file

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/gopulp/pulp"
)

// Content is one file. A repository version holds at most one file for each path.
type Content struct {
	RelativePath string `json:"relative_path" validate:"required" pulp:"key,slot,filter" doc:"Path where the artifact is located relative to distributions base_path"`
	Digest       string `json:"digest" pulp:"hidden,key,filter=digest,filter=sha256"`
}

// Repository is what a file repository has beyond any other.
type Repository struct {
	Autopublish bool    `json:"autopublish" default:"false" doc:"Whether to automatically create publications for new repository versions, and update any distributions pointing to this repository."`
	Manifest    *string `json:"manifest" default:"PULP_MANIFEST" doc:"Filename to use for manifest file containing metadata for all the files."`
}

// Publication is what a file publication, or a publisher of them, has beyond any other.
type Publication struct {
	Manifest *string `json:"manifest" default:"PULP_MANIFEST" doc:"Filename to use for manifest file containing metadata for all the files."`
}

// SyncArgs is the body of a request to sync.
type SyncArgs struct {
	pulp.SyncArgs
	Optimize bool `json:"optimize" pulp:"writeonly" default:"true" doc:"Whether or not to optimize sync."`
}

// Check refuses what cannot be published both ways: as the remote did, and by itself.
func (a *SyncArgs) Check(repo *pulp.Repository[Repository]) error {
	if a.Mirror && repo.Detail.Autopublish {
		return pulp.Refuse("Cannot use mirror mode with autopublished repository.")
	}
	return nil
}

// Plugin returns the plugin, to be named in [pulp.Config].
func Plugin() pulp.Plugin {
	return pulp.Plugin{
		Name: "file", Version: "3.117.0",
		Parts: []pulp.Part{contents, remotes, repositories, publications, distributions},
	}
}

var contents = &pulp.ContentType[Content]{
	Name: "file", Path: "files", Reclaimable: true,
	FilePath: func(c *Content) string { return c.RelativePath },
	Validate: checkPath,
	FromFile: func(_ context.Context, c *Content, f *pulp.Incoming) error {
		c.Digest = f.SHA256
		return nil
	},
}

// Unit makes a unit of a received file, which a host's task may put: see [pulp.NewVersion.Put].
func Unit(ctx context.Context, path string, f *pulp.Incoming) (*pulp.Unit, error) {
	return contents.Received(ctx, Content{RelativePath: path}, f)
}

func checkPath(c *Content) error {
	if !pulp.CanonicalPath(c.RelativePath) {
		return pulp.FieldErrors{"relative_path": {"Must be a relative path without white space, '?', '#' and empty, '.' or '..' parts."}}
	}
	return nil
}

var remotes = &pulp.RemoteType[pulp.None]{Name: "file"}

var repositories = &pulp.RepositoryType[Repository]{
	Name: "file", Content: []pulp.Part{contents}, Remotes: []pulp.Part{remotes},
	Sync: pulp.SyncFunc(sync),
	OnVersion: pulp.Autopublish(publications, func(r *Repository) (Publication, bool) {
		return Publication{Manifest: r.Manifest}, r.Autopublish
	}),
}

var publications = &pulp.PublicationType[Publication]{
	Name: "file", Repositories: "file", Publisher: "file",
	PassThrough: true, Checkpoints: true,
	Publish: publish,
}

var distributions = &pulp.DistributionType[pulp.None]{Name: "file", FromPublication: true, Checkpoints: true}

// sync reads the remote's manifest and puts each of its files.
func sync(ctx context.Context, s *pulp.Sync, repo *pulp.Repository[Repository], remote *pulp.Remote[pulp.None], args SyncArgs) error {
	manifest, err := s.Get(ctx, remote.URL)
	if err != nil {
		return err
	}
	if args.Optimize {
		if same, err := s.Unchanged(ctx, remote.URL, manifest.SHA256); err != nil || same {
			return err
		}
	}
	s.Mirrored(manifest)
	lines := s.Progress("sync.parsing.metadata", "Parsing Metadata Lines", 0)
	for f, err := range readManifest(manifest) {
		if err != nil {
			return pulp.BadMetadata(manifest.Name, err)
		}
		if f.URL, err = s.Resolve(remote.URL, f.Path); err != nil {
			return err
		}
		if err := s.Put(ctx, contents.Unit(Content{RelativePath: f.Path, Digest: f.SHA256}, f)); err != nil {
			return err
		}
		lines.Add(1)
	}
	return nil
}

// publish writes the manifest; the files themselves pass through.
func publish(ctx context.Context, p *pulp.Publishing, pub *pulp.Publication[Publication]) error {
	if pub.Detail.Manifest == nil {
		return nil
	}
	return p.Write(ctx, *pub.Detail.Manifest, func(w io.Writer) error {
		for f, err := range p.Files(ctx) {
			if err != nil {
				return err
			}
			size := ""
			if f.Size >= 0 {
				size = "," + strconv.FormatInt(f.Size, 10)
			}
			if _, err := fmt.Fprintf(w, "%s,%s%s\n", f.Path, f.SHA256, size); err != nil {
				return err
			}
		}
		return nil
	})
}

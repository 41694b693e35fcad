package python

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/python/internal/pep"
)

// describe fills in what a file says of itself, which must be what its name says.
func (p *Package) describe(filename string, in *pulp.Incoming) error {
	f, err := pep.ParseFilename(filename, "")
	if err != nil {
		return err
	}
	file, err := in.Open()
	if err != nil {
		return err
	}
	defer file.Close()
	metadata, err := pep.MetadataIn(f.Ending, file, in.Size)
	if err != nil {
		return err
	}
	p.SHA256, p.Size = in.SHA256, in.Size
	return p.fill(filename, "", metadata)
}

// fill says what a package is: by its core metadata, if that has been read, and by the name of a file of a project, which must
// not say different things.
func (p *Package) fill(filename, project string, metadata []byte) error {
	if metadata != nil {
		core, err := pep.ReadCore(metadata)
		if err != nil {
			return err
		}
		core.RequiresPython = cmp.Or(core.RequiresPython, p.RequiresPython)
		project, p.Core, p.Metadata = core.Name, core, pep.Digest(metadata)
	}
	f, err := pep.ParseFilename(filename, project)
	if err != nil {
		return err
	}
	p.RelativePath, p.Filename, p.PackageType, p.Python, p.Normalized = "", filename, f.Type, f.Python, f.Project
	if metadata == nil {
		p.Name, p.Version = project, f.Version
	}
	if pep.Newer(p.Version, f.Version) != 0 {
		return fmt.Errorf("the name %.80q is not that of a file of %.80s %.40s, as the metadata has it", filename, p.Name, p.Version)
	}
	if f.Type != pep.Wheel {
		p.Metadata = "" // what is in a source distribution need not be true of what is built of it
	}
	core, err := json.Marshal(p.Core)
	if err == nil {
		p.Rank, err = pep.Rank(p.Version)
	}
	p.Said = pep.Digest(core)
	return err
}

// unit makes a unit of a file that a remote has of a project: of what the file says itself if it is wanted whole, or nobody
// knows its digest; else of its metadata, if the remote has that, or of what the page says.
func unit(ctx context.Context, from pulp.Upstream, project string, f *pep.File, whole bool) (*pulp.Unit, error) {
	file := f.Remotely()
	p := Package{SHA256: file.SHA256, Size: file.Size, Yanked: f.Yanked.Reason()}
	var err error
	if whole || file.SHA256 == "" {
		if file.Bytes, err = from.Obtain(ctx, file); err != nil {
			return nil, err
		}
		err = p.describe(f.Filename, file.Bytes)
	} else {
		metadata, failed := f.MetadataFrom(ctx, from)
		if failed != nil {
			return nil, failed
		}
		p.RequiresPython = f.RequiresPython
		err = p.fill(f.Filename, project, metadata)
	}
	if err == nil && p.Normalized != project {
		err = fmt.Errorf("it is of the project %s", p.Normalized)
	}
	if err != nil {
		file.Bytes.Discard()
		return nil, pulp.BadMetadata(f.Filename, err)
	}
	return packages.Unit(p, file), nil
}

// listed are packages as pages list them, with links below a URL.
func listed(held map[string]*pulp.Content[Package], below string) (out []pep.File) {
	for _, c := range held {
		p := &c.Detail
		f := pep.File{
			Filename: p.Filename, URL: below + p.Filename, Hashes: map[string]string{"sha256": p.SHA256},
			RequiresPython: p.RequiresPython, UploadTime: c.Created.String(), Yanked: pep.MarkOf(p.Yanked), Metadata: pep.DigestOf(p.Metadata),
			Named: pep.Filename{Version: p.Version, Type: p.PackageType, Python: p.Python},
		}
		if p.Size >= 0 {
			f.Size = &p.Size
		}
		out = append(out, f)
	}
	return out
}

package python

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

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
	text, err := pep.MetadataIn(f.Ending, file, in.Size)
	if err == nil {
		err = p.read(text)
	}
	if err == nil {
		err = p.named(filename, p.Name)
	}
	p.Digest, p.Size = in.SHA256, in.Size
	return err
}

// read fills in what core metadata says.
func (p *Package) read(text []byte) (err error) {
	p.Core, err = pep.ReadCore(text)
	p.Metadata = digest(text)
	return err
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// named fills in what the name of a file of a project says. It must not be another thing than what the metadata,
// if that has been read, does.
func (p *Package) named(filename, project string) error {
	f, err := pep.ParseFilename(filename, project)
	if err != nil {
		return err
	}
	p.RelativePath, p.Filename, p.PackageType, p.Python, p.Normalized = "", filename, f.Type, f.Python, f.Project
	if p.Name == "" {
		p.Name, p.Version = project, f.Version
	}
	said, _ := pep.ParseVersion(f.Version)
	if own, err := pep.ParseVersion(p.Version); err != nil || !own.Equal(said) || pep.Normalize(p.Name) != f.Project {
		return fmt.Errorf("the name %.80q is not that of a file of %.80s %.40s, as the metadata has it", filename, p.Name, p.Version)
	}
	if f.Type != pep.Wheel {
		p.Metadata = "" // what is in a source distribution need not be true of what is built of it
	}
	core, err := json.Marshal(p.Core)
	p.Said = digest(core)
	return err
}

// An entry is a file on a page of a remote's index.
type entry struct{ pep.File }

// A source gets what a remote has: a sync, or a request that is answered from there.
type source interface {
	Document(ctx context.Context, url, accept string, limit int64) (*pulp.Document, error)
	Obtain(ctx context.Context, f pulp.Remotely) (*pulp.Incoming, error)
}

// remotely is the entry as a file of a remote.
func (e *entry) remotely() pulp.Remotely {
	f := pulp.Remotely{URL: e.URL, SHA256: e.SHA256(), Size: -1}
	if e.Size != nil {
		f.Size = *e.Size
	}
	return f
}

// unit makes a unit of project name: of what the file says itself if it is wanted whole, or nobody knows its digest; else
// of its metadata, if the remote has that, and of what the page says.
func (e *entry) unit(ctx context.Context, from source, name string, whole bool) (*pulp.Unit, error) {
	p, f := Package{Yanked: e.Yanked.Reason()}, e.remotely()
	if whole || f.SHA256 == "" {
		in, err := from.Obtain(ctx, f)
		if err != nil {
			return nil, err
		}
		f.Bytes, err = in, p.describe(e.Filename, in)
		return e.finish(p, f, name, err)
	}
	p.Digest, p.Size = f.SHA256, f.Size
	if e.Metadata.Set && e.Named.Type == pep.Wheel {
		text, err := e.metadata(ctx, from)
		if err != nil {
			return nil, err
		}
		if err := p.read(text); err != nil {
			return nil, pulp.BadMetadata(e.Filename+".metadata", err)
		}
	}
	p.RequiresPython = cmp.Or(p.RequiresPython, e.RequiresPython)
	return e.finish(p, f, name, p.named(e.Filename, cmp.Or(p.Name, name)))
}

func (e *entry) finish(p Package, f pulp.Remotely, name string, err error) (*pulp.Unit, error) {
	if err == nil && p.Normalized != name {
		err = fmt.Errorf("it is of the project %s", p.Normalized)
	}
	if err != nil {
		f.Bytes.Discard()
		return nil, pulp.BadMetadata(e.Filename, err)
	}
	return packages.Unit(p, f), nil
}

// metadata gets what the remote has beside the file.
func (e *entry) metadata(ctx context.Context, from source) ([]byte, error) {
	doc, err := from.Document(ctx, e.URL+".metadata", "*/*", pep.MaxMetadata)
	if err != nil {
		return nil, err
	}
	if want, ok := strings.CutPrefix(e.Metadata.Why, "sha256="); ok && !strings.EqualFold(want, digest(doc.Text)) {
		return nil, pulp.BadMetadata(e.Filename+".metadata", fmt.Errorf("its sha256 is %s, not %s as the index says", digest(doc.Text), want))
	}
	return doc.Text, nil
}

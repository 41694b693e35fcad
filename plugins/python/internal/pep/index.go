package pep

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/gopulp/pulp"
)

// maxIndex bounds the pages of a remote's index, in bytes. Those of pypi.org have up to 30 MB.
const maxIndex = 128 << 20

// An Index is that of a remote, of which a filter says what is taken.
type Index struct {
	*Filter
	from pulp.Upstream
	root string
}

// Open makes the index of the remote at a URL, which may be that of the index itself, or above it.
func (r *Rules) Open(from pulp.Upstream, url string) (*Index, error) {
	filter, err := r.Filter()
	return &Index{filter, from, strings.TrimSuffix(strings.TrimRight(url, "/"), "/simple") + "/simple/"}, err
}

// Names are the projects of which something is taken.
func (x *Index) Names(ctx context.Context) ([]string, error) {
	if names := x.Projects(); names != nil {
		return names, nil
	}
	doc, err := x.from.Document(ctx, x.root, Acceptable, maxIndex)
	if err != nil {
		return nil, err
	}
	names, err := ReadProjects(doc)
	if err != nil {
		return nil, pulp.BadMetadata("the list of projects", err)
	}
	return names, nil
}

// Files are those that are taken of a project.
func (x *Index) Files(ctx context.Context, project string) ([]File, error) {
	if !x.Project(project) {
		return nil, nil
	}
	doc, err := x.from.Document(ctx, x.root+project+"/", Acceptable, maxIndex)
	if err != nil {
		return nil, err
	}
	files, err := ReadProject(doc, project)
	if err != nil {
		return nil, pulp.BadMetadata(project, err)
	}
	return x.Choose(files), nil
}

// Remotely is the file as a remote offers it.
func (f *File) Remotely() pulp.Remotely {
	out := pulp.Remotely{URL: f.URL, SHA256: f.SHA256(), Size: -1}
	if f.Size != nil {
		out.Size = *f.Size
	}
	return out
}

// MetadataFrom gets the metadata that the remote has beside the file; nil if it has none.
func (f *File) MetadataFrom(ctx context.Context, from pulp.Upstream) ([]byte, error) {
	if !f.Metadata.Set || f.Named.Type != Wheel {
		return nil, nil
	}
	doc, err := from.Document(ctx, f.URL+".metadata", "*/*", MaxMetadata)
	if err != nil {
		return nil, err
	}
	if want, ok := strings.CutPrefix(f.Metadata.Why, "sha256="); ok && !strings.EqualFold(want, Digest(doc.Text)) {
		return nil, pulp.BadMetadata(f.Filename+".metadata", fmt.Errorf("its sha256 is %s, not %s as the index says", Digest(doc.Text), want))
	}
	return doc.Text, nil
}

// Digest is the SHA-256 digest of a text in hex.
func Digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

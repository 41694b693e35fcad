package python

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/python/internal/pep"
)

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
	p, f := Package{}, e.remotely()
	if e.Yanked.Set {
		p.Yanked = &e.Yanked.Why
	}
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

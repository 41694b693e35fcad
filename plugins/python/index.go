package python

import (
	"context"
	"io"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/python/internal/pep"
)

// heldOf is what a version of a repository has of a project, by the names of files.
func heldOf(ctx context.Context, v *pulp.Version, name string) (map[string]*pulp.Content[Package], error) {
	out := map[string]*pulp.Content[Package]{}
	for c, err := range packages.In(ctx, v, "name_normalized", name) {
		if err != nil {
			return nil, err
		}
		out[c.Detail.Filename] = c
	}
	return out, nil
}

// entryOf is a package on the page of its project.
func entryOf(c *pulp.Content[Package], url string) pep.File {
	p := &c.Detail
	f := pep.File{Filename: p.Filename, URL: url, Hashes: map[string]string{"sha256": p.Digest}, RequiresPython: p.RequiresPython, UploadTime: c.Created.String(), Named: pep.Filename{Version: p.Version}}
	if p.Size >= 0 {
		f.Size = &p.Size
	}
	if p.Metadata != "" {
		f.Metadata = pep.Mark{Set: true, Why: "sha256=" + p.Metadata}
	}
	if p.Yanked != nil {
		f.Yanked = pep.Mark{Set: true, Why: *p.Yanked}
	}
	return f
}

// publish writes the index as files, for servers that have nothing else; the packages pass through.
func publish(ctx context.Context, p *pulp.Publishing, _ *pulp.Publication[pulp.None]) error {
	var names []string
	for name, err := range packages.Values(ctx, p.Version(), "name_normalized") {
		if err != nil {
			return err
		}
		held, err := heldOf(ctx, p.Version(), name)
		if err != nil {
			return err
		}
		var files []pep.File
		for _, c := range held {
			f := entryOf(c, "../../"+c.Detail.Filename)
			f.Metadata = pep.Mark{} // it is no file
			files = append(files, f)
		}
		if err := write(ctx, p, "simple/"+name+"/", pep.NewProject(name, files)); err != nil {
			return err
		}
		names = append(names, name)
	}
	return write(ctx, p, "simple/", pep.List(names))
}

// A page is one of the index.
type page interface {
	Render(mediaType string) ([]byte, error)
}

func write(ctx context.Context, p *pulp.Publishing, dir string, page page) error {
	text, err := page.Render(pep.Text)
	if err != nil {
		return err
	}
	return p.Write(ctx, dir+"index.html", func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

package python

import (
	"context"
	"errors"
	"io"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/python/internal/pep"
)

// maxIndex bounds the pages of a remote's index, in bytes. Those of pypi.org have up to 30 MB.
const maxIndex = 128 << 20

// abreast is how many files of a project a sync describes at the same time.
const abreast = 8

// indexURL is where a remote has the page of a project; that of all of them for no name.
func indexURL(remote, name string) string {
	url := strings.TrimSuffix(strings.TrimRight(remote, "/"), "/simple") + "/simple/"
	if name != "" {
		url += name + "/"
	}
	return url
}

// sync puts the packages that the remote's fields choose.
func sync(ctx context.Context, s *pulp.Sync, _ *pulp.Repository[Repository], remote *pulp.Remote[Remote], _ pulp.SyncArgs) error {
	f, err := remote.Detail.Filter()
	if err != nil {
		return err
	}
	names := f.Projects()
	if names == nil {
		doc, err := s.Document(ctx, indexURL(remote.URL, ""), pep.Acceptable, maxIndex)
		if err != nil {
			return err
		}
		if names, err = pep.ReadProjects(doc); err != nil {
			return pulp.BadMetadata("the list of projects", err)
		}
	}
	read := s.Progress("sync.parsing.metadata", "Reading Projects", int64(len(names)))
	for _, name := range names {
		if !f.Project(name) {
			continue
		}
		doc, err := s.Document(ctx, indexURL(remote.URL, name), pep.Acceptable, maxIndex)
		if errors.Is(err, pulp.ErrNotFound) && len(f.Includes) == 0 {
			continue // it has been deleted since the list was made
		}
		if err != nil {
			return err
		}
		files, err := pep.ReadProject(doc, name)
		if err != nil {
			return pulp.BadMetadata(name, err)
		}
		if err := putAll(ctx, s, name, f.Latest(f.Choose(files)), remote.Policy == pulp.Immediate); err != nil {
			return err
		}
		read.Add(1)
	}
	return nil
}

// putAll puts files of a project. What the repository has already is not read again.
func putAll(ctx context.Context, s *pulp.Sync, name string, files []pep.File, whole bool) error {
	held, err := heldOf(ctx, s.Latest(), name)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(abreast)
	for _, file := range files {
		e := &entry{file}
		group.Go(func() (err error) {
			var unit *pulp.Unit
			if c := held[e.Filename]; c != nil && c.Detail.Digest == e.SHA256() && (c.Detail.MetadataVersion != "" || !whole) {
				c.Detail.Yanked = e.Yanked.Reason()
				unit = packages.Unit(c.Detail, e.remotely())
			} else if unit, err = e.unit(ctx, s, name, whole); err != nil {
				return err
			}
			return s.Put(ctx, unit)
		})
	}
	return group.Wait()
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

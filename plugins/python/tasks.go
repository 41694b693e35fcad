package python

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/python/internal/pep"
)

// abreast is how many files of a project a sync describes at the same time.
const abreast = 8

// sync puts the packages that the remote's fields choose.
func sync(ctx context.Context, s *pulp.Sync, _ *pulp.Repository[Repository], remote *pulp.Remote[Remote], _ pulp.SyncArgs) error {
	index, err := remote.Detail.Open(s, remote.URL)
	if err != nil {
		return err
	}
	names, err := index.Names(ctx)
	if err != nil {
		return err
	}
	read := s.Progress("sync.parsing.metadata", "Reading Projects", int64(len(names)))
	for _, name := range names {
		files, err := index.Files(ctx, name)
		if errors.Is(err, pulp.ErrNotFound) && len(index.Includes) == 0 {
			continue // it has been deleted since the list was made
		}
		if err == nil {
			err = putAll(ctx, s, name, index.Latest(files), remote.Policy == pulp.Immediate)
		}
		if err != nil {
			return err
		}
		read.Add(1)
	}
	return nil
}

// putAll puts files of a project. What the repository has already is not read again.
func putAll(ctx context.Context, s *pulp.Sync, name string, files []pep.File, whole bool) error {
	held, err := packages.Held(ctx, s.Latest(), "name_normalized", name)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(abreast)
	for i := range files {
		f := &files[i]
		group.Go(func() error {
			if c := held[f.Filename]; c != nil && c.Detail.SHA256 == f.SHA256() && (c.Detail.MetadataVersion != "" || !whole) {
				c.Detail.Yanked = f.Yanked.Reason()
				return s.Put(ctx, packages.Unit(c.Detail, f.Remotely()))
			}
			u, err := unit(ctx, s, name, f, whole)
			if err != nil {
				return err
			}
			return s.Put(ctx, u)
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
		held, err := packages.Held(ctx, p.Version(), "name_normalized", name)
		if err != nil {
			return err
		}
		files := listed(held, "../../")
		for i := range files {
			files[i].Metadata = pep.Mark{} // it is no file
		}
		if err := write(ctx, p, "simple/"+name+"/", pep.NewProject(name, files)); err != nil {
			return err
		}
		names = append(names, name)
	}
	return write(ctx, p, "simple/", pep.List(names))
}

func write(ctx context.Context, p *pulp.Publishing, dir string, page httpapi.Page) error {
	return p.Write(ctx, dir+"index.html", func(w io.Writer) error { return page.Render(w, pep.Text) })
}

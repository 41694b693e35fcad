package python

import (
	"context"
	"errors"
	"fmt"
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
	f, err := newFilter(&remote.Detail)
	if err != nil {
		return err
	}
	names := f.projects()
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
		if !f.project(name) {
			continue
		}
		doc, err := s.Document(ctx, indexURL(remote.URL, name), pep.Acceptable, maxIndex)
		if errors.Is(err, pulp.ErrNotFound) && len(f.includes) == 0 {
			continue // it has been deleted since the list was made
		}
		if err != nil {
			return fmt.Errorf("the project %s: %w", name, err)
		}
		files, err := pep.ReadProject(doc, name)
		if err != nil {
			return pulp.BadMetadata(name, err)
		}
		if err := putAll(ctx, s, name, f.latest(f.choose(files)), remote.Policy == pulp.Immediate); err != nil {
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
			if c := held[e.Filename]; c != nil && c.Detail.Digest == e.SHA256() {
				unit = packages.Unit(c.Detail, e.remotely())
			} else if unit, err = e.unit(ctx, s, name, whole); err != nil {
				return fmt.Errorf("%s: %w", e.Filename, err)
			}
			return s.Put(ctx, unit)
		})
	}
	return group.Wait()
}

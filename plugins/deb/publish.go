package deb

import (
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gopulp/pulp"
)

// A place is where packages are listed.
type place struct{ distribution, component string }

// everywhere is the place in which a simple publication has all packages.
var everywhere = place{"default", "all"}

// A layout says which packages are listed where.
type layout struct {
	places   map[identity][]place // by the identity of packages
	releases map[string]Release   // by distribution
	contents map[string]*content  // by distribution
	simple   bool
}

// A content is what is in a distribution.
type content struct{ components, architectures map[string]bool }

// An identity is what places go by.
type identity struct{ name, version, architecture string }

// of are the places of a package.
func (l *layout) of(p *Package) []place {
	places := l.places[identity{p.Package, p.Version, p.Architecture}]
	if l.simple {
		places = append(slices.Clip(places), everywhere)
	}
	return places
}

// content is what is in a distribution, so far.
func (l *layout) content(dist string) *content {
	if l.contents[dist] == nil {
		l.contents[dist] = &content{map[string]bool{}, map[string]bool{}}
	}
	return l.contents[dist]
}

// publish writes indexes and Release of each distribution; the packages themselves pass through.
func publish(ctx context.Context, p *pulp.Publishing, pub *pulp.Publication[Publication]) error {
	service, err := signer(ctx, p, pub.Detail.SigningService)
	if err != nil {
		return err
	}
	l, err := readLayout(ctx, p, pub.Detail)
	if err != nil {
		return err
	}
	for _, dist := range slices.Sorted(maps.Keys(l.contents)) {
		if err := l.distribution(ctx, p, service, dist); err != nil {
			return err
		}
	}
	return nil
}

// signer is the publication's signing service, or the repository's; nil if neither names one.
func signer(ctx context.Context, p *pulp.Publishing, own *int64) (pulp.SigningService, error) {
	repo, err := pulp.PublishedRepository[Repository](ctx, p)
	if err != nil {
		return nil, err
	}
	id := cmp.Or(own, repo.Detail.SigningService)
	if id == nil {
		return nil, nil
	}
	return pulp.FromContext(ctx).SigningService(ctx, *id)
}

// readLayout reads where the packages of the version belong, and what that makes of distributions.
func readLayout(ctx context.Context, p *pulp.Publishing, how Publication) (*layout, error) {
	l := &layout{map[identity][]place{}, map[string]Release{}, map[string]*content{}, how.Simple}
	if how.Structured {
		for u, err := range packageReleases.Published(ctx, p) {
			if err != nil {
				return nil, err
			}
			id := identity{u.Detail.Package, u.Detail.Version, u.Detail.Architecture}
			l.places[id] = append(l.places[id], place{u.Detail.Distribution, u.Detail.Component})
		}
		for u, err := range releases.Published(ctx, p) {
			if err != nil {
				return nil, err
			}
			l.releases[u.Detail.Distribution] = u.Detail
			l.content(u.Detail.Distribution) // which may be empty
		}
	}
	if how.Simple {
		l.content(everywhere.distribution).components[everywhere.component] = true
	}
	for u, err := range packages.Published(ctx, p) {
		if err != nil {
			return nil, err
		}
		for _, at := range l.of(&u.Detail) {
			c := l.content(at.distribution)
			c.components[at.component], c.architectures[u.Detail.Architecture] = true, true
		}
	}
	for _, c := range l.contents { // what is for all is listed for each
		if delete(c.architectures, "all"); len(c.architectures) == 0 {
			c.architectures["all"] = true
		}
	}
	return l, nil
}

// distribution writes the indexes of a distribution, and then what vouches for them.
func (l *layout) distribution(ctx context.Context, p *pulp.Publishing, service pulp.SigningService, dist string) error {
	c, top := l.contents[dist], path.Join("dists", dist)
	var files strings.Builder
	for _, component := range slices.Sorted(maps.Keys(c.components)) {
		for _, arch := range slices.Sorted(maps.Keys(c.architectures)) {
			dir, plain, n := component+"/binary-"+arch, sha256.New(), size(0)
			f, err := p.WriteUnder(ctx, func(f pulp.PublishedFile) []string {
				return []string{path.Join(top, dir, "Packages.gz"), path.Join(top, dir, "by-hash/SHA256", f.SHA256)}
			}, func(w io.Writer) error {
				zip := gzip.NewWriter(w)
				if err := l.index(ctx, p, io.MultiWriter(zip, plain, &n), place{dist, component}, arch); err != nil {
					return err
				}
				return zip.Close()
			})
			if err != nil {
				return fmt.Errorf("write the index of %s in %s: %w", dir, dist, err)
			}
			fmt.Fprintf(&files, "\n %x %d %s/Packages\n %s %d %s/Packages.gz", plain.Sum(nil), n, dir, f.SHA256, f.Size, dir)
		}
	}
	text := l.release(dist, files.String())
	err := p.Write(ctx, top+"/Release", func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil || service == nil {
		return err
	}
	if err := p.Sign(ctx, service, pulp.ClearSignature, top+"/InRelease", []byte(text)); err != nil {
		return err
	}
	return p.Sign(ctx, service, pulp.DetachedSignature, top+"/Release.gpg", []byte(text))
}

// A size counts bytes.
type size int64

func (s *size) Write(b []byte) (int, error) {
	*s += size(len(b))
	return len(b), nil
}

// index writes the paragraphs of the packages of a place, for an architecture.
func (l *layout) index(ctx context.Context, p *pulp.Publishing, w io.Writer, at place, arch string) error {
	for u, err := range packages.Published(ctx, p) {
		if err != nil {
			return err
		}
		if a := u.Detail.Architecture; a != arch && a != "all" || !slices.Contains(l.of(&u.Detail), at) {
			continue
		}
		if u.File.SHA256 == "" || u.File.Size < 0 {
			return &pulp.TaskError{Code: "PLP0012", Text: fmt.Sprintf("Cannot create publication. Digest and size of %s are not known.", u.Detail.RelativePath)}
		}
		_, err := fmt.Fprintf(w, "%sFilename: %s\nSize: %d\nSHA256: %s\n\n", u.Detail.Control, u.File.Path, u.File.Size, u.File.SHA256)
		if err != nil {
			return err
		}
	}
	return nil
}

// release is the text of the Release file of a distribution.
func (l *layout) release(dist, files string) string {
	said, c, b := l.releases[dist], l.contents[dist], strings.Builder{}
	for _, f := range [][2]string{
		{"Origin", said.Origin}, {"Label", said.Label}, {"Suite", cmp.Or(said.Suite, dist)}, {"Codename", cmp.Or(said.Codename, dist)},
		{"NotAutomatic", said.NotAutomatic}, {"ButAutomaticUpgrades", said.ButUpgrades},
		{"Date", time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC")}, {"Acquire-By-Hash", "yes"},
		{"Architectures", strings.Join(slices.Sorted(maps.Keys(c.architectures)), " ")},
		{"Components", strings.Join(slices.Sorted(maps.Keys(c.components)), " ")},
	} {
		if f[1] != "" {
			b.WriteString(f[0] + ": " + f[1] + "\n")
		}
	}
	return b.String() + "SHA256:" + files + "\n"
}

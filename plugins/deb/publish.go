package deb

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
)

// The distribution and the component in which a simple publication has all packages.
const (
	simpleDistribution = "default"
	simpleComponent    = "all"
)

// A place is where packages are listed.
type place struct{ distribution, component string }

// A layout says which packages are listed where.
type layout struct {
	places   map[string][]place // by the identity of packages
	releases map[string]Release // by distribution
	simple   bool
}

// identity is what places go by.
func identity(name, version, architecture string) string {
	return name + " " + version + " " + architecture
}

func (l *layout) of(p *Package) []place {
	return l.places[identity(p.Package, p.Version, p.Architecture)]
}

// lists says whether a package is listed at a place, for an architecture.
func (l *layout) lists(p *Package, at place, architecture string) bool {
	if p.Architecture != architecture && p.Architecture != "all" {
		return false
	}
	if l.simple && at == (place{simpleDistribution, simpleComponent}) {
		return true
	}
	return slices.Contains(l.of(p), at)
}

// publish writes indexes and Release of each distribution; the packages themselves pass through.
func publish(ctx context.Context, p *pulp.Publishing, pub *pulp.Publication[Publication]) error {
	l, err := readLayout(ctx, p, pub.Detail)
	if err != nil {
		return err
	}
	service, err := signer(ctx, pub)
	if err != nil {
		return err
	}
	contents, err := l.contents(ctx, p)
	if err != nil {
		return err
	}
	for _, dist := range slices.Sorted(maps.Keys(contents)) {
		if err := l.distribution(ctx, p, service, dist, contents[dist]); err != nil {
			return err
		}
	}
	return nil
}

// readLayout reads where the packages of the version belong.
func readLayout(ctx context.Context, p *pulp.Publishing, how Publication) (*layout, error) {
	l := &layout{places: map[string][]place{}, releases: map[string]Release{}, simple: how.Simple}
	if !how.Structured {
		return l, nil
	}
	for u, err := range packageReleases.Published(ctx, p) {
		if err != nil {
			return nil, err
		}
		d, id := u.Detail, identity(u.Detail.Package, u.Detail.Version, u.Detail.Architecture)
		if at := (place{d.Distribution, d.Component}); !how.Simple || at.distribution != simpleDistribution {
			l.places[id] = append(l.places[id], at)
		}
	}
	for u, err := range releases.Published(ctx, p) {
		if err != nil {
			return nil, err
		}
		l.releases[u.Detail.Distribution] = u.Detail
	}
	return l, nil
}

// contents are the distributions to be written: their components and architectures.
type contents struct{ components, architectures map[string]bool }

func (l *layout) contents(ctx context.Context, p *pulp.Publishing) (map[string]*contents, error) {
	out := map[string]*contents{}
	add := func(dist string) *contents {
		if out[dist] == nil {
			out[dist] = &contents{map[string]bool{}, map[string]bool{}}
		}
		return out[dist]
	}
	if l.simple {
		add(simpleDistribution).components[simpleComponent] = true
	}
	for dist := range l.releases {
		add(dist)
	}
	for u, err := range packages.Published(ctx, p) {
		if err != nil {
			return nil, err
		}
		for _, at := range l.of(&u.Detail) {
			add(at.distribution).components[at.component] = true
			out[at.distribution].architectures[u.Detail.Architecture] = true
		}
		if l.simple {
			out[simpleDistribution].architectures[u.Detail.Architecture] = true
		}
	}
	for _, c := range out { // what is for all is listed for each
		if delete(c.architectures, "all"); len(c.architectures) == 0 {
			c.architectures["all"] = true
		}
	}
	return out, nil
}

// distribution writes the indexes of a distribution, and then what vouches for them.
func (l *layout) distribution(ctx context.Context, p *pulp.Publishing, service pulp.SigningService, dist string, c *contents) error {
	var files strings.Builder
	for _, component := range slices.Sorted(maps.Keys(c.components)) {
		for _, arch := range slices.Sorted(maps.Keys(c.architectures)) {
			dir := component + "/binary-" + arch
			plain := &digest{Hash: sha256.New()}
			f, err := p.WriteAt(ctx, func(f pulp.PublishedFile) []string {
				dir := path.Join("dists", dist, dir)
				return []string{dir + "/Packages.gz", dir + "/by-hash/SHA256/" + f.SHA256}
			}, func(w io.Writer) error {
				zip := gzip.NewWriter(w)
				if err := l.index(ctx, p, io.MultiWriter(zip, plain), place{dist, component}, arch); err != nil {
					return err
				}
				return zip.Close()
			})
			if err != nil {
				return fmt.Errorf("write the index of %s in %s: %w", dir, dist, err)
			}
			fmt.Fprintf(&files, "\n %x %d %s/Packages\n %s %d %s/Packages.gz", plain.Sum(nil), plain.size, dir, f.SHA256, f.Size, dir)
		}
	}
	return writeRelease(ctx, p, service, dist, l.release(dist, c, files.String()).text())
}

// A digest counts what it hashes.
type digest struct {
	hash.Hash
	size int64
}

func (d *digest) Write(b []byte) (int, error) {
	d.size += int64(len(b))
	return d.Hash.Write(b)
}

// index writes the paragraphs of the packages of a place.
func (l *layout) index(ctx context.Context, p *pulp.Publishing, w io.Writer, at place, arch string) error {
	for u, err := range packages.Published(ctx, p) {
		if err != nil {
			return err
		}
		if !l.lists(&u.Detail, at, arch) {
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

// release is the Release file of a distribution.
func (l *layout) release(dist string, c *contents, files string) stanza {
	said := l.releases[dist]
	out := stanza{}
	for _, f := range []field{
		{"Origin", said.Origin}, {"Label", said.Label}, {"Suite", cmp.Or(said.Suite, dist)}, {"Codename", cmp.Or(said.Codename, dist)},
		{"Date", time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC")}, {"Acquire-By-Hash", "yes"},
		{"Architectures", strings.Join(slices.Sorted(maps.Keys(c.architectures)), " ")},
		{"Components", strings.Join(slices.Sorted(maps.Keys(c.components)), " ")},
	} {
		if f.value != "" {
			out = append(out, f)
		}
	}
	return append(out, field{"SHA256", files})
}

// writeRelease writes Release, and its signatures if there is who signs.
func writeRelease(ctx context.Context, p *pulp.Publishing, service pulp.SigningService, dist, text string) error {
	dir := path.Join("dists", dist)
	err := p.Write(ctx, dir+"/Release", func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil || service == nil {
		return err
	}
	for name, form := range map[string]pulp.SignatureForm{"InRelease": pulp.ClearSignature, "Release.gpg": pulp.DetachedSignature} {
		err := p.Write(ctx, dir+"/"+name, func(w io.Writer) error {
			return service.Sign(ctx, form, w, bytes.NewReader([]byte(text)))
		})
		if err != nil {
			return &pulp.TaskError{Code: "PLP0012", Text: fmt.Sprintf("Cannot create publication. The signing service %s failed: %s", service.Name(), err), Err: err}
		}
	}
	return nil
}

const repositoryOfSQL = "?TableAlias.id = (SELECT v.repository_id FROM repository_version v WHERE v.id = ?)"

// signer is the publication's signing service, or the repository's; nil if neither names one.
func signer(ctx context.Context, pub *pulp.Publication[Publication]) (pulp.SigningService, error) {
	app, id := pulp.FromContext(ctx), pub.Detail.SigningService
	if id == nil {
		repo, err := pulp.NewModel[pulp.Repository[Repository]]().First(ctx, app.DB().Reader(), func(q *bun.SelectQuery) *bun.SelectQuery {
			return q.Where(repositoryOfSQL, pub.VersionID)
		})
		if err != nil {
			return nil, err
		}
		if id = repo.Detail.SigningService; id == nil {
			return nil, nil
		}
	}
	return app.SigningService(ctx, *id)
}

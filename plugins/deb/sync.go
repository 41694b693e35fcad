package deb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"

	"github.com/gopulp/pulp"
)

// SyncArgs is the body of a request to sync.
type SyncArgs struct {
	pulp.SyncArgs
	Optimize bool `json:"optimize" pulp:"writeonly" default:"true" doc:"Whether or not to optimize sync."`
}

// A syncing is one sync of a remote.
type syncing struct {
	*pulp.Sync
	root   string // the URL of a file beside dists
	remote *Remote
	keys   openpgp.EntityList // nil: signatures do not matter
	seen   map[[32]byte]bool
}

// An index is a verified file that lists packages of a component.
type index struct {
	file                    *pulp.File
	name, ending, component string
	limit                   int64
}

const (
	maxRelease = 64 << 20 // bytes
	attempts   = 3        // at a distribution that changes meanwhile
)

// errChanged says that a file is not the one that Release names.
var errChanged = errors.New("the repository changed, or is damaged")

// sync reads the remote's distributions one by one and puts each of their packages. All metadata of a
// distribution is here and verified before the first of its packages is put.
func sync(ctx context.Context, s *pulp.Sync, _ *pulp.Repository[Repository], remote *pulp.Remote[Remote], args SyncArgs) error {
	y := &syncing{Sync: s, root: strings.TrimSuffix(remote.URL, "/") + "/", remote: &remote.Detail, seen: map[[32]byte]bool{}}
	if remote.Detail.GPGKey != nil {
		var err error
		if y.keys, err = openpgp.ReadArmoredKeyRing(strings.NewReader(*remote.Detail.GPGKey)); err != nil {
			return refuse("gpgkey of the remote", err)
		}
	}
	settings, err := json.Marshal(remote.Detail)
	if err != nil {
		return err
	}
	state := sha256.New()
	state.Write(settings)
	all := strings.Fields(remote.Detail.Distributions)
	found := make([]*release, len(all))
	for i, dist := range all {
		var digest string
		if found[i], digest, err = y.release(ctx, dist); err != nil {
			return err
		}
		fmt.Fprintf(state, "%s %s\n", dist, digest)
	}
	if args.Optimize {
		if same, err := s.Unchanged(ctx, remote.URL, hex.EncodeToString(state.Sum(nil))); err != nil || same {
			return err
		}
	}
	for i, dist := range all {
		if err := y.distribution(ctx, dist, found[i]); err != nil {
			return err
		}
	}
	return nil
}

// refuse makes the failure of the task of what is wrong with a file.
func refuse(name string, err error) error {
	return &pulp.TaskError{Code: "PLP0013", Text: fmt.Sprintf("%s: %s", name, err), Err: err}
}

// get downloads a file of metadata and reads it whole.
func (y *syncing) get(ctx context.Context, path string) ([]byte, error) {
	url, err := y.Resolve(y.root, path)
	if err != nil {
		return nil, err
	}
	f, err := y.Get(ctx, url)
	if err != nil {
		return nil, err
	}
	if f.Size > maxRelease {
		return nil, fmt.Errorf("it has %d bytes; at most %d are allowed", f.Size, maxRelease)
	}
	return io.ReadAll(f)
}

// release gets and verifies InRelease, or Release where there is no InRelease.
func (y *syncing) release(ctx context.Context, dist string) (*release, string, error) {
	name := "dists/" + dist + "/InRelease"
	data, err := y.get(ctx, name)
	if err == nil {
		data, err = openSigned(data, y.keys)
	} else if without, other := y.detached(ctx, dist); other == nil {
		name, data, err = "dists/"+dist+"/Release", without, nil
	} else {
		err = errors.Join(err, other)
	}
	if err != nil {
		return nil, "", refuse(name, err)
	}
	r, err := parseRelease(data, time.Now())
	if err != nil {
		return nil, "", refuse(name, err)
	}
	sum := sha256.Sum256(data)
	return r, hex.EncodeToString(sum[:]), nil
}

// detached gets Release, and verifies it by Release.gpg if signatures matter.
func (y *syncing) detached(ctx context.Context, dist string) ([]byte, error) {
	data, err := y.get(ctx, "dists/"+dist+"/Release")
	if err != nil || y.keys == nil {
		return data, err
	}
	signature, err := y.get(ctx, "dists/"+dist+"/Release.gpg")
	if err != nil {
		return nil, fmt.Errorf("it is not signed, and the remote has a gpgkey: %w", err)
	}
	return data, checkDetached(data, signature, y.keys)
}

// distribution puts all of a distribution. If what it says and what there is do not match, as
// while it is being updated, it is read again.
func (y *syncing) distribution(ctx context.Context, dist string, r *release) error {
	found, err := y.indexes(ctx, dist, r)
	for i := 1; errors.Is(err, errChanged) && i < attempts; i++ {
		if r, _, err = y.release(ctx, dist); err == nil {
			found, err = y.indexes(ctx, dist, r)
		}
	}
	if err != nil {
		return err
	}
	said := Release{Distribution: dist, Codename: r.value("Codename"), Suite: r.value("Suite"), Origin: r.value("Origin"), Label: r.value("Label")}
	if err := y.Put(ctx, releases.Unit(said)); err != nil {
		return err
	}
	for _, x := range found {
		if err := y.putAll(ctx, dist, x); err != nil {
			return err
		}
	}
	return nil
}

// indexes gets all indexes of the chosen components and architectures.
func (y *syncing) indexes(ctx context.Context, dist string, r *release) (out []index, err error) {
	components, err := r.chosen(y.remote.Components, "Components")
	if err != nil {
		return nil, refuse("dists/"+dist+"/Release", err)
	}
	architectures, err := r.chosen(y.remote.Architectures, "Architectures", "all")
	if err != nil {
		return nil, refuse("dists/"+dist+"/Release", err)
	}
	if !slices.Contains(architectures, "all") {
		architectures = append(slices.Clone(architectures), "all")
	}
	for _, component := range components {
		for _, arch := range architectures {
			path, ending, ok := r.index(component, arch)
			if !ok && (arch == "all" || y.remote.Architectures == nil || y.remote.IgnoreMissing) {
				continue
			}
			if !ok {
				return nil, refuse("dists/"+dist+"/Release", fmt.Errorf("it names no index of packages for the component %s and the architecture %s", component, arch))
			}
			f, err := y.index(ctx, dist, r, path, ending)
			if err != nil {
				return nil, err
			}
			f.component = component
			out = append(out, f)
		}
	}
	return out, nil
}

// index gets an index, under its digest where that is offered.
func (y *syncing) index(ctx context.Context, dist string, r *release, path, ending string) (index, error) {
	want := r.files[path+ending]
	out := index{name: "dists/" + dist + "/" + path + ending, ending: ending, limit: maxIndex}
	if plain, ok := r.files[path]; ok {
		out.limit = min(out.limit, plain.size)
	}
	names := []string{out.name}
	if r.byHash {
		names = []string{out.name[:strings.LastIndexByte(out.name, '/')] + "/by-hash/SHA256/" + want.sha256, out.name}
	}
	var errs []error
	for _, name := range names {
		url, err := y.Resolve(y.root, name)
		if err != nil {
			return out, err
		}
		f, err := y.Get(ctx, url)
		if err == nil && (f.SHA256 != want.sha256 || f.Size != want.size) {
			err = refuse(name, fmt.Errorf("its size or sha256 is not what Release says: %w", errChanged))
		}
		if err == nil {
			out.file = f
			return out, nil
		}
		errs = append(errs, err)
	}
	return out, errs[len(errs)-1]
}

// putAll puts the packages of an index.
func (y *syncing) putAll(ctx context.Context, dist string, x index) error {
	plain, err := decompress(x.file, x.ending, x.limit)
	if err != nil {
		return refuse(x.name, err)
	}
	done := y.Progress("sync.parsing.metadata", "Parsing "+x.name, 0)
	for s, err := range readStanzas(plain) {
		if err != nil {
			return refuse(x.name, err)
		}
		p, file, err := y.entry(s)
		if err != nil {
			return refuse(x.name, fmt.Errorf("package %.60q: %w", s.value("Package"), err))
		}
		units := []*pulp.Unit{packages.Unit(*p, file), p.in(dist, x.component)}
		for i, mark := range []string{p.SHA256 + p.RelativePath, p.SHA256 + "\n" + dist + "\n" + x.component} {
			sum := sha256.Sum256([]byte(mark))
			if y.seen[sum] {
				continue // packages for all architectures are in several indexes
			}
			y.seen[sum] = true
			if err := y.Put(ctx, units[i]); err != nil {
				return err
			}
		}
		done.Add(1)
	}
	return nil
}

// entry makes a package and its file of a paragraph of an index.
func (y *syncing) entry(s stanza) (*Package, pulp.Remotely, error) {
	p := &Package{SHA256: strings.ToLower(s.value("SHA256")), RelativePath: strings.TrimPrefix(s.value("Filename"), "./")}
	if err := p.describe(s); err != nil {
		return nil, pulp.Remotely{}, err
	}
	size, err := strconv.ParseUint(s.value("Size"), 10, 63)
	switch {
	case err != nil:
		return nil, pulp.Remotely{}, fmt.Errorf("the field Size is missing or no number: %.60q", s.value("Size"))
	case !isSHA256(p.SHA256):
		return nil, pulp.Remotely{}, fmt.Errorf("the field SHA256 is missing or no digest: %.80q", p.SHA256)
	case !pulp.ValidPath(p.RelativePath) || strings.HasPrefix(p.RelativePath, "dists/"):
		return nil, pulp.Remotely{}, fmt.Errorf("the field Filename is no path below the repository: %.80q", p.RelativePath)
	}
	url, err := y.Resolve(y.root, p.RelativePath)
	return p, pulp.Remotely{URL: url, SHA256: p.SHA256, Size: int64(size)}, err
}

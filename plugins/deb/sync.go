package deb

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/signing"
	"github.com/gopulp/pulp/unpack"
)

// SyncArgs is the body of a request to sync.
type SyncArgs struct {
	pulp.SyncArgs
	Optimize bool `json:"optimize" pulp:"writeonly" default:"true" doc:"Whether or not to optimize sync."`
}

// attempts are made at a distribution that changes meanwhile.
const attempts = 3

// A syncing is one sync of a remote.
type syncing struct {
	*pulp.Sync
	root   string // the URL of the directory that holds dists
	remote *Remote
	keys   signing.Keys // if the remote has a gpgkey
}

// check finds what is wrong before the first sync does.
func (m *Remote) check() error {
	errs := pulp.FieldErrors{}
	if strings.TrimSpace(m.Distributions) == "" {
		errs.Add("distributions", "This field may not be blank.")
	}
	for name, value := range map[string]*string{"distributions": &m.Distributions, "components": m.Components, "architectures": m.Architectures} {
		for _, word := range strings.Fields(*cmp.Or(value, new(string))) {
			if !goodPath(word) {
				errs.Add(name, wantPath, word)
			}
		}
	}
	if m.GPGKey != nil {
		if _, err := signing.ReadKeys("gpgkey", *m.GPGKey); err != nil {
			errs.Add("gpgkey", "Enter armored OpenPGP public keys (%s).", err)
		}
	}
	return errs.OrNil()
}

// sync reads the remote's distributions one by one and puts each of their packages. All metadata of a
// distribution is here and verified before the first of its packages is put.
func sync(ctx context.Context, s *pulp.Sync, _ *pulp.Repository[Repository], remote *pulp.Remote[Remote], args SyncArgs) (err error) {
	y := &syncing{Sync: s, root: strings.TrimSuffix(remote.URL, "/") + "/", remote: &remote.Detail}
	if key := remote.Detail.GPGKey; key != nil {
		if y.keys, err = signing.ReadKeys("the remote's gpgkey", *key); err != nil {
			return err
		}
	}
	state := sha256.New()
	if err := json.NewEncoder(state).Encode(remote.Detail); err != nil {
		return err
	}
	var found []*release
	for _, dist := range strings.Fields(remote.Detail.Distributions) {
		r, err := y.release(ctx, dist)
		if err != nil {
			return err
		}
		found = append(found, r)
		state.Write(r.digest[:])
	}
	if args.Optimize {
		if same, err := s.Unchanged(ctx, remote.URL, hex.EncodeToString(state.Sum(nil))); err != nil || same {
			return err
		}
	}
	for _, r := range found {
		if err := y.distribution(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// release gets and verifies InRelease, or Release where there is no InRelease.
func (y *syncing) release(ctx context.Context, dist string) (r *release, err error) {
	name := "dists/" + dist + "/InRelease"
	data, first := y.Read(ctx, y.root, name, maxRelease)
	switch {
	case first != nil:
		name = "dists/" + dist + "/Release"
		if data, err = y.detached(ctx, name); err != nil {
			err = fmt.Errorf("%w (and InRelease: %v)", err, first)
		}
	case y.remote.GPGKey != nil:
		data, err = y.keys.Open(data)
	default:
		data = signing.Text(data)
	}
	if err == nil {
		r, err = parseRelease(dist, data, time.Now())
	}
	if err != nil {
		return nil, pulp.BadMetadata(name, err)
	}
	return r, nil
}

// detached gets Release, and verifies it by Release.gpg if signatures matter.
func (y *syncing) detached(ctx context.Context, name string) ([]byte, error) {
	data, err := y.Read(ctx, y.root, name, maxRelease)
	if err != nil || y.remote.GPGKey == nil {
		return data, err
	}
	signature, err := y.Read(ctx, y.root, name+".gpg", maxRelease)
	if err != nil {
		return nil, fmt.Errorf("it is not signed, and the remote has a gpgkey: %w", err)
	}
	return data, y.keys.Check(data, signature)
}

// distribution puts all of a distribution. If its indexes are not to be had as Release says, and
// Release says something else by now, it was being updated and is read again.
func (y *syncing) distribution(ctx context.Context, r *release) error {
	found, err := y.indexes(ctx, r)
	for i := 1; err != nil && i < attempts; i++ {
		again, fault := y.release(ctx, r.dist)
		if fault != nil || again.digest == r.digest {
			break
		}
		r = again
		found, err = y.indexes(ctx, r)
	}
	if err != nil {
		return err
	}
	f := r.fields
	said := Release{r.dist, f["codename"], f["suite"], f["origin"], f["label"], f["notautomatic"], f["butautomaticupgrades"]}
	if err := y.Put(ctx, releases.Unit(said)); err != nil {
		return err
	}
	for _, x := range found {
		if err := y.putAll(ctx, r.dist, x); err != nil {
			return err
		}
	}
	return nil
}

// indexes gets all indexes of the chosen components and architectures. What the remote asks for by name
// must be there.
func (y *syncing) indexes(ctx context.Context, r *release) (out []index, err error) {
	m, fail := y.remote, func(format string, args ...any) error {
		return pulp.BadMetadata("dists/"+r.dist+"/Release", fmt.Errorf(format, args...))
	}
	architectures := append(strings.Fields(*cmp.Or(m.Architectures, new(r.fields["architectures"]))), "all")
	for _, component := range strings.Fields(*cmp.Or(m.Components, new(r.fields["components"]))) {
		if !goodPath(component) {
			return nil, fail("the field Components has a word that is not allowed: %.60q", component)
		}
		before := len(out)
		for _, arch := range slices.Compact(slices.Sorted(slices.Values(architectures))) {
			x, ok := r.index(component, arch)
			if !ok && m.Architectures != nil && arch != "all" && !m.IgnoreMissing {
				return nil, fail("there is no index for %q of architectures and %q of components; ignore_missing_package_indices passes that over", arch, component)
			}
			if !ok {
				continue
			}
			paths := []string{x.Path}
			if strings.EqualFold(r.fields["acquire_by_hash"], "yes") {
				paths = []string{path.Dir(x.Path) + "/by-hash/SHA256/" + x.SHA256, x.Path}
			}
			if x.file, err = y.Fetch(ctx, y.root, x.Remotely, paths...); err != nil {
				return nil, pulp.BadMetadata(x.Path, fmt.Errorf("it is not to be had as Release says: %w", err))
			}
			out = append(out, x)
		}
		if len(out) == before && m.Components != nil && !m.IgnoreMissing {
			return nil, fail("there is no index for %q of components; ignore_missing_package_indices passes that over", component)
		}
	}
	return out, nil
}

// putAll puts the packages of an index.
func (y *syncing) putAll(ctx context.Context, dist string, x index) error {
	plain, err := unpack.NewReader(x.file, x.ending, x.limit)
	if err != nil {
		return pulp.BadMetadata(x.Path, err)
	}
	done := y.Progress("sync.parsing.metadata", "Parsing "+x.Path, 0)
	for s, err := range readStanzas(plain) {
		if err != nil {
			return pulp.BadMetadata(x.Path, err)
		}
		p, file, err := y.entry(s)
		if err != nil {
			return pulp.BadMetadata(x.Path, fmt.Errorf("package %.60q: %w", s.fields["package"], err))
		}
		for _, u := range []*pulp.Unit{packages.Unit(*p, file), p.in(dist, x.component)} {
			if err := y.Put(ctx, u); err != nil {
				return err
			}
		}
		done.Add(1)
	}
	return nil
}

// entry makes a package and its file of a paragraph of an index.
func (y *syncing) entry(s stanza) (*Package, pulp.Remotely, error) {
	f, err := pulp.ParseRemotely(strings.TrimPrefix(s.fields["filename"], "./"), s.fields["sha256"], s.fields["size"])
	if err != nil {
		return nil, f, fmt.Errorf("the fields Filename, SHA256 and Size: %w", err)
	}
	if strings.HasPrefix(f.Path+"/", "dists/") {
		return nil, f, fmt.Errorf("the field Filename: %q is a place of metadata", f.Path)
	}
	p := &Package{SHA256: f.SHA256, RelativePath: f.Path}
	if err := p.describe(s); err != nil {
		return nil, f, err
	}
	f.URL, err = y.Resolve(y.root, f.Path)
	return p, f, err
}

// Package protocol asks other module proxies, and reads what they and clients send: lists, descriptions of versions and
// zips, as https://go.dev/ref/mod#goproxy-protocol and #zip-files have them.
package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	modzip "golang.org/x/mod/zip"

	"github.com/gopulp/pulp"
)

// limits of files in bytes, those of the go command, by their kind; never changed. Texts have [textLimit].
var limits = map[string]int64{"mod": modzip.MaxGoMod, "zip": modzip.MaxZipFile}

const textLimit = 4 << 20

// Latest stands for the newest version in what is asked.
const Latest = "latest"

// Info is what the protocol says of a version.
type Info struct {
	Version string
	Time    *pulp.Time `json:",omitempty"`
}

// FileOf is where the protocol has a file of a version: its zip, mod or info.
func FileOf(m module.Version, kind string) string {
	version, _ := module.EscapeVersion(m.Version) // what cannot be escaped was refused before
	return below(m.Path, "@v/"+version+"."+kind)
}

func below(path, file string) string {
	escaped, _ := module.EscapePath(path)
	return escaped + "/" + file
}

// Released is which released versions of a module a proxy has.
func Released(ctx context.Context, from pulp.Upstream, path string) ([]string, error) {
	doc, err := from.Document(ctx, from.Below(below(path, "@v/list")), "*/*", textLimit)
	if err != nil {
		return nil, err
	}
	return ReadList(doc.Text, path), nil
}

// ReadList is the versions of a list that are of the module's and in their canonical form.
func ReadList(text []byte, path string) (out []string) {
	for v := range strings.FieldsSeq(string(text)) {
		if module.Check(path, v) == nil && !module.IsPseudoVersion(v) {
			out = append(out, v)
		}
	}
	return out
}

// List writes versions, each once.
func List(versions []string) []byte {
	semver.Sort(versions)
	return []byte(strings.Join(slices.Compact(versions), "\n") + "\n")
}

// Describe asks for a version. It may be none yet: [Latest], or a branch.
func Describe(ctx context.Context, from pulp.Upstream, m module.Version) (Info, error) {
	path := FileOf(m, "info")
	if m.Version == Latest {
		path = below(m.Path, "@latest")
	}
	doc, err := from.Document(ctx, from.Below(path), "*/*", textLimit)
	if m.Version == Latest && errors.Is(err, pulp.ErrNotFound) {
		return newest(ctx, from, m.Path)
	}
	if err != nil {
		return Info{}, err
	}
	out, err := ReadInfo(doc.Text, m.Path)
	if err != nil {
		err = pulp.BadMetadata(m.String(), err)
	}
	return out, err
}

// newest is the newest released version of a proxy that does not say which it is: none has to.
func newest(ctx context.Context, from pulp.Upstream, path string) (Info, error) {
	best := module.Version{Path: path}
	versions, err := Released(ctx, from, path)
	for _, v := range versions {
		if Newer(v, best.Version) {
			best.Version = v
		}
	}
	if err == nil && best.Version == "" {
		err = pulp.ErrNotFound
	}
	if err != nil {
		return Info{}, err
	}
	return Describe(ctx, from, best)
}

// ReadInfo reads the description of a version of a module.
func ReadInfo(text []byte, path string) (out Info, err error) {
	if err = json.Unmarshal(text, &out); err == nil {
		err = module.Check(path, out.Version)
	}
	return out, err
}

// Newer prefers released versions, then higher ones. No version is the oldest.
func Newer(a, b string) bool {
	if late := semver.Prerelease(b) != ""; b != "" && late != (semver.Prerelease(a) != "") {
		return late
	}
	return semver.Compare(a, b) > 0
}

// Fetch gets and checks a zip or a go.mod, and says what go.sum says of it.
func Fetch(ctx context.Context, from pulp.Upstream, m module.Version, kind string) (in *pulp.Incoming, hash string, err error) {
	in, err = from.Obtain(ctx, pulp.Remotely{URL: from.Below(FileOf(m, kind)), Size: -1, Limit: limits[kind]})
	if err != nil {
		return nil, "", err
	}
	if hash, err = HashOf(m, kind, in); err != nil {
		in.Discard()
		return nil, "", pulp.BadMetadata(m.String()+"."+kind, err)
	}
	return in, hash, nil
}

// ParseEntry reads an entry of a remote's list: PATH, PATH@VERSION or PATH@latest. No version means all.
func ParseEntry(entry string) (m module.Version, err error) {
	path, version, one := strings.Cut(entry, "@")
	if m = (module.Version{Path: path, Version: version}); !one || version == Latest {
		return m, module.CheckPath(path)
	}
	return m, module.Check(path, version)
}

// Wanted is the versions that an entry of a remote's list stands for.
func Wanted(ctx context.Context, from pulp.Upstream, m module.Version) ([]string, error) {
	if m.Version == "" {
		return Released(ctx, from, m.Path)
	}
	if m.Version != Latest {
		return []string{m.Version}, nil
	}
	latest, err := Describe(ctx, from, m)
	return []string{latest.Version}, err
}

// Named refuses a description of another version than was asked for.
func (i Info) Named(m module.Version) error {
	if i.Version != m.Version {
		return pulp.BadMetadata(m.String(), fmt.Errorf("it is called %s there", i.Version))
	}
	return nil
}

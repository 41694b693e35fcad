package goproxy

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	modzip "golang.org/x/mod/zip"

	"github.com/gopulp/pulp"
)

// limits of files in bytes, those of the go command, by their kind; the others' are [textLimit].
var limits = map[string]int64{"mod": modzip.MaxGoMod, "zip": modzip.MaxZipFile}

const textLimit = 4 << 20

// info is what the protocol says of a version.
type info struct {
	Version string
	Time    *pulp.Time `json:",omitempty"`
}

// held is what a version of a repository has of a module, by the paths of its files.
type held map[string]*pulp.Content[Module]

// filePath is where the protocol has a file of a module: "@latest", "@v/list".
func filePath(path, file string) string {
	escaped, _ := module.EscapePath(path) // what cannot be escaped was refused before
	return escaped + "/" + file
}

// fileOf is the file of a version: its zip, mod or info.
func fileOf(m module.Version, kind string) string {
	escaped, _ := module.EscapeVersion(m.Version)
	return filePath(m.Path, "@v/"+escaped+"."+kind)
}

// released is which released versions of a module there are.
func released(ctx context.Context, from pulp.Upstream, path string) ([]string, error) {
	doc, err := from.Document(ctx, from.Below(filePath(path, "@v/list")), "*/*", textLimit)
	if err != nil {
		return nil, err
	}
	return releasedIn(doc.Text, path), nil
}

// releasedIn are the versions of a list that are of the module's and in their canonical form.
func releasedIn(text []byte, path string) (out []string) {
	for v := range strings.FieldsSeq(string(text)) {
		if module.Check(path, v) == nil && !module.IsPseudoVersion(v) {
			out = append(out, v)
		}
	}
	return out
}

// infoOf is what is known of a version, here or there. It may be no version yet: "latest", or a branch.
func infoOf(ctx context.Context, from pulp.Upstream, m module.Version, here held) (info, error) {
	for _, kind := range []string{"mod", "zip"} {
		if c := here[fileOf(m, kind)]; c != nil {
			return info{m.Version, c.Detail.Time}, nil
		}
	}
	path := fileOf(m, "info")
	if m.Version == "latest" {
		path = filePath(m.Path, "@latest")
	}
	doc, err := from.Document(ctx, from.Below(path), "*/*", textLimit)
	if err != nil {
		return info{}, err
	}
	out, err := infoIn(doc.Text, m.Path)
	if err != nil {
		err = pulp.BadMetadata(m.String(), err)
	}
	return out, err
}

func infoIn(text []byte, path string) (out info, err error) {
	if err = json.Unmarshal(text, &out); err == nil {
		err = module.Check(path, out.Version)
	}
	return out, err
}

// pull gets and checks a file of a version.
func pull(ctx context.Context, from pulp.Upstream, m module.Version, kind string, here held) (*pulp.Unit, error) {
	there, err := infoOf(ctx, from, m, here)
	if err == nil && there.Version != m.Version {
		err = pulp.BadMetadata(m.String(), fmt.Errorf("it is called %s there", there.Version))
	}
	if err != nil {
		return nil, err
	}
	in, err := from.Obtain(ctx, pulp.Remotely{URL: from.Below(fileOf(m, kind)), Size: -1, Limit: limits[kind]})
	if err != nil {
		return nil, err
	}
	hash, err := hashOf(m, kind, in)
	if err != nil {
		in.Discard()
		return nil, pulp.BadMetadata(m.String()+"."+kind, err)
	}
	return modules.Unit(Module{m.Path, m.Version, kind, hash, there.Time, in.SHA256}, pulp.Remotely{Bytes: in}), nil
}

// hashOf is what go.sum says of a file. It refuses zips that a client would refuse: with names that lead
// elsewhere, with too much of anything, with files that are not what the zip says.
func hashOf(m module.Version, kind string, in *pulp.Incoming) (hash string, err error) {
	f, err := in.Open()
	if err != nil {
		return "", err
	}
	defer f.Close()
	if kind == "mod" {
		return dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) { return f, nil })
	}
	checked, err := modzip.CheckZip(m, f.Name())
	if err == nil {
		err = checked.Err()
	}
	if err == nil {
		hash, err = dirhash.HashZip(f.Name(), dirhash.Hash1)
	}
	if err != nil { // its text is for clients, who need not know where our files are
		err = errors.New(strings.ReplaceAll(err.Error(), f.Name()+": ", ""))
	}
	return hash, err
}

// readUpload fills in what a zip that a client uploads says of itself.
func readUpload(_ context.Context, d *Module, in *pulp.Incoming) error {
	m, hash, err := readZip(in)
	if err != nil {
		return pulp.FieldErrors{"file": {"This is no module zip: " + err.Error()}}
	}
	if d.Module, d.Version, d.Kind, d.Hash, d.Digest = m.Path, m.Version, "zip", hash, in.SHA256; d.Time == nil {
		now := pulp.TimeOf(time.Now())
		d.Time = &now
	}
	return nil
}

// readZip finds of which version a zip is: the first name in it says it, and all the others must.
func readZip(in *pulp.Incoming) (m module.Version, hash string, err error) {
	f, err := in.Open()
	if err != nil {
		return m, "", err
	}
	defer f.Close()
	z, err := zip.NewReader(f, in.Size)
	if err != nil {
		return m, "", err
	}
	if len(z.File) > 0 {
		path, rest, _ := strings.Cut(z.File[0].Name, "@")
		version, _, _ := strings.Cut(rest, "/")
		m = module.Version{Path: path, Version: version}
	}
	if module.Check(m.Path, m.Version) != nil {
		return m, "", errors.New("its files must lie below MODULE@VERSION/")
	}
	if hash, err = hashOf(m, "zip", in); err != nil {
		return m, "", err
	}
	if name := modfile.ModulePath(goModIn(z, m)); name != "" && name != m.Path {
		err = fmt.Errorf("its go.mod is that of %s, its files are those of %s", name, m.Path)
	}
	return m, hash, err
}

// goModIn is the go.mod of a zip that was checked, or what stands for it where there is none.
func goModIn(z *zip.Reader, m module.Version) []byte {
	if text, err := fs.ReadFile(z, m.String()+"/go.mod"); err == nil {
		return text
	}
	return fmt.Appendf(nil, "module %s\n", modfile.AutoQuote(m.Path))
}

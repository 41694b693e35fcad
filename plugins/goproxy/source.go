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

// A source downloads a file below the URL of another proxy.
type source func(ctx context.Context, path string, limit int64) (*pulp.Incoming, error)

// limits of files in bytes, those of the go command, by their kind; the others' are [textLimit].
var limits = map[string]int64{"mod": modzip.MaxGoMod, "zip": modzip.MaxZipFile}

const textLimit = 4 << 20

// info is what the protocol says of a version.
type info struct {
	Version string
	Time    *pulp.Time `json:",omitempty"`
}

// filePath is where the protocol has a file: "@latest", "@v/list", "@v/VERSION.KIND".
func filePath(path, file string) string {
	escaped, _ := module.EscapePath(path) // what cannot be escaped was refused before
	return escaped + "/" + file
}

// fileOf is the file of a version.
func fileOf(m module.Version, kind string) string {
	escaped, _ := module.EscapeVersion(m.Version)
	return filePath(m.Path, "@v/"+escaped+"."+kind)
}

func (from source) text(ctx context.Context, at string) ([]byte, error) {
	in, err := from(ctx, at, textLimit)
	if err != nil {
		return nil, err
	}
	defer in.Discard()
	return in.Bytes()
}

// list is the released versions of a module, as the file at a path has them.
func (from source) list(ctx context.Context, path, at string) ([]string, error) {
	text, err := from.text(ctx, at)
	return releasedIn(text, path), err
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

// info is which version of a module the file at a path describes.
func (from source) info(ctx context.Context, path, at string) (info, error) {
	text, err := from.text(ctx, at)
	if err != nil {
		return info{}, err
	}
	out, err := infoIn(text, path)
	if err != nil {
		return info{}, pulp.BadRemote("%s describes no version: %w", at, err)
	}
	return out, nil
}

func infoIn(text []byte, path string) (out info, err error) {
	if err = json.Unmarshal(text, &out); err == nil {
		err = module.Check(path, out.Version)
	}
	return out, err
}

// unit gets and checks a file of a version that was made at a time; nil means that it is asked for.
func (from source) unit(ctx context.Context, m module.Version, kind string, made *pulp.Time) (*pulp.Unit, error) {
	if made == nil {
		there, err := from.info(ctx, m.Path, fileOf(m, "info"))
		if err == nil && there.Version != m.Version {
			err = pulp.BadRemote("what is asked for as %s is called %s there", m, there.Version)
		}
		if err != nil {
			return nil, err
		}
		made = there.Time
	}
	in, err := from(ctx, fileOf(m, kind), limits[kind])
	if err != nil {
		return nil, err
	}
	hash, err := hashOf(m, kind, in)
	if err != nil {
		in.Discard()
		return nil, pulp.BadRemote("the %s of %s: %w", kind, m, err)
	}
	return modules.Unit(Module{m.Path, m.Version, kind, hash, made, in.SHA256}, pulp.Remotely{Bytes: in}), nil
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

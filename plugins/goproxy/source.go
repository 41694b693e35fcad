package goproxy

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// info is what the protocol says of a version.
type info struct {
	Version string
	Time    *pulp.Time `json:",omitempty"`
}

// filePath is where the protocol has a file of a version.
func filePath(m module.Version, kind string) string {
	path, _ := module.EscapePath(m.Path) // what cannot be escaped was refused before
	version, _ := module.EscapeVersion(m.Version)
	return path + "/@v/" + version + "." + kind
}

func (from source) text(ctx context.Context, path string) ([]byte, error) {
	in, err := from(ctx, path, 4<<20)
	if err != nil {
		return nil, err
	}
	defer in.Discard()
	return in.Bytes()
}

// list is the released versions of a module.
func (from source) list(ctx context.Context, path string) (out []string, err error) {
	escaped, err := module.EscapePath(path)
	if err != nil {
		return nil, err
	}
	text, err := from.text(ctx, escaped+"/@v/list")
	for _, v := range strings.Fields(string(text)) {
		if module.Check(path, v) == nil && !module.IsPseudoVersion(v) {
			out = append(out, v)
		}
	}
	return out, err
}

// info reads which version of a module a file describes: one of "@v/", or "@latest".
func (from source) info(ctx context.Context, path, file string) (out info, err error) {
	escaped, err := module.EscapePath(path)
	if err != nil {
		return out, err
	}
	text, err := from.text(ctx, escaped+"/"+file)
	if err == nil {
		if err = json.Unmarshal(text, &out); err == nil {
			err = module.Check(path, out.Version)
		}
		if err != nil {
			err = wrong("%s/%s describes no version: %w", path, file, err)
		}
	}
	return out, err
}

// wanted is the versions that an entry of a remote's list stands for.
func (from source) wanted(ctx context.Context, m module.Version) ([]string, error) {
	switch m.Version {
	case "":
		return from.list(ctx, m.Path)
	case "latest":
		latest, err := from.info(ctx, m.Path, "@latest")
		return []string{latest.Version}, err
	}
	return []string{m.Version}, nil
}

// unit gets and checks a file of a version that was made at a time; nil means that it is asked for.
func (from source) unit(ctx context.Context, m module.Version, kind string, made *pulp.Time) (*pulp.Unit, error) {
	if made == nil {
		escaped, _ := module.EscapeVersion(m.Version)
		about, err := from.info(ctx, m.Path, "@v/"+escaped+".info")
		if err == nil && about.Version != m.Version {
			err = wrong("what is asked for as %s is called %s there", m, about.Version)
		}
		if err != nil {
			return nil, err
		}
		made = about.Time
	}
	in, err := from(ctx, filePath(m, kind), map[string]int64{"mod": modzip.MaxGoMod, "zip": modzip.MaxZipFile}[kind])
	if err != nil {
		return nil, err
	}
	hash, err := hashOf(m, kind, in)
	if err != nil {
		in.Discard()
		return nil, wrong("the %s of %s: %w", kind, m, err)
	}
	return modules.Unit(Module{m.Path, m.Version, kind, hash, made, in.SHA256}, pulp.Remotely{Bytes: in}), nil
}

// wrong is the error of a remote that does not speak the protocol.
func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %w", pulp.ErrRemote, fmt.Errorf(format, args...))
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
	f, err := in.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	m := module.Version{}
	z, err := zip.NewReader(f, in.Size)
	if err == nil && len(z.File) > 0 {
		path, rest, _ := strings.Cut(z.File[0].Name, "@")
		version, _, _ := strings.Cut(rest, "/")
		m = module.Version{Path: path, Version: version}
	}
	if err == nil && (m.Path == "" || module.Check(m.Path, m.Version) != nil) {
		err = errors.New("its files must lie below MODULE@VERSION/")
	}
	if err == nil {
		d.Hash, err = hashOf(m, "zip", in)
	}
	if err == nil {
		if name := modfile.ModulePath(goModIn(z, m)); name != "" && name != m.Path {
			err = fmt.Errorf("its go.mod is that of %s, its files are those of %s", name, m.Path)
		}
	}
	if err != nil {
		return pulp.FieldErrors{"file": {"This is no module zip: " + err.Error()}}
	}
	if d.Module, d.Version, d.Kind, d.Digest = m.Path, m.Version, "zip", in.SHA256; d.Time == nil {
		now := pulp.TimeOf(time.Now())
		d.Time = &now
	}
	return nil
}

// goModIn is the go.mod of a zip that was checked, or what stands for it where there is none.
func goModIn(z *zip.Reader, m module.Version) []byte {
	if f, err := z.Open(m.Path + "@" + m.Version + "/go.mod"); err == nil {
		defer f.Close()
		if mod, err := io.ReadAll(f); err == nil {
			return mod
		}
	}
	return fmt.Appendf(nil, "module %s\n", modfile.AutoQuote(m.Path))
}

package protocol

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	modzip "golang.org/x/mod/zip"

	"github.com/gopulp/pulp"
)

// HashOf is what go.sum says of a file, a zip or a go.mod. It refuses zips that a client would refuse: with names that
// lead elsewhere, with too much of anything, with files that are not what the zip says.
func HashOf(m module.Version, kind string, in *pulp.Incoming) (hash string, err error) {
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

// ReadZip finds of which version a zip is: the first name in it says it, and all the others must. The hash is that of
// [HashOf].
func ReadZip(in *pulp.Incoming) (m module.Version, hash string, err error) {
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
	if hash, err = HashOf(m, "zip", in); err != nil {
		return m, "", err
	}
	if name := modfile.ModulePath(goModIn(z, m)); name != "" && name != m.Path {
		err = fmt.Errorf("its go.mod is that of %s, its files are those of %s", name, m.Path)
	}
	return m, hash, err
}

// GoMod is the go.mod of a zip that was checked, or what stands for it where there is none.
func GoMod(m module.Version, file io.ReaderAt, size int64) ([]byte, error) {
	z, err := zip.NewReader(file, size)
	if err != nil {
		return nil, err
	}
	return goModIn(z, m), nil
}

func goModIn(z *zip.Reader, m module.Version) []byte {
	if text, err := fs.ReadFile(z, m.String()+"/go.mod"); err == nil {
		return text
	}
	return fmt.Appendf(nil, "module %s\n", modfile.AutoQuote(m.Path))
}

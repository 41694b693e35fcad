package python

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/python/internal/pep"
	"github.com/gopulp/pulp/unpack"
)

// What archives may unpack to, in bytes. Wheels, of which only the metadata is unpacked, have some 10 GB.
const (
	maxWheel  = 32 << 30
	maxSource = 4 << 30
)

// describe fills in what a file says of itself, which must be what its name says.
func (p *Package) describe(filename string, in *pulp.Incoming) error {
	f, err := pep.ParseFilename(filename, "")
	if err != nil {
		return err
	}
	text, err := metadataIn(f, in)
	if err == nil {
		err = p.read(text)
	}
	if err == nil {
		err = p.named(filename, p.Name)
	}
	p.Digest, p.Size = in.SHA256, in.Size
	return err
}

// metadataIn reads the metadata of a package, within limits.
func metadataIn(f pep.Filename, in *pulp.Incoming) ([]byte, error) {
	file, err := in.Open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	switch f.Ending {
	case ".whl":
		return inWheel.FromZip(file, in.Size)
	case ".zip":
		return inSource.FromZip(file, in.Size)
	}
	return inSource.FromTar(file, strings.TrimPrefix(f.Ending, ".tar"))
}

// The metadata in packages; neither is ever changed.
var (
	inWheel  = unpack.Wanted{File: pep.MaxMetadata, All: maxWheel, Match: like("*.dist-info/METADATA")}
	inSource = unpack.Wanted{File: pep.MaxMetadata, All: maxSource, Match: like("*/PKG-INFO")}
)

func like(pattern string) func(name string) bool {
	return func(name string) bool {
		ok, _ := path.Match(pattern, name) // the pattern is right
		return ok
	}
}

// read fills in what core metadata says.
func (p *Package) read(text []byte) (err error) {
	p.Core, err = pep.ReadCore(text)
	p.Metadata = digest(text)
	return err
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// named fills in what the name of a file of a project says. It must not be another thing than what the metadata,
// if that has been read, does.
func (p *Package) named(filename, project string) error {
	f, err := pep.ParseFilename(filename, project)
	if err != nil {
		return err
	}
	p.RelativePath, p.Filename, p.PackageType, p.Python, p.Normalized = "", filename, f.Type, f.Python, f.Project
	if p.Name == "" {
		p.Name, p.Version = project, f.Version
	}
	said, _ := pep.ParseVersion(f.Version)
	if own, err := pep.ParseVersion(p.Version); err != nil || !own.Equal(said) || pep.Normalize(p.Name) != f.Project {
		return fmt.Errorf("the name %.80q is not that of a file of %.80s %.40s, as the metadata has it", filename, p.Name, p.Version)
	}
	if f.Type != pep.Wheel {
		p.Metadata = "" // what is in a source distribution need not be true of what is built of it
	}
	return nil
}

package pep

import (
	"io"
	"path"
	"strings"

	"github.com/gopulp/pulp/unpack"
)

// What archives may unpack to, in bytes. Wheels, of which only the metadata is unpacked, have some 10 GB.
const (
	maxWheel  = 32 << 30
	maxSource = 4 << 30
)

// MetadataIn reads the metadata of a package whose name has an ending, within limits.
func MetadataIn(ending string, file io.ReaderAt, size int64) ([]byte, error) {
	switch ending {
	case ".whl":
		return inWheel.FromZip(file, size)
	case ".zip":
		return inSource.FromZip(file, size)
	}
	return inSource.FromTar(io.NewSectionReader(file, 0, size), strings.TrimPrefix(ending, ".tar"))
}

// MetadataInWheel is MetadataIn for a wheel.
func MetadataInWheel(file io.ReaderAt, size int64) ([]byte, error) {
	return inWheel.FromZip(file, size)
}

// The metadata in packages; neither is ever changed.
var (
	inWheel  = unpack.Wanted{File: MaxMetadata, All: maxWheel, Match: like("*.dist-info/METADATA")}
	inSource = unpack.Wanted{File: MaxMetadata, All: maxSource, Match: like("*/PKG-INFO")}
)

func like(pattern string) func(name string) bool {
	return func(name string) bool {
		ok, _ := path.Match(pattern, name) // the pattern is right
		return ok
	}
}

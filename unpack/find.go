package unpack

import (
	"archive/tar"
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strings"
)

// Wanted says which file of an archive is wanted, and what an archive may be.
type Wanted struct {
	// Match says whether a file of a name is the wanted one. There must be exactly one in the archive.
	Match func(name string) bool
	// File is how many bytes the wanted file may have, All how many the archive may unpack to.
	File, All int64
}

// maxDirectory is the most bytes that the directory of a zip file may have.
const maxDirectory = 64 << 20

// FromTar returns the wanted file of a tar file that is compressed as an ending says, which is read to its
// end. It is an error if the archive is damaged, larger than allowed, or has a name that leads out of the
// directory in which it would be unpacked.
func (w Wanted) FromTar(r io.Reader, ending string) (found []byte, err error) {
	plain, err := NewReader(r, ending, w.All)
	if err != nil {
		return nil, err
	}
	n := 0
	for in := tar.NewReader(plain); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = stays(h.Name)
		}
		if err == nil && h.Typeflag == tar.TypeReg && w.Match(path.Clean(h.Name)) {
			n++
			found, err = w.read(in)
		}
		if err != nil {
			return nil, err
		}
	}
	if _, err := io.Copy(io.Discard, plain); err != nil { // the checksum is at the end
		return nil, err
	}
	return found, one(n)
}

// FromZip returns the wanted file of a zip file. Of its other files only names and sizes are looked at. Errors
// are those of FromTar.
func (w Wanted) FromZip(r io.ReaderAt, size int64) (found []byte, err error) {
	directory := &bounded{r, maxDirectory}
	z, err := zip.NewReader(directory, size)
	if err != nil {
		return nil, fmt.Errorf("read zip file: %w", err)
	}
	directory.left = math.MaxInt64 // from here on each file has its own limit
	n, left := 0, uint64(w.All)
	for _, f := range z.File {
		if err := stays(f.Name); err != nil {
			return nil, err
		}
		if f.UncompressedSize64 > left {
			return nil, fmt.Errorf("unpack: there are more than the %d bytes that are allowed", w.All)
		}
		left -= f.UncompressedSize64
		if !f.Mode().IsRegular() || !w.Match(f.Name) {
			continue
		}
		n++
		in, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("open %.100q: %w", f.Name, err)
		}
		found, err = w.read(in)
		in.Close()
		if err != nil {
			return nil, err
		}
	}
	return found, one(n)
}

func (w Wanted) read(in io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(in, w.File+1))
	if err == nil && int64(len(text)) > w.File {
		err = fmt.Errorf("the file that is wanted has more than the %d bytes that are allowed", w.File)
	}
	return text, err
}

func one(n int) error {
	if n != 1 {
		return fmt.Errorf("there are %d of the file that is wanted, not one", n)
	}
	return nil
}

// stays refuses names that lead out of the directory in which an archive is unpacked, on any system.
func stays(name string) error {
	clean := path.Clean(name)
	if name == "" || path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") || strings.ContainsAny(name, "\\\x00") || len(name) > 1 && name[1] == ':' {
		return fmt.Errorf("the name %.100q leads out of the archive", name)
	}
	return nil
}

// A bounded file fails when more has been read of it than is left.
type bounded struct {
	r    io.ReaderAt
	left int64
}

func (b *bounded) ReadAt(p []byte, off int64) (int, error) {
	n, err := b.r.ReadAt(p, off)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("unpack: the directory of the zip file has more than %d bytes", maxDirectory)
	}
	return n, err
}

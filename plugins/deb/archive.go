package deb

import (
	"archive/tar"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Limits of what one file may make us hold, in bytes.
const (
	maxControl    = 8 << 20   // of control.tar, compressed or not
	maxIndex      = 2 << 30   // of an index, uncompressed
	maxDictionary = 128 << 20 // of a decompressor
)

// compressions are the endings of compressed files, the best first; "" is the plain file.
var compressions = []string{".xz", ".zst", ".bz2", ".gz", ""}

// decompress reads a file by its ending, and fails where it yields more than limit bytes.
func decompress(r io.Reader, ending string, limit int64) (io.Reader, error) {
	var out io.Reader
	var err error
	switch ending {
	case "":
		out = r
	case ".gz":
		out, err = gzip.NewReader(r)
	case ".bz2":
		out = bzip2.NewReader(r)
	case ".xz":
		out, err = xzReader(r)
	case ".zst":
		out, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxDictionary), zstd.WithDecoderMaxMemory(maxDictionary))
	default:
		return nil, fmt.Errorf("the compression %q is not known", ending)
	}
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return &capped{out, limit}, nil
}

// xzReader refuses a dictionary that would take too much memory: its size is in the header of the first
// block, at a fixed place unless the block tells its sizes.
func xzReader(r io.Reader) (io.Reader, error) {
	head := make([]byte, 12+32)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	head = head[:n]
	if at := 12; n > at+2 && head[at] != 0 {
		p := at + 2
		for bit := byte(0x40); bit != 0; bit <<= 1 { // compressed and uncompressed size
			for head[at+1]&bit != 0 && p < n && head[p]&0x80 != 0 {
				p++
			}
			if head[at+1]&bit != 0 {
				p++
			}
		}
		if p+2 < n && (head[p] != 0x21 || head[p+2] > 30) { // 30: 128 MiB
			return nil, errors.New("xz: the dictionary is larger than 128 MiB, or there is another filter than LZMA2")
		}
	}
	return xz.NewReader(io.MultiReader(strings.NewReader(string(head)), r))
}

// A capped reader fails when there is more than it may yield.
type capped struct {
	r    io.Reader
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, errors.New("it unpacks to more bytes than are allowed")
	}
	return n, err
}

// readPackage reads the control paragraph of a .deb.
func readPackage(r io.Reader) (stanza, error) {
	magic := make([]byte, 8)
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != "!<arch>\n" {
		return nil, errors.New("it is no Debian package: it does not begin as an ar archive")
	}
	for i := 0; ; i++ {
		name, size, err := nextMember(r)
		if err != nil {
			return nil, fmt.Errorf("it is no Debian package: %w", err)
		}
		switch {
		case i == 0 && name != "debian-binary":
			return nil, fmt.Errorf("it is no Debian package: its first member is %q, not debian-binary", name)
		case strings.HasPrefix(name, "control.tar"):
			if size > maxControl {
				return nil, fmt.Errorf("%s has %d bytes; at most %d are allowed", name, size, maxControl)
			}
			s, err := readControl(io.LimitReader(r, size), strings.TrimPrefix(name, "control.tar"))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			return s, nil
		case strings.HasPrefix(name, "data.tar") || i > 8:
			return nil, errors.New("it is no Debian package: control.tar does not come before data.tar")
		}
		if _, err := io.CopyN(io.Discard, r, size+size%2); err != nil {
			return nil, fmt.Errorf("it is cut off in %s", name)
		}
	}
}

// nextMember reads the header of a member of an ar archive.
func nextMember(r io.Reader) (name string, size int64, err error) {
	h := make([]byte, 60)
	if _, err := io.ReadFull(r, h); err != nil {
		return "", 0, errors.New("it ends before control.tar")
	}
	n, err := strconv.ParseUint(strings.TrimRight(string(h[48:58]), " "), 10, 62)
	if err != nil || string(h[58:]) != "`\n" {
		return "", 0, errors.New("a header of its ar archive is broken")
	}
	return strings.TrimSuffix(strings.TrimRight(string(h[:16]), " "), "/"), int64(n), nil
}

// readControl finds the file control in control.tar.
func readControl(r io.Reader, ending string) (stanza, error) {
	plain, err := decompress(r, ending, maxControl)
	if err != nil {
		return nil, err
	}
	for in := tar.NewReader(plain); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("there is no file named control")
		}
		if err != nil {
			return nil, err
		}
		if path.Clean(h.Name) == "control" && h.Typeflag == tar.TypeReg {
			if h.Size > maxStanza {
				return nil, fmt.Errorf("control has %d bytes; at most %d are allowed", h.Size, maxStanza)
			}
			return oneStanza(in)
		}
	}
}

// Package unpack reads compressed files and tar files that nobody vouches for, within limits.
package unpack

import (
	"compress/bzip2"
	"compress/gzip"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
)

// maxWindow is the most memory in bytes that a file may make a decompressor hold at once. What
// compressors of today write needs half of it.
const maxWindow = 128 << 20

// Endings are the endings of the names of files that [NewReader] reads: those of compressed files, the
// smallest first, and "" for files that are not compressed.
func Endings() []string { return []string{".xz", ".zst", ".bz2", ".gz", ""} }

// NewReader reads what a file, whose name has one of the [Endings], unpacks to. Reading fails once
// that is more than limit bytes, and where the file is damaged, cut off, or would take more than
// 128 MiB of memory.
func NewReader(r io.Reader, ending string, limit int64) (io.Reader, error) {
	if !slices.Contains(Endings(), ending) {
		return nil, fmt.Errorf("unpack: the compression %q is not known; known are .xz, .zst, .bz2 and .gz", ending)
	}
	out, err := decompressor(r, ending)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", ending, err)
	}
	return &limited{out, limit, limit}, nil
}

func decompressor(r io.Reader, ending string) (io.Reader, error) {
	switch ending {
	case ".gz":
		return gzip.NewReader(r)
	case ".bz2":
		return bzip2.NewReader(r), nil
	case ".xz":
		return xz.NewReader(r, maxWindow)
	case ".zst": // without concurrency it has no goroutines that would have to be ended
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxWindow))
	}
	return r, nil
}

// A limited reader fails, unlike that of package io, when there is more than it may yield.
type limited struct {
	r           io.Reader
	left, limit int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, fmt.Errorf("unpack: there are more than the %d bytes that are allowed", l.limit)
	}
	return n, err
}

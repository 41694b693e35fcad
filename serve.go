package pulp

import (
	"context"
	"io"
	"iter"
)

// Content is what a path below a distribution leads to: exactly one of its three fields is set.
type Served struct {
	// Redirect says that the path is a directory and wants a slash at its end.
	Redirect bool
	// File is a file whose bytes were verified. The receiver closes it.
	File *ServedFile
	// Listing is a directory.
	Listing *Listing
}

// A ServedFile is an open file with what HTTP says of it.
type ServedFile struct {
	io.ReadSeekCloser
	Name     string // the last part of its path
	Size     int64  // in bytes
	SHA256   string // in hex; its entity tag
	Modified Time   // when these bytes came to be at this path
}

// A Listing is a directory: its path below the content root, with a slash at the end, and its
// entries in the order of their names.
type Listing struct {
	Path    string
	Entries iter.Seq2[Entry, error]
}

// An Entry is a member of a directory.
type Entry struct {
	Name     string // a directory's ends in a slash
	Size     int64  // in bytes; -1 for a directory, or when it is not known
	Modified Time   // zero for a directory
}

// Serve finds what a path below the content root leads to; the path has neither prefix nor
// leading slash, and is decoded. A file that is known but not here yet is fetched from its
// remote, once for all who ask at the same time, verified, and (unless the remote's policy
// forbids it) kept. ErrNotFound, with a reason, says that there is nothing.
func (a *App) Serve(ctx context.Context, path string) (*Served, error) {
	return nil, ErrNotFound
}

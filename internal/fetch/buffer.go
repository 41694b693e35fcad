package fetch

import (
	"bytes"

	"github.com/gopulp/pulp/internal/blob"
)

// A Buffer is a Sink in memory, for small files such as metadata; bound it with Request.MaxSize. Make it with [NewBuffer].
type Buffer struct {
	data bytes.Buffer
	set  blob.Set
	hash *blob.Hash
}

// NewBuffer returns an empty Buffer that computes the digests in set.
func NewBuffer(set blob.Set) *Buffer { return &Buffer{set: set, hash: blob.NewHash(set)} }

// Write adds p. It never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.hash.Write(p)
	return b.data.Write(p)
}

// Bytes returns what was written; it is valid until the next Write or Abort.
func (b *Buffer) Bytes() []byte { return b.data.Bytes() }

// Close does nothing.
func (b *Buffer) Close() error { return nil }

// Digests is the Set that the Buffer computes.
func (b *Buffer) Digests() blob.Set { return b.set }

// Sums returns size and digests of what was written.
func (b *Buffer) Sums() blob.Sums { return b.hash.Sums() }

// Abort drops the bytes.
func (b *Buffer) Abort() error {
	b.data.Reset()
	b.hash = blob.NewHash(b.set)
	return nil
}

var (
	_ Sink = (*Buffer)(nil)
	_ Sink = (*blob.Writer)(nil)
)

package blob

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"
)

// A Set says which digests to compute. SHA256 is always computed, so the zero Set means SHA256 alone.
type Set uint8

// The digests, and the ones that an App computes unless told otherwise.
const (
	MD5 Set = 1 << iota
	SHA1
	SHA224
	SHA256
	SHA384
	SHA512

	Default = SHA224 | SHA256 | SHA384 | SHA512
)

// algorithms gives each bit of a Set its name.
var algorithms = [...]struct {
	name string
	make func() hash.Hash
}{
	{"md5", md5.New}, {"sha1", sha1.New}, {"sha224", sha256.New224},
	{"sha256", sha256.New}, {"sha384", sha512.New384}, {"sha512", sha512.New},
}

// ParseSet returns the Set of the named digests: md5, sha1, sha224, sha256, sha384, sha512, in lower case.
// Another name is an error.
func ParseSet(names ...string) (Set, error) {
	set := SHA256
next:
	for _, name := range names {
		for i, a := range algorithms {
			if a.name == name {
				set |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("unknown digest %q", name)
	}
	return set, nil
}

// Names returns the names of the digests in s, weakest first, sha256 always among them.
func (s Set) Names() []string {
	var names []string
	for i, a := range algorithms {
		if (s|SHA256)&(1<<i) != 0 {
			names = append(names, a.name)
		}
	}
	return names
}

// Has reports whether every digest of t is in s.
func (s Set) Has(t Set) bool { return (s|SHA256)&t == t }

func (s Set) String() string { return strings.Join(s.Names(), ",") }

// Sums are the size in bytes of some data, and its digests in lower hex; a digest that was not computed is empty.
type Sums struct {
	Size                                      int64
	MD5, SHA1, SHA224, SHA256, SHA384, SHA512 string
}

// Digest returns the digest with that name, as ParseSet spells it; empty if it was not computed or there is none.
func (s Sums) Digest(name string) string {
	for i, a := range algorithms {
		if a.name == name {
			return *s.fields()[i]
		}
	}
	return ""
}

// fields follows the order of algorithms.
func (s *Sums) fields() [len(algorithms)]*string {
	return [...]*string{&s.MD5, &s.SHA1, &s.SHA224, &s.SHA256, &s.SHA384, &s.SHA512}
}

// A Hash computes several digests of what is written to it. Large writes are hashed by several goroutines at once, all of
// which have ended when Write returns. Make one with [NewHash]; it is for one goroutine.
type Hash struct {
	states [len(algorithms)]hash.Hash // nil: not wanted
	wanted int
	size   int64
}

// NewHash returns a Hash of the digests in set.
func NewHash(set Set) *Hash {
	h := &Hash{}
	for i, a := range algorithms {
		if set.Has(1 << i) {
			h.states[i] = a.make()
			h.wanted++
		}
	}
	return h
}

// Write adds p to the data. It never fails.
func (h *Hash) Write(p []byte) (int, error) {
	h.size += int64(len(p))
	var others sync.WaitGroup
	left := h.wanted
	for i := len(h.states) - 1; i >= 0; i-- { // the slowest ones are last
		state := h.states[i]
		if state == nil {
			continue
		}
		if left--; len(p) < parallelFrom || left == 0 {
			state.Write(p)
			continue
		}
		others.Go(func() { state.Write(p) })
	}
	others.Wait()
	return len(p), nil
}

// parallelFrom is the length in bytes of a write from which the goroutines of Hash.Write cost less than they gain.
const parallelFrom = 64 << 10

// Sums returns size and digests of what was written so far. More may be written afterwards.
func (h *Hash) Sums() Sums {
	sums := Sums{Size: h.size}
	var room [sha512.Size]byte
	for i, field := range sums.fields() {
		if h.states[i] != nil {
			*field = hex.EncodeToString(h.states[i].Sum(room[:0]))
		}
	}
	return sums
}

// Sum reads r to its end and returns its size and the digests in set. The error is that of r.
func Sum(r io.Reader, set Set) (Sums, error) {
	h := NewHash(set)
	_, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{r}, make([]byte, chunkSize))
	return h.Sums(), err
}

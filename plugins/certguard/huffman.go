package certguard

import (
	"bytes"
	"container/heap"
	"errors"
	"fmt"
)

// codes is a Huffman tree: the way to a leaf is the code of its number.
type codes struct {
	number int // of a leaf
	zero   *codes
	one    *codes

	weight, made int
}

// codesOf makes the codes of the numbers from first to last, which are their own weights. Of the
// same weight, what was made first is the lighter one. It is nil if there are no numbers.
func codesOf(first, last int) *codes {
	var h byWeight
	for n := first; n <= last; n++ {
		h = append(h, &codes{number: n, weight: n, made: len(h)})
	}
	if len(h) == 0 {
		return nil
	}
	made := len(h)
	for heap.Init(&h); len(h) > 1; made++ {
		zero, one := heap.Pop(&h).(*codes), heap.Pop(&h).(*codes)
		heap.Push(&h, &codes{zero: zero, one: one, weight: zero.weight + one.weight, made: made})
	}
	return h[0]
}

// byWeight is a heap whose first is the lightest.
type byWeight []*codes

func (h byWeight) Len() int      { return len(h) }
func (h byWeight) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h byWeight) Less(i, j int) bool {
	if h[i].weight != h[j].weight {
		return h[i].weight < h[j].weight
	}
	return h[i].made < h[j].made
}

// Push makes it a heap.
func (h *byWeight) Push(x any) { *h = append(*h, x.(*codes)) }

// Pop makes it a heap.
func (h *byWeight) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// read reads one code. A single number has the empty code.
func (c *codes) read(b *bitReader) (int, error) {
	if c == nil {
		return 0, errors.New("a code for nothing")
	}
	for c.zero != nil {
		bit, err := b.next()
		if err != nil {
			return 0, err
		}
		if bit {
			c = c.one
		} else {
			c = c.zero
		}
	}
	return c.number, nil
}

// A bitReader reads bits, the highest of each byte first.
type bitReader struct {
	in   *bytes.Reader
	now  byte
	left int
}

func (b *bitReader) next() (bool, error) {
	if b.left == 0 {
		var err error
		if b.now, err = b.in.ReadByte(); err != nil {
			return false, fmt.Errorf("read a code: %w", err)
		}
		b.left = 8
	}
	b.left--
	return b.now>>b.left&1 == 1, nil
}

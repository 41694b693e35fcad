package certguard

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxWords bounds the text of a tree in bytes.
const maxWords = 1 << 20

// readTree reads the tree of an entitlement certificate:
//
//	the parts of all paths, each followed by NUL, compressed with zlib
//	the number of nodes: one byte, or 128+n and n bytes, big end first
//	for each node, in bits: for each child the code of a part and the code of a node; the code
//	of the empty part ends it
//
// The first node is the root. Codes are Huffman's: the weight of a part is its place, from 1, and
// the empty one comes after the last; the weight of a node is its number, and the root has no code.
func readTree(data []byte) (*entitlement, error) {
	in := bytes.NewReader(data)
	words, err := readWords(in)
	if err != nil {
		return nil, err
	}
	count, err := readCount(in)
	if err != nil {
		return nil, err
	}
	if count > 8*in.Len() { // each node takes a bit at least
		return nil, fmt.Errorf("there are not %d nodes", count)
	}
	wordCodes, nodeCodes := codesOf(1, len(words)), codesOf(1, count-1)
	e := &entitlement{nodes: make([]node, count)}
	b := &bitReader{in: in}
	for i := range e.nodes {
		for {
			word, err := wordCodes.read(b)
			if err != nil {
				return nil, err
			}
			if words[word-1] == "" {
				break
			}
			to, err := nodeCodes.read(b)
			if err != nil {
				return nil, err
			}
			e.nodes[i] = append(e.nodes[i], edge{words[word-1], to})
		}
	}
	return e, nil
}

// readWords reads the parts of paths, and leaves in where what follows begins. The last word is
// the empty one.
func readWords(in *bytes.Reader) ([]string, error) {
	z, err := zlib.NewReader(in) // in is an io.ByteReader, so that nothing is read ahead
	if err != nil {
		return nil, fmt.Errorf("read words: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(z, maxWords+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read words: %w", err)
	case len(text) > maxWords:
		return nil, fmt.Errorf("the words are longer than %d bytes", maxWords)
	}
	words := strings.Split(string(text), "\x00")
	for i, w := range words {
		if (w == "") != (i == len(words)-1) {
			return nil, errors.New("a word is empty, or not ended")
		}
	}
	return words, nil
}

// readCount reads a number of nodes.
func readCount(in *bytes.Reader) (int, error) {
	first, err := in.ReadByte()
	if err != nil {
		return 0, fmt.Errorf("read the number of nodes: %w", err)
	}
	n := int(first)
	if first >= 128 {
		size := first - 128
		if size > 3 {
			return 0, errors.New("there are too many nodes")
		}
		n = 0
		for range size {
			b, err := in.ReadByte()
			if err != nil {
				return 0, fmt.Errorf("read the number of nodes: %w", err)
			}
			n = n<<8 | int(b)
		}
	}
	if n == 0 {
		return 0, errors.New("there is no node")
	}
	return n, nil
}

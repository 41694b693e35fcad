package certguard

import (
	"bytes"
	"compress/zlib"
	"crypto/x509/pkix"
	"slices"
)

// Entitles reads the extensions of an entitlement certificate and asks for a path.
func Entitles(exts []pkix.Extension, path string) (bool, error) {
	e, err := readEntitlement(exts)
	return err == nil && e.entitles(path), err
}

// TreeEntitles reads a tree and asks for a path.
func TreeEntitles(tree []byte, path string) (bool, error) {
	e, err := readTree(tree)
	return err == nil && e.entitles(path), err
}

// WriteTree writes paths as an authority does: each node and each part once.
func WriteTree(paths ...string) []byte {
	e := &entitlement{nodes: make([]node, 2)}
	for _, p := range paths {
		e.add(parts(p))
	}
	var words []string
	for _, n := range e.nodes {
		for _, x := range n {
			if !slices.Contains(words, x.part) {
				words = append(words, x.part)
			}
		}
	}
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	for _, w := range words {
		z.Write([]byte(w + "\x00"))
	}
	z.Close()
	if n := len(e.nodes); n < 128 {
		out.WriteByte(byte(n))
	} else {
		out.Write([]byte{128 + 2, byte(n >> 8), byte(n)})
	}
	wordCodes, nodeCodes := map[int]string{}, map[int]string{}
	codesOf(1, len(words)+1).spell("", wordCodes)
	codesOf(1, len(e.nodes)-1).spell("", nodeCodes)
	bits := ""
	for _, n := range e.nodes {
		for _, x := range n {
			bits += wordCodes[1+slices.Index(words, x.part)] + nodeCodes[x.to]
		}
		bits += wordCodes[len(words)+1]
	}
	for len(bits)%8 > 0 {
		bits += "0"
	}
	for i := 0; i < len(bits); i += 8 {
		b := byte(0)
		for _, bit := range bits[i : i+8] {
			b = b<<1 | byte(bit-'0')
		}
		out.WriteByte(b)
	}
	return out.Bytes()
}

func (c *codes) spell(code string, into map[int]string) {
	if c.zero == nil {
		into[c.number] = code
		return
	}
	c.zero.spell(code+"0", into)
	c.one.spell(code+"1", into)
}

package certguard

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The extensions of entitlement certificates. Certificates before version 3 list contents in
// extensions of their own, <contentsOID>.<content>.<type>.<attribute>; later ones in one tree.
var (
	contentsOID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 2312, 9, 2}
	versionOID  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 2312, 9, 6}
	treeOID     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 2312, 9, 7}
)

const (
	pathAttribute = 6 // the attribute of a content that is its path
	treeVersion   = 3 // the first with a tree
)

// An entitlement is a tree of directories. A node without children is one whose content, with
// all that is below, the owner of the certificate may have.
type entitlement struct{ nodes []node }

type node []edge

// An edge leads to the node of a part of a path. A part that begins with $ stands for any.
type edge struct {
	part string
	to   int
}

// readEntitlement reads what a certificate entitles to.
func readEntitlement(exts []pkix.Extension) (*entitlement, error) {
	version, err := versionOf(exts)
	switch {
	case err != nil:
		return nil, err
	case version < treeVersion:
		return listed(exts)
	}
	for _, x := range exts {
		if x.Id.Equal(treeOID) {
			var data []byte
			if rest, err := asn1.Unmarshal(x.Value, &data); err != nil || len(rest) > 0 {
				return nil, errors.New("the tree is no octet string")
			}
			return readTree(data)
		}
	}
	return nil, errors.New("there is no tree")
}

// versionOf is the major version of an entitlement certificate; 1 for one that has none.
func versionOf(exts []pkix.Extension) (int, error) {
	for _, x := range exts {
		if x.Id.Equal(versionOID) {
			text, err := textOf(x.Value)
			major, _, _ := strings.Cut(text, ".")
			n, bad := strconv.Atoi(major)
			if err = errors.Join(err, bad); err != nil {
				return 0, fmt.Errorf("read version: %w", err)
			}
			return n, nil
		}
	}
	return 1, nil
}

// textOf reads a string of any of ASN.1's types.
func textOf(der []byte) (string, error) {
	var v asn1.RawValue
	rest, err := asn1.Unmarshal(der, &v)
	if err == nil && (len(rest) > 0 || v.IsCompound) {
		err = errors.New("this is no string")
	}
	return string(v.Bytes), err
}

// listed makes a tree of the paths that have an extension each.
func listed(exts []pkix.Extension) (*entitlement, error) {
	e := &entitlement{nodes: make([]node, 2)} // the root, and the end of all paths
	for _, x := range exts {
		n := len(contentsOID)
		if len(x.Id) != n+3 || !slices.Equal(x.Id[:n], contentsOID) || x.Id[n+2] != pathAttribute {
			continue
		}
		path, err := textOf(x.Value)
		if err != nil {
			return nil, fmt.Errorf("read path: %w", err)
		}
		e.add(parts(path))
	}
	return e, nil
}

func (e *entitlement) add(path []string) {
	at := 0
	for i, part := range path {
		to := 1
		if i < len(path)-1 {
			e.nodes = append(e.nodes, nil)
			to = len(e.nodes) - 1
		}
		e.nodes[at] = append(e.nodes[at], edge{part, to})
		at = to
	}
}

// parts are the parts of a path between slashes, without those at its ends.
func parts(path string) []string {
	if path = strings.Trim(path, "/"); path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// entitles says whether a path, or one above it, is in the tree. The root itself entitles to
// nothing, should it have no children.
func (e *entitlement) entitles(path string) bool {
	at := map[int]bool{0: true}
	for _, part := range parts(path) {
		next := map[int]bool{}
		for n := range at {
			for _, edge := range e.nodes[n] {
				if part == "" || edge.part != part && !strings.HasPrefix(edge.part, "$") {
					continue
				}
				if len(e.nodes[edge.to]) == 0 {
					return true
				}
				next[edge.to] = true
			}
		}
		at = next
	}
	return false
}

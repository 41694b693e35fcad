package certguard_test

import (
	"bytes"
	"compress/zlib"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/plugins/certguard"
)

var base = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 2312, 9}

// extension makes one below the arc of entitlements; a string is UTF-8, bytes are an octet string.
func extension(value any, arcs ...int) pkix.Extension {
	der, err := asn1.MarshalWithParams(value, map[bool]string{true: "utf8", false: ""}[fmt.Sprintf("%T", value) == "string"])
	if err != nil {
		panic(err)
	}
	return pkix.Extension{Id: append(append(asn1.ObjectIdentifier{}, base...), arcs...), Value: der}
}

func version(text string) pkix.Extension { return extension(text, 6) }

var paths = []string{"/content/dist/$releasever/os", "/content/beta", "content/dist/el9/debug/", "/a/$x/$y"}

var rights = map[string]bool{
	"content/dist/el8/os/a.rpm": true, "content/dist/el8/os": true, "content/dist/el8/os/": true, "content/dist/el9/debug/x/y": true,
	"content/beta": true, "content/beta/repodata/repomd.xml": true, "a/1/2": true, "a/1/2/3": true,
	"": false, "content": false, "content/": false, "content/dist/el8/debug/x": false, "content/dist/el8/x/os": false, "content/dist/os": false,
	"content/betamax": false, "beta": false, "a/1": false, "CONTENT/beta": false, "x/content/beta": false, "a//2": false,
}

func TestEntitlementsAreForWhatLiesBelowTheirPaths(t *testing.T) {
	t.Parallel()
	var listed []pkix.Extension
	for i, p := range paths {
		listed = append(listed, extension(p, 2, 1000+i, 1, 6), extension("/content", 2, 1000+i, 1, 7), extension("/content", 2, 1000+i, 1))
	}
	tree := extension(certguard.WriteTree(paths...), 7)
	for name, exts := range map[string][]pkix.Extension{
		"without version":    listed,
		"version 1":          append([]pkix.Extension{version("1.0")}, listed...),
		"version 2":          append(listed, version("2.1"), tree),
		"version 3":          {tree, version("3.4")},
		"version 4":          append([]pkix.Extension{version("4"), tree}, extension("/content", 2, 1, 1, 6)),
		"other type of file": append([]pkix.Extension{version("1.0")}, extension("/a/$x/$y", 2, 1, 2, 6), extension("/content/beta", 2, 2, 3, 6), extension(paths[0], 2, 3, 1, 6), extension(paths[2], 2, 4, 1, 6)),
	} {
		for path, want := range rights {
			got, err := certguard.Entitles(exts, path)
			require.NoError(t, err, name)
			require.Equal(t, want, got, "%s: %s", name, path)
		}
	}
}

// The bytes are another program's than ours: written by hand, bit by bit.
func TestTreeIsReadBitByBit(t *testing.T) {
	t.Parallel()
	// The words a, b, c and the empty one have the weights 1 to 4: a 110, b 111, c 10, end 0; the
	// nodes 1, 2 and 3 have 1, 2 and 3: 1 is 10, 2 is 11, 3 is 0.
	// root: a→1 b→2 end; 1: c→3 end; 2: a→3 end; 3: end
	bits := "11010" + "11111" + "0" + "100" + "0" + "1100" + "0" + "0"
	tree := append(deflate("a\x00b\x00c\x00"), 4)
	for bits += strings.Repeat("0", -len(bits)&7); bits != ""; bits = bits[8:] {
		var b byte
		for _, c := range bits[:8] {
			b = b<<1 | byte(c-'0')
		}
		tree = append(tree, b)
	}
	for path, want := range map[string]bool{"a/c": true, "b/a/x": true, "a": false, "b": false, "a/a": false, "c": false} {
		got, err := certguard.TreeEntitles(tree, path)
		require.NoError(t, err)
		require.Equal(t, want, got, path)
	}
	// Authorities write a path as often as they have contents there. The number of nodes, and bits:
	long, err := hex.DecodeString("06cb9be1fec933ba80")
	require.NoError(t, err)
	tree = append(deflate("dist\x00tools\x00layered\x00$releasever\x00debug\x00content\x00os\x00"), long...)
	for path, want := range map[string]bool{"content/dist/8/os": true, "content/dist/9/debug/x": true, "layered/tools/x": true, "content/dist/8": false, "layered": false, "content/tools": false} {
		got, err := certguard.TreeEntitles(tree, path)
		require.NoError(t, err)
		require.Equal(t, want, got, path)
	}
}

func deflate(text string) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write([]byte(text))
	z.Close()
	return b.Bytes()
}

func TestTreesOfManyNodesAreRead(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprintf("/content/%d/os/%d", i, i%7))
	}
	tree := certguard.WriteTree(many...)
	for i := range 300 {
		got, err := certguard.TreeEntitles(tree, fmt.Sprintf("content/%d/os/%d/a", i, i%7))
		require.NoError(t, err)
		require.True(t, got, i)
		got, err = certguard.TreeEntitles(tree, fmt.Sprintf("content/%d/os/%d/a", i, i%7+1))
		require.NoError(t, err)
		require.False(t, got, i)
	}
}

func TestBrokenEntitlementsAreErrors(t *testing.T) {
	t.Parallel()
	whole := certguard.WriteTree(paths...)
	for name, exts := range map[string][]pkix.Extension{
		"no tree":          {version("3.0")},
		"odd version":      {version("three"), extension(whole, 7)},
		"no octets":        {version("3.0"), extension("text", 7)},
		"version no text":  {{Id: version("").Id, Value: []byte{1}}, extension(whole, 7)},
		"path no text":     {{Id: extension("", 2, 1, 1, 6).Id, Value: []byte{0x30, 0}}},
		"empty tree":       {version("3.0"), extension([]byte{}, 7)},
		"no number":        {version("3.0"), extension(deflate("a\x00"), 7)},
		"number 0":         {version("3.0"), extension(append(deflate("a\x00"), 0), 7)},
		"number too large": {version("3.0"), extension(append(deflate("a\x00"), 131, 255, 255, 255, 0), 7)},
		"number too long":  {version("3.0"), extension(append(deflate("a\x00"), 132, 0, 0, 0, 1, 0), 7)},
		"cut number":       {version("3.0"), extension(append(deflate("a\x00"), 130, 0), 7)},
		"empty words":      {version("3.0"), extension(append(deflate("a\x00\x00"), 2, 0, 0), 7)},
		"word not ended":   {version("3.0"), extension(append(deflate("a\x00b"), 2, 0, 0), 7)},
		"only a root":      {version("3.0"), extension(append(deflate("a\x00"), 1, 0), 7)},
		"words too long":   {version("3.0"), extension(append(deflate(strings.Repeat("a", 2<<20)+"\x00"), 1, 0), 7)},
	} {
		_, err := certguard.Entitles(exts, "content/beta")
		require.Error(t, err, name)
	}
	for n := range len(whole) - 1 {
		_, err := certguard.TreeEntitles(whole[:n], "content/beta")
		require.Error(t, err, "cut at %d", n)
	}
	got, err := certguard.Entitles(nil, "content")
	require.NoError(t, err)
	require.False(t, got, "no contents")
}

func FuzzTree(f *testing.F) {
	f.Add(certguard.WriteTree(paths...), "content/beta/x")
	f.Add(append(deflate("a\x00"), 2, 0x40), "a")
	f.Fuzz(func(t *testing.T, tree []byte, path string) { _, _ = certguard.TreeEntitles(tree, path) })
}

func FuzzExtensions(f *testing.F) {
	v, p := version("1.0"), extension("/a/b", 2, 1, 1, 6)
	f.Add(v.Value, p.Value, "a/b")
	f.Fuzz(func(t *testing.T, version, content []byte, path string) {
		_, _ = certguard.Entitles([]pkix.Extension{{Id: v.Id, Value: version}, {Id: p.Id, Value: content}, {Id: extension("", 7).Id, Value: content}}, path)
	})
}

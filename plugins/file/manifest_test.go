package file_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/file"
)

var sum = strings.Repeat("ab", 32)

func TestManifestLines(t *testing.T) {
	t.Parallel()
	a, b := file.Line{"a", sum, 1}, file.Line{"b", sum, 2}
	for name, c := range map[string]struct {
		text string
		want []file.Line
	}{
		"nothing":               {"", nil},
		"blank lines":           {"\n \n\t\n", nil},
		"comments":              {"# a\n  # b\na," + sum + ",1", []file.Line{a}},
		"without a last end":    {"a," + sum + ",1\nb," + sum + ",2", []file.Line{a, b}},
		"of Windows":            {"a," + sum + ",1\r\nb," + sum + ",2\r\n", []file.Line{a, b}},
		"of old Macs":           {"a," + sum + ",1\rb," + sum + ",2\r", []file.Line{a, b}},
		"ends of Unicode":       {"a," + sum + ",1\u2028b," + sum + ",2\u0085\u2029\v\f\x1c\x1d\x1e", []file.Line{a, b}},
		"blanks around":         {"  a , " + sum + " ,\t1 \n", []file.Line{a}},
		"commas in the path":    {"x,y,z," + sum + ",3", []file.Line{{"x,y,z", sum, 3}}},
		"blanks in the path":    {"x y/z z," + sum + ",3", []file.Line{{"x y/z z", sum, 3}}},
		"upper-case digest":     {"a," + strings.ToUpper(sum) + ",1", []file.Line{a}},
		"text that is not ours": {"é/日本," + sum + ",3", []file.Line{{"é/日本", sum, 3}}},
		"empty file":            {"a," + sum + ",0", []file.Line{{"a", sum, 0}}},
		"leading zeros":         {"a," + sum + ",001", []file.Line{a}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := file.ReadManifest(strings.NewReader(c.text))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			got, err = file.ReadManifest(drops(c.text))
			require.NoError(t, err)
			require.Equal(t, c.want, got, "however it comes in")
		})
	}
}

// drops yields a text byte by byte.
func drops(text string) *dropReader { return &dropReader{strings.NewReader(text)} }

type dropReader struct{ r *strings.Reader }

func (d *dropReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return d.r.Read(p[:1])
}

func TestBadManifestLinesAreNamed(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"a", "a,1", "a," + sum, "," + sum + ",1", "a,," + sum, "a," + sum + ",", "a," + sum + ",-1", "a," + sum + ",+1", "a," + sum + ",1.0",
		"a," + sum + ",1e3", "a," + sum + ",9223372036854775808", "a," + sum[1:] + ",1", "a," + sum + "0,1", "a," + strings.Repeat("g", 64) + ",1",
		"/a," + sum + ",1", "a/," + sum + ",1", "a//b," + sum + ",1", "..," + sum + ",1", "a/../b," + sum + ",1", ".," + sum + ",1",
		"a /b," + sum + ",1", "a\\b," + sum + ",1", "a\x00," + sum + ",1", "a\x7f," + sum + ",1", "\xff," + sum + ",1",
		strings.Repeat("a", 70_000) + "," + sum + ",1",
	} {
		good := "a," + sum + ",1\n\n"
		got, err := file.ReadManifest(strings.NewReader(good + bad + "\n" + good))
		require.ErrorContains(t, err, "line 3: ", "%q", bad)
		require.Len(t, got, 1)
		require.Less(t, len(err.Error()), 400, "the error is for a person")
	}
}

func FuzzManifest(f *testing.F) {
	for _, seed := range []string{"", "a," + sum + ",1\n", "# c\r\na,b," + sum + ",0", "\u2028,,,\x00", "../a," + sum + ",1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lines, err := file.ReadManifest(bytes.NewReader(text))
		if err != nil {
			require.ErrorContains(t, err, "line ")
		}
		var again bytes.Buffer
		for _, l := range lines {
			require.True(t, pulp.ValidPath(l.Path), "%q", l.Path)
			b, err := hex.DecodeString(l.SHA256)
			require.NoError(t, err)
			require.Len(t, b, 32)
			require.Equal(t, strings.ToLower(l.SHA256), l.SHA256)
			require.GreaterOrEqual(t, l.Size, int64(0))
			fmt.Fprintf(&again, "%s,%s,%d\n", l.Path, l.SHA256, l.Size)
		}
		same, err := file.ReadManifest(&again)
		require.NoError(t, err)
		require.Equal(t, lines, same, "what is written is read again")
	})
}

package protocol_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/module"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/goproxy/internal/protocol"
)

// Whatever a remote lists, only versions of the module are passed on, and none that could be a path.
func FuzzList(f *testing.F) {
	for _, seed := range []string{"", "v1.0.0\nv1.1.0\n", "v1.0.0 2024-05-06T07:08:09Z", "v2.0.0", "../../x", "v1.0.0-20240506070809-abcdefabcdef", "\xff\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, v := range protocol.ReadList(text, "example.com/hello") {
			require.NoError(t, module.Check("example.com/hello", v))
			require.Contains(t, strings.Fields(string(text)), v)
			require.False(t, module.IsPseudoVersion(v))
		}
	})
}

func FuzzInfo(f *testing.F) {
	for _, seed := range []string{"", "{}", "null", `{"Version":"v1.0.0","Time":"2024-05-06T07:08:09Z"}`, `{"Version":"v1.0.0","Time":"soon"}`, `{"Version":"../x"}`, `[1]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if out, err := protocol.ReadInfo(text, "example.com/hello"); err == nil {
			require.NoError(t, module.Check("example.com/hello", out.Version))
			require.True(t, pulp.ValidPath(out.Version))
		}
	})
}

func FuzzEntry(f *testing.F) {
	for _, seed := range []string{"", "example.com/hello", "example.com/hello@latest", "example.com/hello@v1.0.0", "example.com/hello@", "../x", "@v1.0.0", "a@b@c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		m, err := protocol.ParseEntry(entry)
		if err == nil {
			require.NoError(t, module.CheckPath(m.Path))
			require.True(t, slices.Contains([]string{"", "latest"}, m.Version) || module.Check(m.Path, m.Version) == nil)
		}
	})
}

package goproxy_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHostileZipsAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, false, nil)
	big := make([]byte, 17<<20)
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"no zip":         {[]byte("hello"), "This is no module zip"},
		"empty":          {zipOf(t, "", nil), "must lie below"},
		"no version":     {zipOf(t, "", map[string]string{"a.go": "package a"}), "must lie below"},
		"short version":  {zipOf(t, "example.com/a@v1/", map[string]string{"a.go": "package a"}), "not canonical"},
		"traversal":      {zipOf(t, "example.com/a@v1.0.0/", map[string]string{"../../a.go": "package a"}), ""},
		"absolute":       {zipOf(t, "/example.com/a@v1.0.0/", map[string]string{"a.go": "package a"}), "must lie below"},
		"two cases":      {zipOf(t, "example.com/a@v1.0.0/", map[string]string{"a.go": "package a", "A.go": "package a"}), "case-insensitive"},
		"other go.mod":   {zipOf(t, "example.com/a@v1.0.0/", map[string]string{"go.mod": "module example.com/b\n"}), "its go.mod is that of example.com/b"},
		"a large go.mod": {zipOf(t, "example.com/a@v1.0.0/", map[string]string{"go.mod": "module example.com/a\n//" + string(big)}), "go.mod"},
	} {
		failed := s.Failed(t, s.upload(t, c.file))
		text, err := json.Marshal(failed)
		require.NoError(t, err)
		require.Contains(t, string(text), c.says, name)
		require.NotContains(t, string(text), s.Dir, "%s: nobody learns where our files are", name)
	}
	require.Empty(t, s.List(t, "content/goproxy/modules/"))
}

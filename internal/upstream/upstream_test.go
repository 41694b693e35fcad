package upstream_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/internal/upstream"
)

func TestUpstreamOffersWhatItsManifestSays(t *testing.T) {
	t.Parallel()
	u := upstream.New(3)
	u.BytesPerSecond = 1 << 30
	url, stop, err := u.Start()
	require.NoError(t, err)
	t.Cleanup(stop)

	lines := strings.Split(strings.TrimSpace(get(t, url)), "\n")
	require.Len(t, lines, 3)
	for i, f := range u.Files {
		require.Equal(t, fmt.Sprintf("%s,%s,%d", f.Path, f.SHA256, f.Size), lines[i])
		body := get(t, strings.TrimSuffix(url, upstream.Manifest)+f.Path)
		sum := sha256.Sum256([]byte(body))
		require.Equal(t, f.SHA256, hex.EncodeToString(sum[:]))
		require.Len(t, body, int(f.Size))
	}
}

func TestUpstreamIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	require.Equal(t, upstream.New(4).Files, upstream.New(4).Files)
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body)
}

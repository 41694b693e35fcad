package seal_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/gopulp/pulp/internal/seal"
	"github.com/stretchr/testify/require"
)

func box(t testing.TB, firsts ...byte) *seal.Box {
	t.Helper()
	var keys [][]byte
	for _, b := range firsts {
		keys = append(keys, bytes.Repeat([]byte{b}, seal.KeySize))
	}
	made, err := seal.New(keys...)
	require.NoError(t, err)
	return made
}

func TestWhatIsSealedComesBack(t *testing.T) {
	t.Parallel()
	b := box(t, 1)
	for _, plain := range []string{"", "x", " hunter2 \n", "π\x00\xff", strings.Repeat("long", 10000)} {
		sealed := b.SealString(plain)
		require.Regexp(t, `^v1:[0-9a-f]{8}:[A-Za-z0-9_-]+$`, sealed)
		if len(plain) > 1 {
			require.NotContains(t, sealed, plain)
		}
		require.NotEqual(t, sealed, b.SealString(plain), "equal secrets must not look equal")
		got, err := b.UnsealString(sealed)
		require.NoError(t, err)
		require.Equal(t, plain, got)
		raw, err := b.Unseal(b.Seal([]byte(plain)))
		require.NoError(t, err)
		require.Equal(t, plain, string(raw))
	}
}

func TestAnotherKeyDoesNotFitAndTheMessageNamesTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pulp.key")
	b, err := seal.Open(path)
	require.NoError(t, err)
	sealed := box(t, 7).SealString("canary")
	_, err = b.UnsealString(sealed)
	require.ErrorIs(t, err, seal.ErrKey)
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, strings.Split(sealed, ":")[1])
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	t.Parallel()
	b := box(t, 1)
	sealed := b.SealString("canary")
	for i := range sealed {
		changed := []byte(sealed)
		changed[i] ^= 1
		_, err := b.UnsealString(string(changed))
		require.Error(t, err, "byte %d", i)
		require.NotContains(t, err.Error(), "canary")
	}
	for i := range sealed {
		_, err := b.UnsealString(sealed[:i])
		require.Error(t, err)
	}
}

func TestRotationSealsWithTheNewKeyAndOpensWithTheOld(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pulp.key")
	before, err := seal.Open(path)
	require.NoError(t, err)
	old := before.SealString("secret")
	mac := before.MAC("links", []byte("a"))

	require.NoError(t, seal.Rotate(path))
	after, err := seal.Open(path)
	require.NoError(t, err)
	got, err := after.UnsealString(old)
	require.NoError(t, err)
	require.Equal(t, "secret", got)
	require.False(t, after.Current(old))
	require.True(t, after.Current(after.SealString("secret")))
	require.True(t, after.VerifyMAC(mac, "links", []byte("a")))
	_, err = before.UnsealString(after.SealString("secret"))
	require.ErrorIs(t, err, seal.ErrKey)

	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "no temp file stays")
}

func TestTheKeyFileIsPrivateAndStays(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pulp.key")
	first, err := seal.Open(path)
	require.NoError(t, err)
	require.False(t, first.Exposed())
	second, err := seal.Open(path)
	require.NoError(t, err)
	got, err := second.UnsealString(first.SealString("x"))
	require.NoError(t, err)
	require.Equal(t, "x", got)
	if runtime.GOOS == "windows" {
		return
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, os.Chmod(path, 0o644))
	third, err := seal.Open(path)
	require.NoError(t, err)
	require.True(t, third.Exposed())
}

func TestProcessesThatStartTogetherShareOneKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pulp.key")
	boxes := make([]*seal.Box, 16)
	errs := make([]error, len(boxes))
	var all sync.WaitGroup
	for i := range boxes {
		all.Go(func() { boxes[i], errs[i] = seal.Open(path) })
	}
	all.Wait()
	for i, b := range boxes {
		require.NoError(t, errs[i])
		_, err := boxes[0].UnsealString(b.SealString("x"))
		require.NoError(t, err)
	}
}

func TestABadKeyFileIsRefusedAndKept(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "# only a comment\n", "short\n", strings.Repeat("!", 43), strings.Repeat("A", 44)} {
		path := filepath.Join(t.TempDir(), "pulp.key")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := seal.Open(path)
		require.ErrorIs(t, err, seal.ErrFormat, content)
		require.ErrorIs(t, seal.Rotate(path), seal.ErrFormat, content)
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, content, string(kept))
	}
	_, err := seal.Open(filepath.Join(t.TempDir(), "missing", "pulp.key"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = seal.New()
	require.ErrorIs(t, err, seal.ErrFormat)
	_, err = seal.New([]byte("short"))
	require.ErrorIs(t, err, seal.ErrFormat)
}

func TestMACsDependOnPurposePartsAndKey(t *testing.T) {
	t.Parallel()
	b := box(t, 1)
	mac := b.MAC("links", []byte("ab"), []byte("c"))
	require.Len(t, mac, 32)
	require.Equal(t, mac, b.MAC("links", []byte("ab"), []byte("c")))
	require.True(t, b.VerifyMAC(mac, "links", []byte("ab"), []byte("c")))
	require.False(t, b.VerifyMAC(mac, "links", []byte("a"), []byte("bc")))
	require.False(t, b.VerifyMAC(mac, "links", []byte("abc")))
	require.False(t, b.VerifyMAC(mac, "cache", []byte("ab"), []byte("c")))
	require.False(t, b.VerifyMAC(mac[:31], "links", []byte("ab"), []byte("c")))
	require.False(t, box(t, 2).VerifyMAC(mac, "links", []byte("ab"), []byte("c")))
	require.True(t, box(t, 2, 1).VerifyMAC(mac, "links", []byte("ab"), []byte("c")))
}

func TestPrintingABoxShowsNoKey(t *testing.T) {
	t.Parallel()
	b := box(t, 'K')
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		require.NotContains(t, fmt.Sprintf(verb, b), "KKKK")
		require.Equal(t, b.String(), fmt.Sprintf(verb, b))
	}
}

func FuzzUnseal(f *testing.F) {
	b := box(f, 1)
	f.Add(b.SealString("secret"))
	f.Add("v1:00000000:AAAA")
	f.Add("v1::")
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := b.UnsealString(s); err != nil {
			require.Condition(t, func() bool { return strings.HasPrefix(err.Error(), "unseal: ") })
		}
	})
}

func ExampleBox_SealString() {
	box, err := seal.New(bytes.Repeat([]byte{42}, seal.KeySize)) // a program calls seal.Open
	if err != nil {
		panic(err)
	}
	sealed := box.SealString("hunter2")
	plain, err := box.UnsealString(sealed)
	fmt.Println(sealed[:3], plain, err)
	// Output: v1: hunter2 <nil>
}

func ExampleBox_MAC() {
	box, err := seal.New(bytes.Repeat([]byte{42}, seal.KeySize))
	if err != nil {
		panic(err)
	}
	mac := box.MAC("download link", []byte("/content/foo"), []byte("2030-01-01"))
	fmt.Println(box.VerifyMAC(mac, "download link", []byte("/content/foo"), []byte("2030-01-01")))
	fmt.Println(box.VerifyMAC(mac, "download link", []byte("/content/foo"), []byte("2040-01-01")))
	// Output:
	// true
	// false
}

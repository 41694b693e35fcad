package blob_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/gopulp/pulp/internal/blob"
	"github.com/stretchr/testify/require"
)

// BenchmarkHash compares one after the other with all at once.
func BenchmarkHash(b *testing.B) {
	data := make([]byte, 64<<20)
	rand.Read(data)
	for _, set := range []blob.Set{blob.SHA256, blob.Default} {
		for _, chunk := range []int{32 << 10, 64 << 10, 256 << 10, 1 << 20} { // 32 KiB: not in parallel
			b.Run(fmt.Sprintf("%s/%dKiB", set, chunk>>10), func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					h := blob.NewHash(set)
					for p := data; len(p) > 0; p = p[chunk:] {
						h.Write(p[:chunk])
					}
				}
			})
		}
	}
}

// BenchmarkWrite is one large blob, hashed and written but not committed.
func BenchmarkWrite(b *testing.B) {
	s := open(b, b.TempDir())
	data := make([]byte, 256<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		w, err := s.Create(b.Context(), blob.Default)
		require.NoError(b, err)
		_, err = io.Copy(w, struct{ io.Reader }{bytes.NewReader(data)})
		require.NoError(b, err)
		require.NoError(b, w.Close())
		require.NoError(b, w.Abort())
	}
}

// BenchmarkThousand stores 1,000 new blobs of 4 KiB in each round, in several ways.
func BenchmarkThousand(b *testing.B) {
	ways := map[string]func(b *testing.B, s *blob.Store, ws []*blob.Writer){
		"CommitAll": func(b *testing.B, s *blob.Store, ws []*blob.Writer) { require.NoError(b, s.CommitAll(b.Context(), ws)) },
		"CommitAll one by one": func(b *testing.B, s *blob.Store, ws []*blob.Writer) {
			blob.SyncOneByOne(s)
			require.NoError(b, s.CommitAll(b.Context(), ws))
		},
		"CommitAll by 100": func(b *testing.B, s *blob.Store, ws []*blob.Writer) {
			for ; len(ws) > 0; ws = ws[100:] {
				require.NoError(b, s.CommitAll(b.Context(), ws[:100]))
			}
		},
		"Commit": func(b *testing.B, _ *blob.Store, ws []*blob.Writer) {
			for _, w := range ws {
				_, err := w.Commit()
				require.NoError(b, err)
			}
		},
	}
	data := make([]byte, 4<<10)
	for name, commit := range ways {
		b.Run(name, func(b *testing.B) {
			s := open(b, b.TempDir())
			for b.Loop() {
				ws := make([]*blob.Writer, 1000)
				for i := range ws {
					rand.Read(data)
					var err error
					ws[i], err = s.Create(b.Context(), blob.Default)
					require.NoError(b, err)
					_, err = ws[i].Write(data)
					require.NoError(b, err)
					require.NoError(b, ws[i].Close())
				}
				commit(b, s, ws)
			}
		})
	}
	b.Run("plain loop, nothing synced", func(b *testing.B) {
		dir := b.TempDir()
		for b.Loop() {
			for range 1000 {
				rand.Read(data)
				plain(b, dir, data)
			}
		}
	})
}

// plain is what a script does: hash, write, rename.
func plain(b *testing.B, dir string, data []byte) {
	hashes := []hash.Hash{sha256.New(), sha256.New224(), sha512.New(), sha512.New384()}
	for _, h := range hashes {
		h.Write(data)
	}
	temp := filepath.Join(dir, "temp")
	require.NoError(b, os.WriteFile(temp, data, 0o600))
	require.NoError(b, os.Rename(temp, filepath.Join(dir, hex.EncodeToString(hashes[0].Sum(nil)))))
}

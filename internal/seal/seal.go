// Package seal keeps secrets that lie in a database or a backup unreadable without the key file beside it.
//
// A sealed value names the key that opens it, so keys can be rotated: a [Box] seals with the first key of its file
// and opens with any of them.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// KeySize is the length of a key in bytes (AES-256).
const KeySize = 32

// prefix marks the format of a sealed value: "v1:", eight hex digits of the key id, ":", nonce and ciphertext in base64.
const prefix = "v1:"

// ErrKey means that a value cannot be opened with the keys at hand; the message says which key and which file are needed.
var ErrKey = errors.New("the key does not fit")

// ErrFormat means that something is not a sealed value, or not a key file, or was damaged.
var ErrFormat = errors.New("malformed")

// A Box seals and opens secrets. It is safe for concurrent use. Make one with [Open] or [New].
type Box struct {
	keys    []key // newest first, never empty
	path    string
	exposed bool
}

type key struct {
	id     string
	secret []byte
	aead   cipher.AEAD
}

// New returns a Box that seals with keys[0] and opens with each of keys. Every key is [KeySize] bytes that nobody can
// guess. No key at all, or one of another length, is an [ErrFormat].
func New(keys ...[]byte) (*Box, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("new box: no key: %w", ErrFormat)
	}
	b := &Box{path: "(keys given in memory)"}
	for i, secret := range keys {
		k, err := newKey(secret)
		if err != nil {
			return nil, fmt.Errorf("new box: key %d: %w", i+1, err)
		}
		b.keys = append(b.keys, k)
	}
	return b, nil
}

func newKey(secret []byte) (key, error) {
	if len(secret) != KeySize {
		return key{}, fmt.Errorf("%d bytes instead of %d: %w", len(secret), KeySize, ErrFormat)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return key{}, err
	}
	sum := sha256.Sum256(append([]byte("pulp key id\x00"), secret...))
	return key{id: hex.EncodeToString(sum[:4]), secret: append([]byte(nil), secret...), aead: aead}, nil
}

// SealString encrypts plain with the newest key. The result is text of letters, digits, ':', '-' and '_', differs on
// each call, and tells nothing about plain but its length. An empty string is sealed like any other.
func (b *Box) SealString(plain string) string {
	k := b.keys[0]
	head := prefix + k.id + ":"
	return head + base64.RawURLEncoding.EncodeToString(k.aead.Seal(nil, nil, []byte(plain), []byte(head)))
}

// Seal is SealString for bytes.
func (b *Box) Seal(plain []byte) []byte { return []byte(b.SealString(string(plain))) }

// UnsealString returns what was sealed. It returns [ErrKey] if the value was sealed with a key that the Box does not
// have, or was changed since, and [ErrFormat] if it is no sealed value. Errors never quote the value.
func (b *Box) UnsealString(sealed string) (string, error) {
	id, body, err := split(sealed)
	if err != nil {
		return "", fmt.Errorf("unseal: %w", err)
	}
	for _, k := range b.keys {
		if k.id != id {
			continue
		}
		plain, err := k.aead.Open(nil, nil, body, []byte(prefix+id+":"))
		if err != nil {
			return "", fmt.Errorf("unseal: key %s of %s: the value was changed or belongs to another key: %w", id, b.path, ErrKey)
		}
		return string(plain), nil
	}
	return "", fmt.Errorf("unseal: sealed with key %s, which is not in %s; the key file that holds it is needed: %w", id, b.path, ErrKey)
}

// Unseal is UnsealString for bytes.
func (b *Box) Unseal(sealed []byte) ([]byte, error) {
	plain, err := b.UnsealString(string(sealed))
	if err != nil {
		return nil, err
	}
	return []byte(plain), nil
}

// Current reports whether sealed was sealed with the newest key. After a rotation, values that are not current are
// unsealed and sealed again; then the old key can leave the file.
func (b *Box) Current(sealed string) bool {
	return strings.HasPrefix(sealed, prefix+b.keys[0].id+":")
}

// Exposed reports whether others than the owner could read the key file when it was opened. It is always false on Windows
// and for keys given to [New]. The owner of the Box should warn about it.
func (b *Box) Exposed() bool { return b.exposed }

// String names the key file, never a key.
func (b *Box) String() string { return "seal.Box(" + b.path + ")" }

// Format prints what String returns for every verb of fmt, so that none prints a key.
func (b *Box) Format(to fmt.State, _ rune) { io.WriteString(to, b.String()) }

func split(sealed string) (id string, body []byte, err error) {
	rest, ok := strings.CutPrefix(sealed, prefix)
	if !ok {
		return "", nil, fmt.Errorf("does not start with %q: %w", prefix, ErrFormat)
	}
	id, text, ok := strings.Cut(rest, ":")
	if raw, err := hex.DecodeString(id); !ok || err != nil || len(raw) != 4 {
		return "", nil, fmt.Errorf("no key id: %w", ErrFormat)
	}
	body, err = base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return "", nil, fmt.Errorf("not base64: %w", ErrFormat)
	}
	return id, body, nil
}

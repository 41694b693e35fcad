// Package password turns passwords into text that tells whether a password is the right one,
// and nothing else.
package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// What a hash costs: about 35 ms of one CPU and 12 MiB, as much as the recommended
// parameters of argon2id ask of an attacker, and little enough for a small machine. The
// parameters stand in the hash, so that they may change without locking anybody out.
const (
	passes  = 6
	kibs    = 12 * 1024
	threads = 1
	saltLen = 16
	sumLen  = 32
)

// Decoy is a hash that no password fits and that costs as much to compare as any other: for
// users who do not exist.
const Decoy = "$argon2id$v=19$m=12288,t=6,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// Hash returns the hash of a password with a salt of its own.
func Hash(password string) string { return hash{kibs: kibs, passes: passes}.hash(password) }

// HashRandom is Hash for a password of 128 random bits or more, which nobody finds by trying,
// however fast: it costs next to nothing.
func HashRandom(password string) string { return hash{kibs: 8, passes: 1}.hash(password) }

func (h hash) hash(password string) string {
	h.threads, h.salt = threads, make([]byte, saltLen)
	rand.Read(h.salt) // never fails: it ends the program instead
	h.sum = h.of(password, sumLen)
	return h.String()
}

// Fits says whether a password is the one that was hashed. It takes as long for a wrong one
// as for the right one. An error says that the text is no hash of this package.
func Fits(text, password string) (bool, error) {
	h, err := parse(text)
	if err != nil {
		return false, err
	}
	sum := h.of(password, uint32(len(h.sum)))
	return subtle.ConstantTimeCompare(sum, h.sum) == 1, nil
}

type hash struct {
	kibs, passes uint32
	threads      uint8
	salt, sum    []byte
}

func (h hash) of(password string, n uint32) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.passes, h.kibs, h.threads, n)
}

// String is the usual text form of argon2 hashes.
func (h hash) String() string {
	enc := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.kibs, h.passes, h.threads, enc(h.salt), enc(h.sum))
}

// parse refuses parameters that would stop the program or eat its memory.
func parse(text string) (h hash, err error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, fmt.Errorf("parse password hash: unknown form")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.kibs, &h.passes, &h.threads); err != nil {
		return h, fmt.Errorf("parse password hash: %w", err)
	}
	if h.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return h, fmt.Errorf("parse password hash: salt: %w", err)
	}
	if h.sum, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil {
		return h, fmt.Errorf("parse password hash: sum: %w", err)
	}
	if h.passes < 1 || h.passes > 1000 || h.threads < 1 || h.kibs > 1<<20 || len(h.sum) < 16 {
		return h, fmt.Errorf("parse password hash: parameters out of range")
	}
	return h, nil
}

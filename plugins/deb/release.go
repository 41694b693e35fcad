package deb

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"

	"github.com/gopulp/pulp"
)

// A release is what a Release file says.
type release struct {
	stanza
	files  map[string]indexFile // by path below the distribution
	byHash bool
}

// An indexFile is one that Release vouches for.
type indexFile struct {
	sha256 string
	size   int64
}

// openSigned returns the text of an InRelease. With keys it must be signed by one of them; what stands
// outside of the signature is never looked at.
func openSigned(data []byte, keys openpgp.EntityList) ([]byte, error) {
	b, rest := clearsign.Decode(data)
	switch {
	case b == nil && keys != nil:
		return nil, errors.New("it is not signed")
	case b == nil:
		return data, nil
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("there is text after its signature")
	case !bytes.HasPrefix(data, []byte("-----BEGIN PGP SIGNED MESSAGE-----")):
		return nil, errors.New("there is text before what is signed")
	}
	if keys == nil {
		return b.Plaintext, nil
	}
	if _, err := b.VerifySignature(keys, nil); err != nil {
		return nil, fmt.Errorf("its signature is not one of the remote's gpgkey: %w", err)
	}
	return b.Plaintext, nil
}

// checkDetached verifies Release by Release.gpg.
func checkDetached(data, signature []byte, keys openpgp.EntityList) error {
	verify := openpgp.CheckDetachedSignature
	if bytes.HasPrefix(signature, []byte("-----BEGIN")) {
		verify = openpgp.CheckArmoredDetachedSignature
	}
	if _, err := verify(keys, bytes.NewReader(data), bytes.NewReader(signature), nil); err != nil {
		return fmt.Errorf("its signature is not one of the remote's gpgkey: %w", err)
	}
	return nil
}

// parseRelease reads a Release file that is to be believed, at a time.
func parseRelease(data []byte, now time.Time) (*release, error) {
	s, err := oneStanza(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	r := &release{stanza: s, files: map[string]indexFile{}, byHash: strings.EqualFold(s.value("Acquire-By-Hash"), "yes")}
	if until := s.value("Valid-Until"); until != "" {
		end, err := parseDate(until)
		if err != nil {
			return nil, fmt.Errorf("the field Valid-Until is no date: %.60q", until)
		}
		if now.After(end) {
			return nil, fmt.Errorf("it expired on %s (Valid-Until)", end.Format(time.RFC1123))
		}
	}
	if !s.has("SHA256") {
		return nil, errors.New("it has no field SHA256; weaker digests are not trusted")
	}
	for line := range strings.SplitSeq(s.value("SHA256"), "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		path, f, err := parseEntry(line)
		if err != nil {
			return nil, err
		}
		r.files[path] = f
	}
	return r, nil
}

func parseDate(text string) (time.Time, error) {
	var err error
	for _, layout := range []string{time.RFC1123, "Mon, _2 Jan 2006 15:04:05 MST", time.RFC1123Z, "Mon, _2 Jan 2006 15:04:05 -0700"} {
		var t time.Time
		if t, err = time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, err
}

// parseEntry reads a line of the list of files.
func parseEntry(line string) (string, indexFile, error) {
	words := strings.Fields(line)
	if len(words) != 3 {
		return "", indexFile{}, fmt.Errorf("%.80q is no digest, size and path", line)
	}
	if !isSHA256(words[0]) {
		return "", indexFile{}, fmt.Errorf("%.80q is no sha256 digest", words[0])
	}
	size, err := strconv.ParseUint(words[1], 10, 63)
	if err != nil || !pulp.ValidPath(words[2]) {
		return "", indexFile{}, fmt.Errorf("%.80q is no size and path of a file", line)
	}
	return words[2], indexFile{strings.ToLower(words[0]), int64(size)}, nil
}

func isSHA256(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32
}

// chosen are the words of a filter, or all that Release names where there is none. A word that Release
// does not name is an error.
func (r *release) chosen(filter *string, field string, extra ...string) ([]string, error) {
	all := strings.Fields(r.value(field))
	for _, word := range all {
		if !goodPath(word) {
			return nil, fmt.Errorf("the field %s has a word that is not allowed: %.60q", field, word)
		}
	}
	if filter == nil {
		return all, nil
	}
	words := strings.Fields(*filter)
	for _, word := range words {
		if !slices.Contains(all, word) && !slices.Contains(extra, word) {
			return nil, fmt.Errorf("there is no %q among its %s: %s", word, field, r.value(field))
		}
	}
	return words, nil
}

// index finds the best file of an index of packages. Components are directories by their last part, too.
func (r *release) index(component, architecture string) (path, ending string, ok bool) {
	for _, dir := range []string{component, component[strings.LastIndexByte(component, '/')+1:]} {
		for _, ending := range compressions {
			path := dir + "/binary-" + architecture + "/Packages"
			if _, ok := r.files[path+ending]; ok {
				return path, ending, true
			}
		}
	}
	return "", "", false
}

package deb

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/unpack"
)

// Limits in bytes. The largest Release files of Debian and Ubuntu have some 300 kB.
const (
	maxRelease = 16 << 20
	maxIndex   = 2 << 30 // uncompressed
)

// A release is what the Release file of a distribution says.
type release struct {
	fields map[string]string
	dist   string
	digest [sha256.Size]byte
	files  map[string]pulp.Remotely // by path below the distribution
}

// parseRelease reads a Release file that is to be believed, at a time.
func parseRelease(dist string, data []byte, now time.Time) (*release, error) {
	s, err := parseStanza(string(data))
	if err != nil {
		return nil, err
	}
	if until := s.fields["valid_until"]; until != "" {
		end, err := mail.ParseDate(until)
		if err != nil {
			return nil, fmt.Errorf("the field Valid-Until is no date: %.60q", until)
		}
		if now.After(end) {
			return nil, fmt.Errorf("it expired on %s (Valid-Until)", end.Format(time.RFC1123))
		}
	}
	list, ok := s.fields["sha256"]
	if !ok {
		return nil, errors.New("it has no field SHA256; weaker digests are not trusted")
	}
	r := &release{s.fields, dist, sha256.Sum256(data), map[string]pulp.Remotely{}}
	for line := range strings.Lines(strings.TrimPrefix(list, "\n")) {
		words := append(strings.Fields(line), "", "", "")
		f, err := pulp.ParseRemotely(words[2], words[0], words[1])
		if err != nil {
			return nil, fmt.Errorf("the field SHA256: %w", err)
		}
		f.Path = "dists/" + dist + "/" + f.Path
		r.files[words[2]] = f
	}
	return r, nil
}

// An index is a verified file that lists packages of a component.
type index struct {
	pulp.Remotely
	ending, component string
	limit             int64 // bytes, uncompressed
	file              *pulp.File
}

// index is the best file of an index of packages, not here yet. Components are directories by their last
// part, too.
func (r *release) index(component, architecture string) (x index, ok bool) {
	for _, dir := range []string{component, component[strings.LastIndexByte(component, '/')+1:]} {
		plain := dir + "/binary-" + architecture + "/Packages"
		for _, ending := range unpack.Endings() {
			f, ok := r.files[plain+ending]
			if !ok {
				continue
			}
			x = index{f, ending, component, maxIndex, nil}
			if f, ok := r.files[plain]; ok {
				x.limit = min(x.limit, f.Size)
			}
			return x, true
		}
	}
	return x, false
}

// Package pep reads and writes the formats of Python packaging that are known by the numbers of their proposals: names
// (503), versions and requirements (440, 508), core metadata (566), and the pages of simple indexes (503, 691, 700, 714).
package pep

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	pep440 "github.com/aquasecurity/go-pep440-version"
)

// The types of packages that an installation of today goes by.
const (
	Wheel  = "bdist_wheel"
	Source = "sdist"
)

var (
	goodName     = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,198}[A-Za-z0-9])?$`)
	goodFilename = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+!-]{0,254}$`)
	separators   = regexp.MustCompile(`[-_.]+`)
)

// Normalize is the form in which names of projects are compared (PEP 503).
func Normalize(name string) string { return strings.ToLower(separators.ReplaceAllString(name, "-")) }

// ParseVersion reads a version as PEP 440 has them, of at most 200 bytes.
func ParseVersion(text string) (pep440.Version, error) {
	if len(text) > 200 {
		return pep440.Version{}, fmt.Errorf("%.40q… is longer than 200 bytes", text)
	}
	return pep440.Parse(text)
}

// Newer compares versions that have been parsed before: the newer one is first, but released ones come before
// others.
func Newer(a, b string) int {
	x, _ := ParseVersion(a)
	y, _ := ParseVersion(b)
	early := map[bool]int{true: 1}
	return cmp.Or(early[x.IsPreRelease()]-early[y.IsPreRelease()], y.Compare(x))
}

// A Filename is what the name of a file says: name-1.0-py3-none-any.whl, name-1.0.tar.gz.
type Filename struct {
	Project   string // normalized
	Version   string
	Type      string   // Wheel or Source
	Ending    string   // ".whl"
	Python    string   // "py3", or "source"
	Platforms []string // of a wheel
}

// ParseFilename reads the name of a file of a project. If the project is not known, Project and Version are so
// only for wheels: names of projects may have dashes.
func ParseFilename(filename, project string) (f Filename, err error) {
	if !goodFilename.MatchString(filename) {
		return f, fmt.Errorf("%.80q is no name of a package: only letters, digits and . _ + ! - are allowed", filename)
	}
	stem := ""
	for ending, kind := range map[string]string{".whl": Wheel, ".tar.gz": Source, ".tar.bz2": Source, ".zip": Source} {
		if s, ok := strings.CutSuffix(filename, ending); ok {
			stem, f = s, Filename{Type: kind, Ending: ending, Python: "source"}
		}
	}
	if stem == "" {
		return f, fmt.Errorf("%.80q is no name of a package: it must end with .whl, .tar.gz, .tar.bz2 or .zip", filename)
	}
	if f.Type == Wheel {
		parts := strings.Split(stem, "-")
		n := len(parts)
		if n != 5 && n != 6 {
			return f, fmt.Errorf("%.80q is no name of a wheel: NAME-VERSION-PYTHON-ABI-PLATFORM.whl", filename)
		}
		f.Project, f.Version, f.Python, f.Platforms = Normalize(parts[0]), parts[1], parts[n-3], strings.Split(parts[n-1], ".")
	}
	if project == "" {
		return f, nil
	}
	for i := 0; i < len(stem) && f.Version == ""; i++ {
		if stem[i] == '-' && Normalize(stem[:i]) == Normalize(project) {
			f.Project, f.Version = Normalize(project), stem[i+1:]
		}
	}
	if f.Project != Normalize(project) {
		return f, fmt.Errorf("%.80q is no name of a file of the project %.80q", filename, project)
	}
	if _, err := ParseVersion(f.Version); err != nil {
		return f, fmt.Errorf("%.80q has no version as PEP 440 has them: %.40q", filename, f.Version)
	}
	return f, nil
}

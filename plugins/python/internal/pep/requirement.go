package pep

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	pep440 "github.com/aquasecurity/go-pep440-version"
)

// A Requirement names a project, and versions of it.
type Requirement struct {
	Project  string             // normalized
	Versions *pep440.Specifiers // nil for all
	early    bool               // it names a pre-release
}

var (
	requirementForm = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[A-Za-z0-9._, -]*\])?\s*([^()]*|\([^()]*\))$`)
	specifierForm   = regexp.MustCompile(`^(?:===|[=!~<>]=|[<>])\s*([^\s=<>!~]+)$`)
)

// ParseRequirement reads a requirement as PEP 508 has it, without URLs and markers: nothing is installed here.
func ParseRequirement(text string) (r Requirement, err error) {
	m := requirementForm.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil || !goodName.MatchString(m[1]) {
		return r, errors.New("it must be a name, and may have versions behind it, but no URL and no marker: django>=4,<5")
	}
	r.Project = Normalize(m[1])
	specifiers := strings.Trim(m[2], "() ")
	if specifiers == "" {
		return r, nil
	}
	for one := range strings.SplitSeq(specifiers, ",") {
		m := specifierForm.FindStringSubmatch(strings.TrimSpace(one))
		if m == nil {
			return r, fmt.Errorf("%.80q says nothing of versions: it must be like >=4, ==4.2.* or ~=4.1", one)
		}
		v, err := ParseVersion(strings.TrimSuffix(m[1], ".*"))
		if err != nil {
			return r, fmt.Errorf("%.80q is no version", m[1])
		}
		r.early = r.early || v.IsPreRelease()
	}
	versions, err := pep440.NewSpecifiers(specifiers)
	r.Versions = &versions
	return r, err
}

// Names says whether the requirement is about a version of a project.
func (r *Requirement) Names(f *Filename) bool {
	if r.Project != f.Project || r.Versions == nil {
		return r.Project == f.Project
	}
	v, err := ParseVersion(f.Version)
	return err == nil && r.Versions.Check(v)
}

// Takes is Names for who takes a pre-release only if the requirement names one, or early is true.
func (r *Requirement) Takes(f *Filename, early bool) bool {
	return r.Names(f) && (early || r.early || !f.Early())
}

// Early says whether the version is a pre-release.
func (f *Filename) Early() bool {
	v, err := ParseVersion(f.Version)
	return err == nil && v.IsPreRelease()
}

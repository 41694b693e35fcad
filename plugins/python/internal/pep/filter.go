package pep

import (
	"slices"
	"strings"

	"github.com/gopulp/pulp"
)

// Rules say what is taken of a remote.
type Rules struct {
	Includes         []string `json:"includes" doc:"Requirements, such as \"django>=4,<5\", that say what is taken. Empty means everything."`
	Excludes         []string `json:"excludes" doc:"Requirements that say what of that is not taken."`
	Prereleases      bool     `json:"prereleases" default:"false" doc:"Whether pre-releases are taken that no requirement names."`
	PackageTypes     []string `json:"package_types" validate:"dive,oneof=bdist_dmg bdist_dumb bdist_egg bdist_msi bdist_rpm bdist_wheel bdist_wininst sdist" doc:"The types that are taken; empty means all. Only sdist and bdist_wheel can be."`
	KeepLatest       int64    `json:"keep_latest_packages" default:"0" validate:"min=0" doc:"How many of the latest versions of a project a sync takes; 0 means all."`
	ExcludePlatforms []string `json:"exclude_platforms" validate:"dive,oneof=windows macos freebsd linux" doc:"Platforms whose wheels are not taken."`
}

// A Filter chooses by rules.
type Filter struct {
	*Rules
	includes, excludes []Requirement
}

// platformTags are how the tags of wheels for a platform begin; never changed.
var platformTags = map[string][]string{"windows": {"win"}, "macos": {"macosx"}, "freebsd": {"freebsd"}, "linux": {"linux", "manylinux", "musllinux"}}

// Filter makes a filter of rules, or says what is wrong with them, by the names of fields.
func (r *Rules) Filter() (*Filter, error) {
	f, errs := &Filter{Rules: r}, pulp.FieldErrors{}
	read := func(field string, list []string) (out []Requirement) {
		for _, text := range list {
			one, err := ParseRequirement(text)
			if err != nil {
				errs.Add(field, "%.200q: %s.", text, err)
			}
			out = append(out, one)
		}
		return out
	}
	f.includes, f.excludes = read("includes", r.Includes), read("excludes", r.Excludes)
	return f, errs.OrNil()
}

// Projects are those that the requirements name; none means all.
func (f *Filter) Projects() (names []string) {
	for _, r := range f.includes {
		if !slices.Contains(names, r.Project) {
			names = append(names, r.Project)
		}
	}
	return names
}

// Project says whether anything of a project may be taken.
func (f *Filter) Project(name string) bool {
	whole := func(r Requirement) bool { return r.Project == name && r.Versions == nil }
	return (len(f.includes) == 0 || slices.Contains(f.Projects(), name)) && !slices.ContainsFunc(f.excludes, whole)
}

// Choose leaves what is taken of the files of a project.
func (f *Filter) Choose(files []File) []File {
	return slices.DeleteFunc(files, func(file File) bool {
		n := &file.Named
		taken := len(f.includes) == 0 && (f.Prereleases || !n.Early())
		for _, r := range f.includes {
			taken = taken || r.Takes(n, f.Prereleases)
		}
		out := func(r Requirement) bool { return r.Names(n) }
		return !taken || slices.ContainsFunc(f.excludes, out) || len(f.PackageTypes) > 0 && !slices.Contains(f.PackageTypes, n.Type) || f.foreign(n)
	})
}

// foreign says whether a wheel is for excluded platforms only.
func (f *Filter) foreign(n *Filename) bool {
	for _, tag := range n.Platforms {
		if !slices.ContainsFunc(f.ExcludePlatforms, func(p string) bool {
			return slices.ContainsFunc(platformTags[p], func(prefix string) bool { return strings.HasPrefix(tag, prefix) })
		}) {
			return false
		}
	}
	return len(n.Platforms) > 0
}

// Latest leaves the files of the latest versions, as many as the remote says.
func (f *Filter) Latest(files []File) []File {
	if f.KeepLatest == 0 {
		return files
	}
	slices.SortStableFunc(files, func(a, b File) int { return Newer(a.Named.Version, b.Named.Version) })
	n := int64(0)
	for i := range files {
		if i == 0 || Newer(files[i-1].Named.Version, files[i].Named.Version) != 0 {
			n++
		}
		if n > f.KeepLatest {
			return files[:i]
		}
	}
	return files
}

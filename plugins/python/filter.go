package python

import (
	"slices"
	"strings"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/python/internal/pep"
)

// A filter says what is taken of a remote.
type filter struct {
	*Remote
	includes, excludes []pep.Requirement
}

// What fields of remotes may say; never changed.
var (
	packageTypes = []string{"bdist_dmg", "bdist_dumb", "bdist_egg", "bdist_msi", "bdist_rpm", "bdist_wheel", "bdist_wininst", "sdist"}
	platformTags = map[string][]string{"windows": {"win"}, "macos": {"macosx"}, "freebsd": {"freebsd"}, "linux": {"linux", "manylinux", "musllinux"}}
)

// newFilter makes a filter of the fields of a remote, or says what is wrong with them.
func newFilter(r *Remote) (*filter, error) {
	f, errs := &filter{Remote: r}, pulp.FieldErrors{}
	read := func(field string, list []string) (out []pep.Requirement) {
		for _, text := range list {
			one, err := pep.ParseRequirement(text)
			if err != nil {
				errs.Add(field, "%.200q: %s.", text, err)
			}
			out = append(out, one)
		}
		return out
	}
	f.includes, f.excludes = read("includes", r.Includes), read("excludes", r.Excludes)
	for _, t := range r.PackageTypes {
		if !slices.Contains(packageTypes, t) {
			errs.Add("package_types", "\"%s\" is not a valid choice.", t)
		}
	}
	for _, p := range r.ExcludePlatforms {
		if platformTags[p] == nil {
			errs.Add("exclude_platforms", "\"%s\" is not a valid choice.", p)
		}
	}
	return f, errs.OrNil()
}

// projects are those that the requirements name; none means all.
func (f *filter) projects() (names []string) {
	for _, r := range f.includes {
		if !slices.Contains(names, r.Project) {
			names = append(names, r.Project)
		}
	}
	return names
}

// project says whether anything of a project may be taken.
func (f *filter) project(name string) bool {
	whole := func(r pep.Requirement) bool { return r.Project == name && r.Versions == nil }
	return (len(f.includes) == 0 || slices.Contains(f.projects(), name)) && !slices.ContainsFunc(f.excludes, whole)
}

// choose leaves what is taken of the files of a project.
func (f *filter) choose(files []pep.File) []pep.File {
	return slices.DeleteFunc(files, func(file pep.File) bool {
		n := &file.Named
		taken := len(f.includes) == 0 && (f.Prereleases || !n.Early())
		for _, r := range f.includes {
			taken = taken || r.Takes(n, f.Prereleases)
		}
		out := func(r pep.Requirement) bool { return r.Names(n) }
		return !taken || slices.ContainsFunc(f.excludes, out) || len(f.PackageTypes) > 0 && !slices.Contains(f.PackageTypes, n.Type) || f.foreign(n)
	})
}

// foreign says whether a wheel is for excluded platforms only.
func (f *filter) foreign(n *pep.Filename) bool {
	for _, tag := range n.Platforms {
		if !slices.ContainsFunc(f.ExcludePlatforms, func(p string) bool {
			return slices.ContainsFunc(platformTags[p], func(prefix string) bool { return strings.HasPrefix(tag, prefix) })
		}) {
			return false
		}
	}
	return len(n.Platforms) > 0
}

// latest leaves the files of the latest versions, as many as the remote says.
func (f *filter) latest(files []pep.File) []pep.File {
	if f.KeepLatest == 0 {
		return files
	}
	slices.SortStableFunc(files, func(a, b pep.File) int { return pep.Newer(a.Named.Version, b.Named.Version) })
	n := int64(0)
	for i := range files {
		if i == 0 || pep.Newer(files[i-1].Named.Version, files[i].Named.Version) != 0 {
			n++
		}
		if n > f.KeepLatest {
			return files[:i]
		}
	}
	return files
}

package pep

import (
	"slices"
	"strings"
)

// Releases are the files of a project as the JSON API of pypi.org has them, and what is said of one version of it.
type Releases struct {
	Info       Core                  `json:"info"`
	LastSerial int                   `json:"last_serial"` // nothing is counted here
	Releases   map[string][]Released `json:"releases"`    // by versions
	URLs       []Released            `json:"urls"`        // of the version
}

// A Released is a file of a release.
type Released struct {
	Filename       string            `json:"filename"`
	URL            string            `json:"url"`
	Digests        map[string]string `json:"digests"`
	Size           *int64            `json:"size"` // null if it is not known
	PackageType    string            `json:"packagetype"`
	PythonVersion  string            `json:"python_version"`
	RequiresPython string            `json:"requires_python"`
	UploadTime     string            `json:"upload_time_iso_8601"`
	Yanked         bool              `json:"yanked"`
	YankedReason   *string           `json:"yanked_reason"`
}

// NewReleases tells of the version that info is of, and of all files.
func NewReleases(info Core, files []File) *Releases {
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Filename, b.Filename) })
	r := &Releases{Info: info, Releases: map[string][]Released{}}
	for _, f := range files {
		v := f.Named.Version
		r.Releases[v] = append(r.Releases[v], Released{
			Filename: f.Filename, URL: f.URL, Digests: f.Hashes, Size: f.Size, PackageType: f.Named.Type, PythonVersion: f.Named.Python,
			RequiresPython: f.RequiresPython, UploadTime: f.UploadTime, Yanked: f.Yanked.Set, YankedReason: f.Yanked.Reason(),
		})
	}
	r.URLs = r.Releases[info.Version]
	return r
}

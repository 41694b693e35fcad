// Package deb is the plugin for Debian packages and their repositories, as apt uses them.
//
// A remote's URL names the directory that holds dists and pool. Sync verifies Release by the remote's
// key, the indexes by Release, and the packages by the indexes. Publishing writes indexes and Release anew, and has a
// signing service sign it.
package deb

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/gopulp/pulp"
)

// Package is one binary package. A repository version holds one for each name, version and architecture.
type Package struct {
	Package      string `json:"package" pulp:"readonly,key,slot,filter" doc:"Name of the package."`
	Version      string `json:"version" pulp:"readonly,key,slot,filter" doc:"Version of the package."`
	Architecture string `json:"architecture" pulp:"readonly,key,slot,filter" doc:"Architecture that the package runs on; all for any."`
	SHA256       string `json:"digest" pulp:"hidden,key"`
	RelativePath string `json:"relative_path" pulp:"key,filter" doc:"Path of the file in the repository. Empty makes it of name, version and architecture."`
	// The control paragraph as its author wrote it, without the fields that describe the file.
	Control string `json:"control" pulp:"hidden"`
	Fields
	Distribution string `json:"distribution" pulp:"writeonly" doc:"Distribution that the package comes into, besides that of all packages: stable."`
	Component    string `json:"component" pulp:"writeonly" doc:"Component of the distribution; main if empty."`
}

// Fields are what the control paragraph of a package says, for people and filters. Empty means that
// it does not.
type Fields struct {
	Source        string `json:"source" pulp:"readonly,filter"`
	Section       string `json:"section" pulp:"readonly,filter"`
	Priority      string `json:"priority" pulp:"readonly,filter"`
	Origin        string `json:"origin" pulp:"readonly"`
	Essential     string `json:"essential" pulp:"readonly"`
	InstalledSize string `json:"installed_size" pulp:"readonly"`
	Maintainer    string `json:"maintainer" pulp:"readonly"`
	Description   string `json:"description" pulp:"readonly"`
	Homepage      string `json:"homepage" pulp:"readonly"`
	MultiArch     string `json:"multi_arch" pulp:"readonly"`
	Breaks        string `json:"breaks" pulp:"readonly"`
	Conflicts     string `json:"conflicts" pulp:"readonly"`
	Depends       string `json:"depends" pulp:"readonly"`
	Recommends    string `json:"recommends" pulp:"readonly"`
	Suggests      string `json:"suggests" pulp:"readonly"`
	Enhances      string `json:"enhances" pulp:"readonly"`
	PreDepends    string `json:"pre_depends" pulp:"readonly"`
	Provides      string `json:"provides" pulp:"readonly"`
	Replaces      string `json:"replaces" pulp:"readonly"`
}

// PackageRelease says that a package belongs to a component of a distribution.
type PackageRelease struct {
	Package      string `json:"package" pulp:"key,filter" doc:"Name of the package."`
	Version      string `json:"version" pulp:"key" doc:"Version of the package."`
	Architecture string `json:"architecture" pulp:"key" doc:"Architecture of the package."`
	Distribution string `json:"distribution" pulp:"key,filter" doc:"The distribution: stable."`
	Component    string `json:"component" pulp:"key,filter" doc:"The component: main."`
}

// Release is what a distribution says of itself.
type Release struct {
	Distribution string `json:"distribution" pulp:"key,slot,filter" doc:"Its directory below dists."`
	Codename     string `json:"codename" pulp:"key,filter" doc:"Its name, for ever: bookworm."`
	Suite        string `json:"suite" pulp:"key,filter" doc:"What it is at present: stable."`
	Origin       string `json:"origin" pulp:"key" doc:"Who made it."`
	Label        string `json:"label" pulp:"key" doc:"What it is called."`
}

// Repository is what a repository has beyond any other.
type Repository struct {
	Autopublish    bool   `json:"autopublish" default:"false" doc:"Whether to automatically create publications for new repository versions."`
	SigningService *int64 `json:"signing_service" pulp:"ref=signing_service" doc:"The service that signs publications, if they name none."`
}

// Publication is what a publication has beyond any other.
type Publication struct {
	Simple         bool   `json:"simple" default:"true" doc:"Whether all packages are in the component all of a distribution default."`
	Structured     bool   `json:"structured" default:"true" doc:"Whether packages are in the distributions and components that they came with."`
	SigningService *int64 `json:"signing_service" pulp:"ref=signing_service" doc:"The service that signs; null for the repository's."`
}

// Plugin returns the plugin, to be named in [pulp.Config].
func Plugin() pulp.Plugin {
	return pulp.Plugin{
		Name: "deb", Version: "3.8.0",
		Parts: []pulp.Part{packages, packageReleases, releases, remotes, repositories, publications, distributions},
	}
}

var packages = &pulp.ContentType[Package]{
	Name: "package", Path: "packages", Class: "DebPackage", Reclaimable: true,
	FilePath: func(p *Package) string { return p.RelativePath },
	Validate: checkUpload, FromFile: fromFile, Beside: placed,
}

var packageReleases = &pulp.ContentType[PackageRelease]{Name: "package_release_component", Path: "package_release_components", Class: "DebPackageReleaseComponent"}

var releases = &pulp.ContentType[Release]{Name: "release", Path: "releases", Class: "DebRelease"}

var repositories = &pulp.RepositoryType[Repository]{
	Name: "apt", Class: "DebAptRepository", Content: []pulp.Part{packages, packageReleases, releases}, Remotes: []pulp.Part{remotes},
	Sync: pulp.SyncFunc(sync), OnVersion: autopublish,
}

var publications = &pulp.PublicationType[Publication]{
	Name: "apt", Class: "DebAptPublication", Repositories: "apt", PassThrough: true, Publish: publish,
}

var distributions = &pulp.DistributionType[pulp.None]{Name: "apt", Class: "DebAptDistribution", FromPublication: true}

// autopublish publishes a new version where its repository asks for it.
func autopublish(ctx context.Context, j *pulp.Job, repo *pulp.Repository[Repository], v *pulp.Version) error {
	if !repo.Detail.Autopublish {
		return nil
	}
	return publications.Create(ctx, j, v, Publication{Simple: true, Structured: true, SigningService: repo.Detail.SigningService})
}

// fromFile reads what an uploaded package says of itself.
func fromFile(_ context.Context, p *Package, in *pulp.Incoming) error {
	f, err := in.Open()
	if err != nil {
		return fmt.Errorf("read package: %w", err)
	}
	defer f.Close()
	s, err := readPackage(f)
	if err == nil {
		err = p.describe(s)
	}
	if err != nil {
		return pulp.FieldErrors{"file": {fmt.Sprintf("The file cannot be read as a package: %s.", err)}}
	}
	p.SHA256 = in.SHA256
	if p.RelativePath == "" {
		p.RelativePath = p.poolPath()
	}
	return nil
}

// poolPath is where an uploaded package lies. The epoch is no part of file names.
func (p *Package) poolPath() string {
	version := p.Version[strings.IndexByte(p.Version, ':')+1:]
	return path.Join("pool/upload", p.Package[:1], p.Package, p.Package+"_"+version+"_"+p.Architecture+".deb")
}

var (
	goodPackage = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]{1,199}$`)
	goodVersion = regexp.MustCompile(`^([0-9]{1,9}:)?[0-9A-Za-z][0-9A-Za-z.+~:-]{0,199}$`)
	goodWord    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+._~-]{0,99}$`)
)

// ownFields of an index are the file's, not the package's.
var ownFields = []string{"Filename", "Size", "MD5sum", "SHA1", "SHA256", "SHA512"}

// describe takes what a paragraph says, and refuses names that could not be those of files.
func (p *Package) describe(s stanza) error {
	p.Package, p.Version, p.Architecture = s.value("Package"), s.value("Version"), s.value("Architecture")
	for _, c := range []struct {
		name, value string
		good        *regexp.Regexp
	}{{"Package", p.Package, goodPackage}, {"Version", p.Version, goodVersion}, {"Architecture", p.Architecture, goodWord}} {
		if !c.good.MatchString(c.value) {
			return fmt.Errorf("the field %s is missing or not allowed: %.60q", c.name, c.value)
		}
	}
	p.Control = s.text(ownFields...)
	said := map[string]string{}
	for _, f := range s {
		said[strings.ReplaceAll(strings.ToLower(f.name), "-", "_")] = f.value
	}
	text, err := json.Marshal(said)
	if err != nil {
		return err
	}
	p.Fields = Fields{}
	return json.Unmarshal(text, &p.Fields)
}

func checkUpload(p *Package) error {
	errs := pulp.FieldErrors{}
	if p.RelativePath != "" && (!pulp.CanonicalPath(p.RelativePath) || strings.HasPrefix(p.RelativePath, "dists/")) {
		errs.Add("relative_path", "Must be a relative path, not below dists, without white space, '?', '#' and empty, '.' or '..' parts.")
	}
	if p.Distribution != "" && !goodPath(p.Distribution) {
		errs.Add("distribution", "Must be a path of letters, digits and + . _ ~ -, as stable or stable-security/updates.")
	}
	if p.Component != "" && !goodPath(p.Component) {
		errs.Add("component", "Must be a path of letters, digits and + . _ ~ -, as main.")
	}
	if p.Component != "" && p.Distribution == "" {
		errs.Add("distribution", "A component needs its distribution.")
	}
	return errs.OrNil()
}

// goodPath says whether distributions and components may be called so.
func goodPath(p string) bool {
	for part := range strings.SplitSeq(p, "/") {
		if !goodWord.MatchString(part) {
			return false
		}
	}
	return len(p) < 200
}

// placed is the place of an uploaded package in a distribution, if the client named one.
func placed(p *Package) []*pulp.Unit {
	dist, component := p.Distribution, p.Component
	p.Distribution, p.Component = "", ""
	if dist == "" {
		return nil
	}
	if component == "" {
		component = "main"
	}
	return []*pulp.Unit{p.in(dist, component)}
}

// in is the unit that places the package.
func (p *Package) in(distribution, component string) *pulp.Unit {
	return packageReleases.Unit(PackageRelease{p.Package, p.Version, p.Architecture, distribution, component})
}

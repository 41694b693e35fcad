// Package deb is the plugin for Debian packages and their repositories, as apt uses them.
//
// A remote's URL names the directory that holds dists and pool. Sync verifies Release by the remote's
// key, the indexes by Release, and the packages by the indexes. Publishing writes indexes and Release anew, and has a
// signing service sign it.
package deb

import "github.com/gopulp/pulp"

// Package is one binary package. A repository version holds one for each name, version and architecture.
type Package struct {
	Package      string `json:"package" pulp:"readonly,key,slot,filter" doc:"Name of the package."`
	Version      string `json:"version" pulp:"readonly,key,slot,filter" doc:"Version of the package."`
	Architecture string `json:"architecture" pulp:"readonly,key,slot,filter" doc:"Architecture that the package runs on; all for any."`
	SHA256       string `json:"digest" pulp:"hidden,key"`
	RelativePath string `json:"relative_path" pulp:"key,filter" doc:"Path of the file in the repository. Empty makes it of name, version and architecture."`
	// The control paragraph as its author or an index wrote it, without the fields that describe the file.
	// It is part of the key: what one remote says of a file is never taken for what another says.
	Control string `json:"control" pulp:"hidden,key"`
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
	NotAutomatic string `json:"not_automatic" pulp:"key" doc:"Whether apt installs of it only what is asked for, as of backports: yes."`
	ButUpgrades  string `json:"but_automatic_upgrades" pulp:"key" doc:"Whether apt upgrades what was installed of it all the same: yes."`
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

// Remote is what a remote has beyond any other.
type Remote struct {
	Distributions string  `json:"distributions" validate:"required" doc:"Whitespace separated list of distributions to sync: bookworm bookworm-updates."`
	Components    *string `json:"components" doc:"Whitespace separated list of components to sync. Null means all that Release names."`
	Architectures *string `json:"architectures" doc:"Whitespace separated list of architectures to sync; all is always among them. Null means all that Release names."`
	GPGKey        *string `json:"gpgkey" pulp:"raw" doc:"Armored public keys, by one of which Release must be signed. Null means that signatures are not looked at."`
	IgnoreMissing bool    `json:"ignore_missing_package_indices" default:"false" doc:"Whether a package index that Release does not name is passed over. False fails the sync."`
}

// Plugin returns the plugin, to be named in [pulp.Config].
func Plugin() pulp.Plugin {
	return pulp.Plugin{
		Name: "deb", Version: "3.8.0",
		Parts: []pulp.Part{packages, packageReleases, releases, remotes, repositories, publications, distributions},
	}
}

var (
	packages = &pulp.ContentType[Package]{
		Name: "package", Path: "packages", Class: "Package", Reclaimable: true,
		FilePath: func(p *Package) string { return p.RelativePath },
		Validate: checkUpload, FromFile: fromFile, Beside: placed,
	}
	remotes         = &pulp.RemoteType[Remote]{Name: "apt", Class: "AptRemote", Validate: func(_, m *pulp.Remote[Remote]) error { return m.Detail.check() }}
	packageReleases = &pulp.ContentType[PackageRelease]{Name: "package_release_component", Path: "package_release_components", Class: "PackageReleaseComponent"}
	releases        = &pulp.ContentType[Release]{Name: "release", Path: "releases", Class: "Release"}
	distributions   = &pulp.DistributionType[pulp.None]{Name: "apt", Class: "AptDistribution", FromPublication: true}
)

var repositories = &pulp.RepositoryType[Repository]{
	Name: "apt", Class: "AptRepository", Content: []pulp.Part{packages, packageReleases, releases}, Remotes: []pulp.Part{remotes},
	Sync: pulp.SyncFunc(sync),
	OnVersion: pulp.Autopublish(publications, func(r *Repository) (Publication, bool) {
		return Publication{Simple: true, Structured: true, SigningService: r.SigningService}, r.Autopublish
	}),
}

var publications = &pulp.PublicationType[Publication]{
	Name: "apt", Class: "AptPublication", Repositories: "apt", PassThrough: true, Publish: publish,
}

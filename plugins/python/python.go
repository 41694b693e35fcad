// Package python is the plugin for Python packages. Below a distribution it is an index as pip, twine and others
// use them: the simple index in HTML and JSON (PEP 503, 691), metadata beside files (PEP 658), and uploads.
//
// The index is made when it is asked for, of the version that is served. Packages come there by uploads, by a sync
// of the projects that a remote lists, or when a client first asks for them: a distribution with a remote gets from
// there what it does not have, and its repository keeps it.
package python

import (
	"context"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/python/internal/pep"
)

const version = "3.13.0"

// Package is one file of a release of a project: a wheel or a source distribution.
type Package struct {
	RelativePath string `json:"relative_path" validate:"required" pulp:"writeonly" doc:"The name of the file, which says what the package is."`
	SHA256       string `json:"sha256" pulp:"blank,key,filter" doc:"The SHA-256 digest of the file. If a client says it, the file must have it."`
	Filename     string `json:"filename" pulp:"readonly,key,slot,filter" doc:"The name of the distribution package, usually of the format: {distribution}-{version}(-{build tag})?-{python tag}-{abi tag}-{platform tag}.{packagetype}"`
	PackageType  string `json:"packagetype" validate:"oneof=bdist_dmg bdist_dumb bdist_egg bdist_msi bdist_rpm bdist_wheel bdist_wininst sdist" pulp:"readonly,filter" doc:"The type of the distribution package: sdist or bdist_wheel."`
	// Python is what a wheel runs on, as its name says.
	Python     string `json:"python_version" pulp:"readonly" doc:"The tag that says which Python a wheel is for, or source."`
	Normalized string `json:"name_normalized" pulp:"hidden,filter"`
	Rank       string `json:"version_rank" pulp:"hidden"`
	Size       int64  `json:"size" pulp:"hidden"`
	Metadata   string `json:"metadata_sha256" pulp:"hidden"` // empty: it is not served beside the file
	// What one remote says of a file is never taken for what another one, or the file itself, does.
	Said   string  `json:"said" pulp:"hidden,key"`   // the digest of Core
	Yanked *string `json:"yanked" pulp:"hidden,key"` // why; nil if it is not
	pep.Core
}

// Repository is what a repository has beyond any other.
type Repository struct {
	Autopublish bool `json:"autopublish" default:"false" doc:"Whether to automatically create publications for new repository versions."`
}

// Remote is what a remote, another index, has beyond any other: what is taken of it.
type Remote struct{ pep.Rules }

// Distribution is what a distribution has beyond any other.
type Distribution struct {
	AllowUploads bool `json:"allow_uploads" default:"true" doc:"Whether packages may be uploaded to the index, by those who may modify the repository."`
}

// Plugin returns the plugin, to be named in [pulp.Config].
func Plugin() pulp.Plugin {
	return pulp.Plugin{Name: "python", Version: version, Parts: []pulp.Part{packages, remotes, repositories, publications, distributions}}
}

var packages = &pulp.ContentType[Package]{
	Name: "python", Path: "packages", Class: "PythonPackageContent", Reclaimable: true,
	FilePath: func(p *Package) string { return p.Filename },
	Ranks:    []pulp.Rank{{Field: "version", By: "version_rank", Of: pep.Rank}},
	Validate: func(p *Package) error {
		if _, err := pep.ParseFilename(p.RelativePath, ""); err != nil {
			return pulp.FieldErrors{"relative_path": {err.Error()}}
		}
		return nil
	},
	FromFile: func(_ context.Context, p *Package, in *pulp.Incoming) error {
		if err := p.describe(p.RelativePath, in); err != nil {
			return unreadable("file", err)
		}
		return nil
	},
}

var remotes = &pulp.RemoteType[Remote]{
	Name: "python", Policy: pulp.OnDemand,
	Validate: func(_, r *pulp.Remote[Remote]) error {
		_, err := r.Detail.Filter()
		return err
	},
	Imports: []pulp.RemoteImport{{Name: "from_bandersnatch", Summary: "Create from Bandersnatch", File: "config", Read: pep.ReadBandersnatch}},
}

var repositories = &pulp.RepositoryType[Repository]{
	Name: "python", Content: []pulp.Part{packages}, Remotes: []pulp.Part{remotes}, Sync: pulp.SyncFunc(sync),
	OnVersion: pulp.Autopublish(publications, func(r *Repository) (pulp.None, bool) { return pulp.None{}, r.Autopublish }),
}

var publications = &pulp.PublicationType[pulp.None]{
	Name: "pypi", Class: "PythonPublication", Repositories: "python", PassThrough: true, Publish: publish,
}

var distributions = &pulp.DistributionType[Distribution]{
	Name: "pypi", Class: "PythonDistribution", Remotes: []pulp.Part{remotes}, Live: httpapi.Live(routes), Prefix: "/pypi/",
}

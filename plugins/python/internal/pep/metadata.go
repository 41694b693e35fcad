package pep

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/textproto"
	"strings"
)

// MaxMetadata is the most bytes that core metadata may have. The largest on pypi.org has less than 1 MB.
const MaxMetadata = 4 << 20

// Core is what the core metadata of a package says. Empty means that it does not say it, or, of packages that
// have not been downloaded, that the remote does not. Clients may say it with an upload; what the file says is
// what counts.
type Core struct {
	Name                   string            `json:"name" pulp:"readonly,filter" doc:"The name of the project."`
	Version                string            `json:"version" pulp:"readonly,filter" doc:"The packages version number."`
	MetadataVersion        string            `json:"metadata_version" pulp:"readonly" doc:"Version of the file format."`
	Summary                string            `json:"summary" pulp:"blank" doc:"A one-line summary of what the package does."`
	Description            string            `json:"description" pulp:"blank" doc:"A longer description of the package."`
	DescriptionContentType string            `json:"description_content_type" pulp:"blank" doc:"The markup of the description, as a media type."`
	Keywords               string            `json:"keywords" pulp:"blank,filter" doc:"Keywords to assist searching for the package."`
	HomePage               string            `json:"home_page" pulp:"blank" doc:"The URL of the project's home page."`
	DownloadURL            string            `json:"download_url" pulp:"blank" doc:"Where the project says that this version is."`
	Author                 string            `json:"author" pulp:"blank,filter" doc:"The author's name and how to reach them."`
	AuthorEmail            string            `json:"author_email" pulp:"blank" doc:"The author's e-mail address."`
	Maintainer             string            `json:"maintainer" pulp:"blank" doc:"The maintainer's name and how to reach them."`
	MaintainerEmail        string            `json:"maintainer_email" pulp:"blank" doc:"The maintainer's e-mail address."`
	License                string            `json:"license" pulp:"blank" doc:"The licence, in words or as an expression."`
	RequiresPython         string            `json:"requires_python" pulp:"blank,filter" doc:"The Python versions with which the package works."`
	ProjectURL             string            `json:"project_url" pulp:"blank" doc:"A browsable URL for the project."`
	ProjectURLs            map[string]string `json:"project_urls" pulp:"blank" doc:"Labels and URLs of the project."`
	Platform               string            `json:"platform" pulp:"blank" doc:"Platforms, separated by commas."`
	SupportedPlatform      string            `json:"supported_platform" pulp:"blank" doc:"Platforms for which a binary was built, separated by commas."`
	Classifiers            []string          `json:"classifiers" pulp:"blank" doc:"Classification values."`
	RequiresDist           []string          `json:"requires_dist" pulp:"blank" doc:"Packages that this one requires."`
	ProvidesDist           []string          `json:"provides_dist" pulp:"blank" doc:"Names that it has as well."`
	ObsoletesDist          []string          `json:"obsoletes_dist" pulp:"blank" doc:"Packages that it takes the place of."`
	RequiresExternal       []string          `json:"requires_external" pulp:"blank" doc:"What it needs that is no Python package."`
}

// ReadCore reads core metadata. As for Python's own parser, a line that is no field ends the fields.
func ReadCore(text []byte) (Core, error) {
	if len(text) > MaxMetadata {
		return Core{}, fmt.Errorf("the metadata has more than %d bytes", MaxMetadata)
	}
	in := bufio.NewReader(bytes.NewReader(bytes.ToValidUTF8(text, []byte("\uFFFD"))))
	h, err := textproto.NewReader(in).ReadMIMEHeader()
	var broken textproto.ProtocolError
	if err != nil && !errors.As(err, &broken) && len(h) == 0 {
		return Core{}, fmt.Errorf("the metadata has no fields: %w", err)
	}
	c := coreOf(h)
	if err == nil && c.Description == "" {
		body := new(strings.Builder)
		_, _ = in.WriteTo(body) // from memory to memory
		c.Description = strings.TrimRight(body.String(), "\n")
	}
	if !goodName.MatchString(c.Name) {
		return Core{}, fmt.Errorf("the field Name of the metadata is missing or no name of a project: %.80q", c.Name)
	}
	if _, err := ParseVersion(c.Version); err != nil {
		return Core{}, fmt.Errorf("the field Version of the metadata is missing or no version as PEP 440 has them: %.40q", c.Version)
	}
	return c, nil
}

func coreOf(h textproto.MIMEHeader) Core {
	one := func(name string) string {
		if v := h.Get(name); v != "UNKNOWN" { // what some tools wrote for nothing
			return v
		}
		return ""
	}
	all := func(name string) []string { return append([]string{}, h[name]...) }
	c := Core{
		Name: one("Name"), Version: one("Version"), MetadataVersion: one("Metadata-Version"), Summary: one("Summary"),
		Description: one("Description"), DescriptionContentType: one("Description-Content-Type"), Keywords: one("Keywords"),
		HomePage: one("Home-Page"), DownloadURL: one("Download-Url"), Author: one("Author"), AuthorEmail: one("Author-Email"),
		Maintainer: one("Maintainer"), MaintainerEmail: one("Maintainer-Email"), RequiresPython: one("Requires-Python"),
		License: cmp.Or(one("License"), one("License-Expression")), ProjectURLs: map[string]string{},
		Platform: strings.Join(h["Platform"], ","), SupportedPlatform: strings.Join(h["Supported-Platform"], ","),
		Classifiers: all("Classifier"), RequiresDist: all("Requires-Dist"), ProvidesDist: all("Provides-Dist"),
		ObsoletesDist: all("Obsoletes-Dist"), RequiresExternal: all("Requires-External"),
	}
	for _, line := range h["Project-Url"] {
		label, url, _ := strings.Cut(line, ",")
		c.ProjectURLs[strings.TrimSpace(label)] = strings.TrimSpace(url)
	}
	return c
}

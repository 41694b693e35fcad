package pep

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"github.com/gopulp/pulp"
)

// The media types of the simple index, and what is asked of a remote.
const (
	JSON       = "application/vnd.pypi.simple.v1+json"
	HTML       = "application/vnd.pypi.simple.v1+html"
	Text       = "text/html"
	Acceptable = JSON + ", " + HTML + ";q=0.2, text/html;q=0.1"
)

// A File is a file on the page of a project, as PEP 691 and 700 have it.
type File struct {
	Filename       string            `json:"filename"`
	URL            string            `json:"url"`
	Hashes         map[string]string `json:"hashes"`
	RequiresPython string            `json:"requires-python,omitempty"`
	Size           *int64            `json:"size,omitempty"`
	UploadTime     string            `json:"upload-time,omitempty"`
	Yanked         Mark              `json:"yanked"`
	Metadata       Mark              `json:"core-metadata"`
	OldMetadata    Mark              `json:"dist-info-metadata"` // its name before PEP 714
	Named          Filename          `json:"-"`
}

// A Mark is true or false, or true with a text: why a file was yanked, or the digest of its metadata.
type Mark struct {
	Set bool
	Why string
}

// DigestOf is the mark with the digest of metadata; false if it is empty.
func DigestOf(sha256 string) Mark {
	if sha256 == "" {
		return Mark{}
	}
	return Mark{true, "sha256=" + sha256}
}

// MarkOf is the mark with a reason; nil for none.
func MarkOf(reason *string) Mark {
	if reason == nil {
		return Mark{}
	}
	return Mark{true, *reason}
}

// Reason is the text of a mark; nil if it is false.
func (m Mark) Reason() *string {
	if !m.Set {
		return nil
	}
	return &m.Why
}

// MarshalJSON writes a digest as PEP 691 wants it, and a reason as it is.
func (m Mark) MarshalJSON() ([]byte, error) {
	switch sum, is := strings.CutPrefix(m.Why, "sha256="); {
	case is:
		return json.Marshal(map[string]string{"sha256": sum})
	case m.Why != "":
		return json.Marshal(m.Why)
	}
	return json.Marshal(m.Set)
}

// UnmarshalJSON reads what may stand in the place of a mark.
func (m *Mark) UnmarshalJSON(text []byte) error {
	var sums map[string]string
	if json.Unmarshal(text, &m.Set) == nil {
		return nil
	}
	m.Set = true
	if json.Unmarshal(text, &sums) == nil {
		if sum := sums["sha256"]; sum != "" {
			m.Why = "sha256=" + sum
		}
		return nil
	}
	return json.Unmarshal(text, &m.Why)
}

// pages are those of projects, and of all projects, for people and older clients.
var pages = template.Must(template.New("project").Parse(`{{define "links"}}<!DOCTYPE html>
<html><head><meta name="pypi:repository-version" content="1.0"><title>Links for {{.Name}}</title></head><body>
<h1>Links for {{.Name}}</h1>
{{range .Files}}<a href="{{.URL}}{{with .Hashes.sha256}}#sha256={{.}}{{end}}"
{{- with .RequiresPython}} data-requires-python="{{.}}"{{end}}
{{- if .Metadata.Set}} data-core-metadata="{{or .Metadata.Why "true"}}" data-dist-info-metadata="{{or .Metadata.Why "true"}}"{{end}}
{{- if .Yanked.Set}} data-yanked="{{.Yanked.Why}}"{{end}}>{{.Filename}}</a><br>
{{end}}</body></html>
{{end}}{{define "projects"}}<!DOCTYPE html>
<html><head><meta name="pypi:repository-version" content="1.0"><title>Simple index</title></head><body>
{{range .Projects}}<a href="{{.Name}}/">{{.Name}}</a><br>
{{end}}</body></html>
{{end}}`))

// The pages, as JSON has them.
type (
	meta struct {
		API string `json:"api-version"`
	}
	listed struct {
		Name string `json:"name"`
	}
	// Projects is the list of all projects.
	Projects struct {
		Meta     meta     `json:"meta"`
		Projects []listed `json:"projects"`
	}
	// Project is the page of one.
	Project struct {
		Meta     meta     `json:"meta"`
		Name     string   `json:"name"`
		Versions []string `json:"versions"`
		Files    []File   `json:"files"`
	}
)

// List makes the list of all projects, of their normalized names.
func List(names []string) *Projects {
	p := &Projects{meta{"1.0"}, []listed{}}
	for _, name := range names {
		p.Projects = append(p.Projects, listed{name})
	}
	return p
}

// NewProject makes the page of a project. Version 1.1 of the protocol says that each file has a size.
func NewProject(name string, files []File) *Project {
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Filename, b.Filename) })
	p := &Project{meta{"1.1"}, name, nil, files}
	versions := map[string]bool{}
	for i := range files {
		f := &files[i]
		f.OldMetadata, versions[f.Named.Version] = f.Metadata, true
		if f.Size == nil {
			p.Meta.API = "1.0"
		}
	}
	p.Versions = slices.Sorted(maps.Keys(versions))
	return p
}

// Render writes a page in one of the media types.
func (p *Project) Render(w io.Writer, mediaType string) error {
	return render(w, p, "links", mediaType)
}

// Render writes the list in one of the media types.
func (p *Projects) Render(w io.Writer, mediaType string) error {
	return render(w, p, "projects", mediaType)
}

func render(w io.Writer, page any, template, mediaType string) error {
	if mediaType == JSON {
		return json.NewEncoder(w).Encode(page)
	}
	return pages.ExecuteTemplate(w, template, page)
}

// ReadProject reads the page of a project. Files whose names are none of the project's, or of other types, are passed over.
func ReadProject(doc *pulp.Document, name string) (out []File, err error) {
	var page Project
	if doc.Type == JSON {
		err = json.Unmarshal(doc.Text, &page)
	} else {
		page.Files, err = readLinks(doc)
	}
	if err != nil {
		return nil, fmt.Errorf("the page of %s: %w", name, err)
	}
	for _, f := range page.Files {
		if f.Named, err = ParseFilename(f.Filename, name); err != nil {
			continue
		}
		if err := f.check(doc); err != nil {
			return nil, fmt.Errorf("the page of %s, %s: %w", name, f.Filename, err)
		}
		out = append(out, f)
	}
	return out, nil
}

// check refuses what cannot be, and makes the link absolute.
func (f *File) check(doc *pulp.Document) (err error) {
	if !f.Metadata.Set {
		f.Metadata = f.OldMetadata
	}
	sum, bad := hex.DecodeString(f.SHA256())
	if bad != nil || len(sum) != 0 && len(sum) != 32 || f.Size != nil && *f.Size < 0 {
		return fmt.Errorf("its size or its sha256 is none: %.80q", f.SHA256())
	}
	f.URL, err = doc.Link(f.URL)
	return err
}

// SHA256 is the digest of the file in hex; empty if the page does not say.
func (f *File) SHA256() string { return strings.ToLower(f.Hashes["sha256"]) }

// ReadProjects reads the names on the list of all projects, and normalizes them.
func ReadProjects(doc *pulp.Document) (out []string, err error) {
	var page Projects
	if doc.Type == JSON {
		err = json.Unmarshal(doc.Text, &page)
	} else {
		var links []File
		links, err = readLinks(doc)
		for _, l := range links {
			page.Projects = append(page.Projects, listed{l.Filename})
		}
	}
	for _, p := range page.Projects {
		if goodName.MatchString(p.Name) {
			out = append(out, Normalize(p.Name))
		}
	}
	return out, err
}

// readLinks reads the links of a page in HTML. What each is called is the last part of its path.
func readLinks(doc *pulp.Document) (out []File, err error) {
	if doc.Type != HTML && doc.Type != Text && doc.Type != "application/xhtml+xml" {
		return nil, fmt.Errorf("it is neither JSON nor HTML of the simple index: %.80q", doc.Type)
	}
	for in := html.NewTokenizer(bytes.NewReader(doc.Text)); ; {
		switch in.Next() {
		case html.ErrorToken:
			if err := in.Err(); !errors.Is(err, io.EOF) {
				return nil, err
			}
			return out, nil
		case html.StartTagToken:
			if t := in.Token(); t.Data == "a" {
				out = append(out, linkOf(t))
			}
		}
	}
}

func linkOf(t html.Token) (f File) {
	marked := func(value string) Mark {
		if value == "true" {
			value = ""
		}
		return Mark{true, value}
	}
	for _, a := range t.Attr {
		switch a.Key {
		case "href":
			href, fragment, _ := strings.Cut(strings.TrimSpace(a.Val), "#")
			f.URL = href
			if u, err := url.Parse(href); err == nil {
				f.Filename = path.Base(u.Path)
			}
			sums, _ := url.ParseQuery(fragment)
			f.Hashes = map[string]string{"sha256": sums.Get("sha256")}
		case "data-requires-python":
			f.RequiresPython = a.Val
		case "data-core-metadata":
			f.Metadata = marked(a.Val)
		case "data-dist-info-metadata":
			f.OldMetadata = marked(a.Val)
		case "data-yanked":
			f.Yanked = Mark{true, a.Val}
		}
	}
	return f
}

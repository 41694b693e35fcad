package main

import (
	"bytes"
	"embed"
	"fmt"
	"go/format"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// platform is the module that plugins are for.
const platform = "github.com/gopulp/pulp"

//go:embed template/*.tmpl
var templates embed.FS

// places says which file each template becomes. The names do not depend on that of the plugin, which
// might end like those of an operating system: a file x_windows.go is built there only.
var places = map[string]string{
	"plugin.go": "plugin.go", "index.go": "index.go", "plugin_test.go": "plugin_test.go", "main.go": "cmd/server/main.go",
	"README.md": "README.md", "ci.yml": ".github/workflows/ci.yml", "gitignore": ".gitignore",
}

// A plugin is what the templates need to know.
type plugin struct {
	Name, Module string
	Contents     []content
}

// A content is a type of content.
type content struct {
	Label string // in the data and the API: boot_image
	Path  string // of its collection: boot_images
	Go    string // BootImage
	Var   string // of its declaration: bootImages
}

// Words names the types in a sentence.
func (p plugin) Words() string {
	all := []string{}
	for _, c := range p.Contents {
		all = append(all, strings.ReplaceAll(c.Path, "_", " "))
	}
	if n := len(all) - 1; n > 0 {
		return strings.Join(all[:n], ", ") + " and " + all[n]
	}
	return all[0]
}

var word = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// reserved are names that mean something else to the go command or to the platform.
var reserved = []string{"main", "core", "auth", "internal", "vendor", "testdata"}

// check looks at the names, and makes the types of content.
func (p *plugin) check(names []string) error {
	const form = "lower-case letters, digits and single _, beginning with a letter, like firmware"
	switch {
	case p.Name == "":
		return fmt.Errorf("the name of the plugin is missing: give one of %s", form)
	case !word.MatchString(p.Name):
		return fmt.Errorf("%q cannot be the name of a plugin: give one of %s", p.Name, form)
	case token.IsKeyword(p.Name), strings.HasSuffix(p.Name, "_test"), slices.Contains(reserved, p.Name):
		return fmt.Errorf("%q cannot be the name of a Go package or a plugin: give another one, like %s_plugin", p.Name, p.Name)
	}
	if err := module.CheckImportPath(p.Module); err != nil {
		return fmt.Errorf("-module: %w: give a path like example.com/%s", err, p.Name)
	}
	if len(names) == 0 {
		names = []string{p.Name}
	}
	for _, name := range names {
		if !word.MatchString(name) {
			return fmt.Errorf("-content: %q cannot be the name of a type: give one of %s", name, form)
		}
		c := newContent(name)
		same := func(o content) bool { return o.Go == c.Go || o.Path == c.Path }
		if c.Go == "Repository" || c.Go == "Plugin" || slices.ContainsFunc(p.Contents, same) {
			return fmt.Errorf("-content: the plugin has another %s already: give the type another name with -content", c.Go)
		}
		p.Contents = append(p.Contents, c)
	}
	return nil
}

// newContent makes the names of a type. No two differ only in what is made of them, see check.
func newContent(label string) content {
	c := content{Label: label, Path: label + "s"}
	if strings.HasSuffix(label, "s") || strings.HasSuffix(label, "x") {
		c.Path = label + "es"
	}
	for part := range strings.SplitSeq(label, "_") {
		c.Go += strings.ToUpper(part[:1]) + part[1:]
	}
	c.Var = strings.ToLower(c.Go[:1]) + c.Go[1:] + "Type"
	return c
}

// files are the whole module, by their paths.
func (p plugin) files(replace string) (map[string][]byte, error) {
	all, err := template.ParseFS(templates, "template/*.tmpl")
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for name, place := range places {
		var text bytes.Buffer
		if err := all.ExecuteTemplate(&text, name+".tmpl", p); err != nil {
			return nil, err
		}
		out[place] = text.Bytes()
		if strings.HasSuffix(place, ".go") {
			if out[place], err = format.Source(text.Bytes()); err != nil {
				return nil, fmt.Errorf("format %s: %w", place, err)
			}
		}
	}
	return out, p.require(replace, out)
}

// require adds go.mod. With a clone to build with, it adds what the clone requires, and its go.sum, so
// that nothing is downloaded that the clone has not got already.
func (p plugin) require(replace string, out map[string][]byte) error {
	mod := &modfile.File{Syntax: &modfile.FileSyntax{}}
	mod.AddModuleStmt(p.Module)
	mod.AddGoStmt("1.26.0")
	if version := published(); replace == "" && version != "" {
		mod.AddNewRequire(platform, version, false)
	}
	if replace != "" {
		dir, err := filepath.Abs(replace)
		if err != nil {
			return fmt.Errorf("-replace: %w", err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil || modfile.ModulePath(text) != platform {
			return fmt.Errorf("-replace: %s is no clone of %s: name the directory with its go.mod", dir, platform)
		}
		its, err := modfile.Parse("go.mod", text, nil)
		if err != nil {
			return fmt.Errorf("-replace: %w", err)
		}
		mod.AddNewRequire(platform, "v0.0.0", false)
		for _, r := range its.Require {
			mod.AddNewRequire(r.Mod.Path, r.Mod.Version, r.Mod.Path != "github.com/stretchr/testify")
		}
		if err := mod.AddReplace(platform, "", dir, ""); err != nil {
			return fmt.Errorf("-replace: %w", err)
		}
		if out["go.sum"], err = os.ReadFile(filepath.Join(dir, "go.sum")); err != nil {
			return fmt.Errorf("-replace: %w", err)
		}
	}
	mod.SetRequireSeparateIndirect(mod.Require)
	mod.Cleanup()
	out["go.mod"] = modfile.Format(mod.Syntax)
	return nil
}

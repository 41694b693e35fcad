package deb

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/unpack"
)

// maxControl bounds what control.tar unpacks to, in bytes.
const maxControl = 8 << 20

// checkUpload looks at what a client wrote.
func checkUpload(p *Package) error {
	errs := pulp.FieldErrors{}
	if p.RelativePath != "" && (!pulp.CanonicalPath(p.RelativePath) || strings.HasPrefix(p.RelativePath+"/", "dists/")) {
		errs.Add("relative_path", "Must be a relative path, not dists or below it, without white space, '?', '#' and empty, '.' or '..' parts.")
	}
	for name, value := range map[string]string{"distribution": p.Distribution, "component": p.Component} {
		if value != "" && !goodPath(value) {
			errs.Add(name, wantPath, value)
		}
	}
	if p.Component != "" && p.Distribution == "" {
		errs.Add("distribution", "A component needs its distribution.")
	}
	return errs.OrNil()
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
		return pulp.FieldErrors{"file": {fmt.Sprintf("The file cannot be read as a Debian package: %s.", err)}}
	}
	p.SHA256 = in.SHA256
	if p.RelativePath == "" { // the epoch is no part of file names
		version := p.Version[strings.IndexByte(p.Version, ':')+1:]
		p.RelativePath = path.Join("pool/upload", p.Package[:1], p.Package, p.Package+"_"+version+"_"+p.Architecture+".deb")
	}
	return nil
}

// readPackage reads the control paragraph of a .deb, an ar archive of three members, and whether it is
// whole. What comes after data.tar is nothing for us.
func readPackage(r io.Reader) (control stanza, err error) {
	magic := make([]byte, 8)
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != "!<arch>\n" {
		return control, errors.New("it does not begin as an ar archive")
	}
	for _, want := range []string{"debian-binary", "control.tar", "data.tar"} {
		name, size, err := nextMember(r)
		if err == nil && !strings.HasPrefix(name, want) {
			err = fmt.Errorf("there is %q", name)
		}
		if err != nil {
			return control, fmt.Errorf("%s is not where it must be: %w", want, err)
		}
		body := &io.LimitedReader{R: r, N: size}
		if ending, ok := strings.CutPrefix(name, "control.tar"); ok {
			text, err := unpack.Wanted{File: maxControl, All: maxControl, Match: func(name string) bool { return name == "control" }}.FromTar(body, ending)
			if err == nil {
				control, err = parseStanza(string(text))
			}
			if err != nil {
				return control, fmt.Errorf("%s: %w", name, err)
			}
		}
		if _, err := io.Copy(io.Discard, body); err != nil || body.N > 0 {
			return control, fmt.Errorf("it is cut off in %s", name)
		}
		_, _ = io.CopyN(io.Discard, r, size%2) // if it is not there, neither is the next member
	}
	return control, nil
}

// nextMember reads the header of a member of an ar archive.
func nextMember(r io.Reader) (name string, size int64, err error) {
	h := make([]byte, 60)
	if _, err := io.ReadFull(r, h); err != nil {
		return "", 0, errors.New("the file ends")
	}
	n, err := strconv.ParseUint(strings.TrimRight(string(h[48:58]), " "), 10, 62)
	if err != nil || string(h[58:]) != "`\n" {
		return "", 0, errors.New("the ar archive is broken")
	}
	return strings.TrimSuffix(strings.TrimRight(string(h[:16]), " "), "/"), int64(n), nil
}

var (
	goodName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+._~-]{0,199}$`)
	goodVersion = regexp.MustCompile(`^([0-9]{1,9}:)?[0-9A-Za-z][0-9A-Za-z.+~:-]{0,199}$`)
)

// wantPath says of a distribution or component what is wrong with it.
const wantPath = "%q: only letters, digits and + . _ ~ - are allowed, in parts separated by slashes, but not at the end as in a flat repository."

// goodPath says whether distributions and components may be called so.
func goodPath(p string) bool {
	for part := range strings.SplitSeq(p, "/") {
		if !goodName.MatchString(part) {
			return false
		}
	}
	return len(p) < 200
}

// describe takes what a paragraph says, and refuses names that could not be those of files.
func (p *Package) describe(s stanza) error {
	p.Package, p.Version, p.Architecture, p.Control = s.fields["package"], s.fields["version"], s.fields["architecture"], s.text
	for name, good := range map[string]*regexp.Regexp{"Package": goodName, "Version": goodVersion, "Architecture": goodName} {
		if value := s.fields[strings.ToLower(name)]; !good.MatchString(value) {
			return fmt.Errorf("the field %s is missing or not allowed: %.60q", name, value)
		}
	}
	said, err := json.Marshal(s.fields)
	if err != nil {
		return err
	}
	p.Fields = Fields{}
	return json.Unmarshal(said, &p.Fields)
}

// placed is the place of an uploaded package in a distribution, if the client named one.
func placed(p *Package) []*pulp.Unit {
	dist, component := p.Distribution, p.Component
	if p.Distribution, p.Component = "", ""; dist == "" {
		return nil
	}
	return []*pulp.Unit{p.in(dist, cmp.Or(component, "main"))}
}

// in is the unit that places the package.
func (p *Package) in(distribution, component string) *pulp.Unit {
	return packageReleases.Unit(PackageRelease{p.Package, p.Version, p.Architecture, distribution, component})
}

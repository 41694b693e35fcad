package server

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A mirror is a file repository elsewhere, of which this server keeps and serves a copy.
type mirror struct {
	name               string // of the remote, repository and distribution; also the path of the content
	url                string // of the manifest, without credentials
	username, password string
}

// mirrors is the flag that names them.
type mirrors []mirror

// String makes it a flag.
func (ms *mirrors) String() string { return "" }

// Set adds a mirror.
func (ms *mirrors) Set(text string) error {
	m, err := parseMirror(text)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(*ms, func(x mirror) bool { return x.name == m.name }) {
		return fmt.Errorf("there is a mirror %s already", m.name)
	}
	*ms = append(*ms, m)
	return nil
}

// manifestName is what a manifest is usually called.
const manifestName = "PULP_MANIFEST"

func parseMirror(text string) (m mirror, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return m, fmt.Errorf("it must be like https://example.com/files/%s", manifestName)
	}
	if u.Path == "" || strings.HasSuffix(u.Path, "/") {
		u = u.JoinPath(manifestName)
	}
	m.username = u.User.Username()
	m.password, _ = u.User.Password()
	u.User, u.Fragment = nil, ""
	m.url, m.name = u.String(), nameOf(u)
	return m, nil
}

var unreadable = regexp.MustCompile(`[^A-Za-z0-9._]+`)

// nameOf makes a name that tells where a manifest is: "example.com-files". No name lies below
// another, as the paths of distributions must not.
func nameOf(u *url.URL) string {
	dir, file := path.Split(u.Path)
	if file != manifestName {
		dir += file
	}
	return strings.Trim(unreadable.ReplaceAllString(u.Host+dir+"-"+u.RawQuery, "-"), "-")
}

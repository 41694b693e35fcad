package goproxy

// ReleasedIn are the versions of a module that a list has.
var ReleasedIn = releasedIn

// InfoIn is the version that a text describes.
func InfoIn(text []byte, path string) (version string, err error) {
	out, err := infoIn(text, path)
	return out.Version, err
}

// ParseEntry reads an entry of a remote's list of modules.
func ParseEntry(entry string) (path, version string, err error) {
	m, err := parseEntry(entry)
	return m.Path, m.Version, err
}

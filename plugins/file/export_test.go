package file

import "io"

// A Line is what a manifest says of a file.
type Line struct {
	Path, SHA256 string
	Size         int64
}

// ReadManifest reads all lines up to the first bad one.
func ReadManifest(r io.Reader) (out []Line, err error) {
	for l, err := range readManifest(r) {
		if err != nil {
			return out, err
		}
		out = append(out, Line{l.Path, l.SHA256, l.Size})
	}
	return out, nil
}

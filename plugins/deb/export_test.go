package deb

import (
	"io"
	"time"
)

// ReadStanzas reads all paragraphs up to the first bad one, and writes them again.
func ReadStanzas(r io.Reader) (out []string, err error) {
	for s, err := range readStanzas(r) {
		if err != nil {
			return out, err
		}
		out = append(out, s.text)
	}
	return out, nil
}

// Inspect reads the control paragraph of a .deb as an upload does.
func Inspect(r io.Reader) (*Package, error) {
	s, err := readPackage(r)
	if err != nil {
		return nil, err
	}
	p := &Package{}
	return p, p.describe(s)
}

// Vouched are the paths and sizes that a Release file of the distribution "stable" vouches for at a time.
func Vouched(data []byte, now time.Time) (map[string]int64, error) {
	r, err := parseRelease("stable", data, now)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, f := range r.files {
		out[f.Path] = f.Size
	}
	return out, nil
}

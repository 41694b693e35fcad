package file

import "github.com/gopulp/pulp"

// Unit makes a unit of a file that has been received ([pulp.App.Receive]), to be put into a
// version of a repository by a task of the host's: see [pulp.NewVersion.Put]. The error is a
// [pulp.FieldErrors] if it cannot lie at that path.
func Unit(path string, f *pulp.Incoming) (*pulp.Unit, error) {
	c := Content{RelativePath: path, Digest: f.SHA256}
	if err := checkPath(&c); err != nil {
		return nil, err
	}
	return contents.Unit(c, pulp.Remotely{Bytes: f}), nil
}

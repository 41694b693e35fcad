package pulp

// Storage keeps artifacts.
type Storage interface{}

// Dir keeps artifacts in a directory.
func Dir(path string) (Storage, error) { return nil, nil }

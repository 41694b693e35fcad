package unpack_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"

	"github.com/gopulp/pulp/unpack"
)

// A small file may unpack to much; who reads it says how much is all right.
func ExampleNewReader() {
	var file bytes.Buffer
	w := gzip.NewWriter(&file)
	io.WriteString(w, strings.Repeat("0", 1<<20))
	w.Close()
	for _, limit := range []int64{1 << 20, 1000} {
		r, err := unpack.NewReader(bytes.NewReader(file.Bytes()), ".gz", limit)
		if err != nil {
			panic(err)
		}
		_, err = io.Copy(io.Discard, r)
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// unpack: there are more than the 1000 bytes that are allowed
}

// Where a file lies in several compressions, the smallest is tried first.
func ExampleEndings() {
	for _, ending := range unpack.Endings() {
		fmt.Println("Packages" + ending)
	}
	// Output:
	// Packages.xz
	// Packages.zst
	// Packages.bz2
	// Packages.gz
	// Packages
}

// Of an archive that nobody vouches for, one file is wanted, and nothing of it is unpacked to the disk.
func ExampleWanted() {
	wanted := unpack.Wanted{Match: func(name string) bool { return name == "d/x" }, File: 1 << 10, All: 1 << 20}
	_, err := wanted.FromTar(strings.NewReader(strings.Repeat("\x00", 1024)), "")
	fmt.Println(err)
	// Output:
	// there are 0 of the file that is wanted, not one
}

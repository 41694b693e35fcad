package blob_test

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/gopulp/pulp/internal/blob"
)

func ExampleStore() {
	dir, err := os.MkdirTemp("", "blobs")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	store, err := blob.Open(dir)
	if err != nil {
		panic(err)
	}
	defer store.Close()

	w, err := store.Create(context.Background(), blob.Default)
	if err != nil {
		panic(err)
	}
	defer w.Abort()
	io.WriteString(w, "hello")
	sums, err := w.Commit()
	fmt.Println(sums.SHA256[:8], sums.Size, err)
	info, err := store.Stat(sums.SHA256)
	fmt.Println(info.Size, err)
	// Output:
	// 2cf24dba 5 <nil>
	// 5 <nil>
}

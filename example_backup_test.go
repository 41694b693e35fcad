package pulp_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

// A copy is a data directory. Here it is opened and verified, as one does with copies.
func ExampleApp_Backup() {
	app, end := exampleApp()
	defer end()
	dir, err := os.MkdirTemp("", "backup")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	if _, err := app.Backup(ctx, filepath.Join(dir, "copy")); err != nil {
		log.Fatal(err)
	}

	db, err := sqlite.Open(filepath.Join(dir, "copy"))
	if err != nil {
		log.Fatal(err)
	}
	copied, err := pulp.Open(ctx, db, pulp.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer copied.Close()
	found, err := copied.Verify(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(found.Files, "files are there,", len(found.Missing), "are missing,", len(found.Damaged), "are damaged")
	// Output: 0 files are there, 0 are missing, 0 are damaged
}

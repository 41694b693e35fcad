package sqlite_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/gopulp/pulp/sqlite"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "pulp")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	db, err := sqlite.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	var mode string
	if err := db.Reader().QueryRow("PRAGMA journal_mode").Scan(&mode); err != nil {
		log.Fatal(err)
	}
	fmt.Println(mode, db.Shared())

	_, err = sqlite.Open(dir)
	fmt.Println("a second time:", err != nil)
	// Output:
	// wal false
	// a second time: true
}

func ExampleDB_Writer() {
	dir, err := os.MkdirTemp("", "pulp")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db, err := sqlite.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	// move gives n to another owner, or changes nothing.
	move := func(ctx context.Context, from, to string, n int) error {
		tx, err := db.Writer().BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // does nothing after Commit
		if _, err := tx.ExecContext(ctx, `UPDATE purse SET coins = coins - ? WHERE owner = ?`, n, from); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE purse SET coins = coins + ? WHERE owner = ?`, n, to); err != nil {
			return err
		}
		return tx.Commit()
	}

	ctx := context.Background()
	_, err = db.Writer().ExecContext(ctx, `CREATE TABLE purse (owner TEXT, coins INTEGER CHECK (coins >= 0));
		INSERT INTO purse VALUES ('ann', 10), ('bob', 0)`)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(move(ctx, "ann", "bob", 7))
	fmt.Println(move(ctx, "ann", "bob", 7) != nil)
	var ann, bob int
	err = db.Reader().QueryRowContext(ctx, `SELECT (SELECT coins FROM purse WHERE owner = 'ann'), (SELECT coins FROM purse WHERE owner = 'bob')`).
		Scan(&ann, &bob)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ann, bob)
	// Output:
	// <nil>
	// true
	// 3 7
}

package pulp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/gopulp/pulp/internal/blob"
)

// A Verification says what [App.Verify] found.
type Verification struct {
	Files   int64    // how many artifacts the database names
	Missing []string // digests of those whose bytes are not there
	Damaged []string // digests of those whose bytes are others
}

// Verify reads all that the App keeps: the database, and the bytes of every artifact, which it
// compares with their digests. It changes nothing. The error says that something is wrong, or
// that it could not find out; repair/ mends what remotes have.
func (a *App) Verify(ctx context.Context) (*Verification, error) {
	v := &Verification{}
	err := a.db.Check(ctx)
	if err == nil {
		err = a.verifyFiles(ctx, v)
	}
	if bad := len(v.Missing) + len(v.Damaged); err == nil && bad > 0 {
		err = fmt.Errorf("of %d files, %d are missing and %d are damaged", v.Files, len(v.Missing), len(v.Damaged))
	}
	if err != nil {
		return v, fmt.Errorf("verify: %w", err)
	}
	return v, nil
}

const verifySQL = "SELECT id, sha256 FROM artifact WHERE id > ? ORDER BY id LIMIT ?"

func (a *App) verifyFiles(ctx context.Context, v *Verification) error {
	for last := int64(0); ; {
		var sums []string
		err := a.eachRow(ctx, verifySQL, []any{last, membershipBatch}, func(scan func(...any) error) error {
			var sum string
			err := scan(&last, &sum)
			sums = append(sums, sum)
			return err
		})
		if err != nil || len(sums) == 0 {
			return err
		}
		for _, sum := range sums {
			v.Files++
			switch err := a.storage.blobs().Verify(ctx, sum); {
			case errors.Is(err, fs.ErrNotExist):
				v.Missing = append(v.Missing, sum)
			case errors.Is(err, blob.ErrCorrupt):
				v.Damaged = append(v.Damaged, sum)
			case err != nil:
				return err
			}
		}
	}
}

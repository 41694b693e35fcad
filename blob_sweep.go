package pulp

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// Bytes are stored before the row that names them, so for a moment nobody names bytes that
// somebody will. Whoever removes bytes leaves those alone that were stored a short time ago:
// the time is that of the file system, and storing bytes that are there renews it.
const (
	// lateRow is how late a row may come for bytes that another row named until now.
	lateRow = time.Minute
	// lostBytes is after what time bytes that nobody names are those of a process that died, or
	// of an upload that was given up.
	lostBytes = time.Hour
)

// namedBlobsSQL are those of some digests that anybody names.
const namedBlobsSQL = `SELECT f.value FROM json_each(?1) AS f
WHERE EXISTS (SELECT 1 FROM domain CROSS JOIN artifact a ON a.domain_id = domain.id AND a.sha256 = f.value)
  OR EXISTS (SELECT 1 FROM upload_chunk c WHERE c.sha256 = f.value)`

// removeBlobs removes the bytes that nobody names and that were stored longer ago than age.
func (a *App) removeBlobs(ctx context.Context, sums []string, age time.Duration) error {
	if len(sums) == 0 {
		return nil
	}
	release, err := a.holdRemoval(ctx)
	if err != nil {
		return err
	}
	defer release()
	named, err := textsOf(ctx, a.db.Reader(), namedBlobsSQL, jsonTexts(sums))
	if err != nil {
		return fmt.Errorf("find who names bytes: %w", err)
	}
	cutoff := time.Now().Add(-age) // of the file system's clock, not of the App's
	for _, sum := range sums {
		if slices.Contains(named, sum) {
			continue
		}
		if _, err := a.storage.blobs().RemoveBefore(sum, cutoff); err != nil {
			return fmt.Errorf("remove bytes: %w", err)
		}
	}
	return nil
}

// sweepBlobs removes the bytes that nobody names from the whole storage.
func (a *App) sweepBlobs(ctx context.Context, keep time.Duration) error {
	age := max(keep, lostBytes)
	old := time.Now().Add(-age)
	var sums []string
	for blob, err := range a.storage.blobs().Walk(ctx) {
		if err != nil {
			return fmt.Errorf("sweep storage: %w", err)
		}
		if blob.ModTime.Before(old) {
			sums = append(sums, blob.SHA256)
		}
		if len(sums) == orphanBatch {
			if err := a.removeBlobs(ctx, sums, age); err != nil {
				return fmt.Errorf("sweep storage: %w", err)
			}
			sums = sums[:0]
		}
	}
	if err := a.removeBlobs(ctx, sums, age); err != nil {
		return fmt.Errorf("sweep storage: %w", err)
	}
	return nil
}

// textsOf reads the only column of all rows.
func textsOf(ctx context.Context, db bun.IDB, query string, args ...any) (out []string, err error) {
	rows, err := raw(db).QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// inParts calls f with parts of a list, of at most n.
func inParts[T any](list []T, n int, f func([]T) error) error {
	for part := range slices.Chunk(list, n) {
		if err := f(part); err != nil {
			return err
		}
	}
	return nil
}

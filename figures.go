package pulp

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Figures are what an operator watches: how much there is to do at present, how much is stored,
// and what this process has done since [Open]. They fit expvar:
//
//	expvar.Publish("pulp", expvar.Func(app.Vars))
type Figures struct {
	Waiting       int64         `json:"waiting"`        // tasks that have not begun
	Running       int64         `json:"running"`        // tasks that run, in any process
	OldestWaiting time.Duration `json:"oldest_waiting"` // how long ago the oldest task that waits, and was due, was dispatched
	Stored        int64         `json:"stored"`         // bytes of artifacts and of pieces of uploads
	DiskFree      int64         `json:"disk_free"`      // bytes that may still be written; -1 if the system does not tell
	Downloads     int64         `json:"downloads"`      // files that remotes delivered
	DownloadBytes int64         `json:"download_bytes"` // what these had
	DownloadFails int64         `json:"download_fails"` // files that could not be had
	Batches       int64         `json:"batches"`        // transactions of syncs that stored units
	Units         int64         `json:"units"`          // units that these stored; Units/Batches is the size of a batch
	Mended        int64         `json:"mended"`         // files that were gone or cut, and were fetched again when a client asked
}

// tally is what Figures counts.
type tally struct {
	downloads, downloadBytes, downloadFails, batches, units, mended atomic.Int64
}

const (
	waitingSQL = "SELECT count(*) FROM task WHERE state = 'waiting'"
	runningSQL = "SELECT count(*) FROM task WHERE state IN ('running', 'canceling')"
	// Tasks are numbered as they are dispatched, so that the oldest one is the first that is due.
	oldestSQL = "SELECT pulp_created FROM task WHERE state = 'waiting' AND (run_at IS NULL OR run_at <= ?) ORDER BY id LIMIT 1"
)

// Figures reads the figures: three questions to the database, whose cost grows with the tasks that
// wait, and one to the file system.
func (a *App) Figures(ctx context.Context) (*Figures, error) {
	t := &a.tally
	f := &Figures{
		DiskFree: -1, Downloads: t.downloads.Load(), DownloadBytes: t.downloadBytes.Load(), DownloadFails: t.downloadFails.Load(),
		Batches: t.batches.Load(), Units: t.units.Load(), Mended: t.mended.Load(),
	}
	var oldest Time
	db, now := a.db.Reader(), a.now()
	for _, q := range []struct {
		query string
		args  []any
		to    any
	}{{waitingSQL, nil, &f.Waiting}, {runningSQL, nil, &f.Running}, {oldestSQL, []any{int64(now)}, &oldest}, {storedSQL, nil, &f.Stored}} {
		if err := scanOne(ctx, db, q.query, q.args, q.to); err != nil {
			return nil, fmt.Errorf("read figures: %w", err)
		}
	}
	if oldest != 0 {
		f.OldestWaiting = now.Time().Sub(oldest.Time())
	}
	if _, _, free, err := a.storage.blobs().Usage(); err == nil {
		f.DiskFree = free
	}
	return f, nil
}

// Vars is Figures for an expvar.Func, which the host publishes under a name of its choice; an error
// is its text.
func (a *App) Vars() any {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	f, err := a.Figures(ctx)
	if err != nil {
		return err.Error()
	}
	return f
}

package pulp

import "time"

// An Observer is told what an App does with bytes and units, as it happens: for metrics and traces of
// the host's choice. [App.Events] tells what happens to tasks, and [App.Figures] what there is at a
// moment. Its methods are called by any number of goroutines, which wait for them.
type Observer interface {
	// Downloaded is called when a download from a remote has ended, well or not.
	Downloaded(Download)
	// Stored is called when a sync has stored a batch of units.
	Stored(Batch)
}

// A Download is a file that was asked for from a remote.
type Download struct {
	URL   string // without user, query and fragment, which may be secret
	Bytes int64  // that came and were verified; zero if Err is not nil
	Took  time.Duration
	Err   error // why the file did not come; nil if it did
}

// A Batch is a number of units that one transaction of a sync stored.
type Batch struct {
	Units int
	Took  time.Duration
}

// downloaded counts a download and tells the Observer.
func (a *App) downloaded(d Download) {
	if d.Err != nil {
		a.tally.downloadFails.Add(1)
	} else {
		a.tally.downloads.Add(1)
		a.tally.downloadBytes.Add(d.Bytes)
	}
	if o := a.cfg.Observer; o != nil {
		o.Downloaded(d)
	}
}

// batched counts a batch and tells the Observer.
func (a *App) batched(b Batch) {
	a.tally.batches.Add(1)
	a.tally.units.Add(int64(b.Units))
	if o := a.cfg.Observer; o != nil {
		o.Stored(b)
	}
}

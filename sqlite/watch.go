package sqlite

import (
	"context"
	"database/sql/driver"
	"io"
	"time"
)

// watchEvery is how often a shared database is asked whether anybody has committed.
const watchEvery = 250 * time.Millisecond

// dataVersion yields a number that differs from the last one of the same connection if another
// connection, of whatever process, has committed in between. It reads a few bytes of shared
// memory and waits for no lock.
const dataVersion = "PRAGMA data_version"

// A watch has a connection of its own on which it looks for commits, until it is closed. A nil
// watch, that of a database which is not shared, looks for nothing.
type watch struct {
	link   *link
	cancel context.CancelFunc
	done   chan struct{}
}

// startWatch calls changed after commits.
func startWatch(c config, file string, changed func()) (*watch, error) {
	l, err := dial(context.Background(), c, file, busyTimeout(c.busyTimeout), "query_only=1")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{link: l, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.run(ctx, changed)
	}()
	return w, nil
}

func (w *watch) run(ctx context.Context, changed func()) {
	last := w.version()
	for pause(ctx, watchEvery) == nil {
		// One that cannot be read may be another one.
		if now := w.version(); now == nil || now != last {
			last = now
			changed()
		}
	}
}

// version is nil if it cannot be read.
func (w *watch) version() driver.Value {
	rows, err := w.link.query(context.Background(), dataVersion, nil, true)
	if err != nil {
		return nil
	}
	defer rows.Close()
	value := []driver.Value{nil}
	if err := rows.Next(value); err != nil && err != io.EOF {
		return nil
	}
	return value[0]
}

func (w *watch) close() error {
	if w == nil {
		return nil
	}
	w.cancel()
	<-w.done
	return w.link.Close()
}

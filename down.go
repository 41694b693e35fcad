package pulp

import (
	"sync"
	"time"
)

const (
	// downFor is how long a source is not asked again that did not deliver: long enough that the many
	// who ask for a file cost a remote in trouble, and wait for, one download; short enough that
	// nobody misses a remote which is back.
	downFor = 30 * time.Second
	// mostDown bounds the memory: some 2 MiB with long URLs.
	mostDown = 4096
)

// downSources are the sources that did not deliver a moment ago. Wrong bytes are remembered for longer,
// in the source's row.
type downSources struct {
	mu    sync.Mutex
	until map[downSource]time.Time
}

// A downSource is named by its URL as well, since a remote may be pointed elsewhere, and then is asked.
type downSource struct {
	id  int64
	url string
}

// has says whether a source is not to be asked now.
func (d *downSources) has(s source, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := downSource{s.id, s.url}
	until, ok := d.until[key]
	if ok && !now.Before(until) {
		delete(d.until, key)
		return false
	}
	return ok
}

// add remembers that a source did not deliver. When there are too many, those that are over go, and
// if there are none, any one: it is asked once more.
func (d *downSources) add(s source, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.until == nil {
		d.until = map[downSource]time.Time{}
	}
	if len(d.until) >= mostDown {
		for key, until := range d.until {
			if !now.Before(until) {
				delete(d.until, key)
			}
		}
	}
	for key := range d.until {
		if len(d.until) < mostDown {
			break
		}
		delete(d.until, key)
	}
	d.until[downSource{s.id, s.url}] = now.Add(downFor)
}

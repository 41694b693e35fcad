package pulp

import (
	"sync"
	"time"
)

// mostMisses bounds the memory of misses: some 2 MiB with long URLs.
const mostMisses = 4096

// misses remembers for a while what was asked for in vain, by keys of any comparable type. The zero misses
// are empty.
type misses struct {
	mu    sync.Mutex
	byKey map[any]miss
}

type miss struct {
	err   error
	until time.Time
}

// at returns the error that is remembered for a key; nil for none.
func (m *misses) at(key any, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	one, ok := m.byKey[key]
	if ok && !now.Before(one.until) {
		delete(m.byKey, key)
		return nil
	}
	return one.err
}

// keep remembers an error. When there are too many, those that are over go, and if there are none, any one:
// it is asked for once more.
func (m *misses) keep(key any, err error, now time.Time, length time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byKey == nil {
		m.byKey = map[any]miss{}
	}
	if len(m.byKey) >= mostMisses {
		for key, one := range m.byKey {
			if !now.Before(one.until) {
				delete(m.byKey, key)
			}
		}
	}
	for key := range m.byKey {
		if len(m.byKey) < mostMisses {
			break
		}
		delete(m.byKey, key)
	}
	m.byKey[key] = miss{err, now.Add(length)}
}

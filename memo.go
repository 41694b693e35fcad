package pulp

import "sync"

// A memo remembers what queries found as long as nothing is committed. The zero memo remembers
// nothing yet.
type memo[K comparable, V any] struct {
	mu      sync.Mutex
	commits uint64
	of      map[K]V
}

// mostRemembered bounds the memory of a memo.
const mostRemembered = 1000

// find returns what ask finds for a key, which it asks if it must. before are the commits of the
// database before the view was taken of it that ask reads: if there has been none since, the view
// shows them all, and no others.
func (m *memo[K, V]) find(db Database, before uint64, key K, ask func() (V, error)) (v V, err error) {
	now, alone := db.Commits()
	if !alone || now != before {
		return ask()
	}
	if v, known := m.known(before, key); known {
		return v, nil
	}
	if v, err = ask(); err == nil {
		m.note(before, key, v)
	}
	return v, err
}

func (m *memo[K, V]) known(commits uint64, key K) (v V, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.commits == commits {
		v, ok = m.of[key]
	}
	return v, ok
}

func (m *memo[K, V]) note(commits uint64, key K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.commits != commits || len(m.of) >= mostRemembered || m.of == nil {
		m.commits, m.of = commits, map[K]V{}
	}
	m.of[key] = v
}

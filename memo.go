package pulp

import "sync"

// A memo remembers what queries found as long as nothing is committed. The zero memo remembers
// nothing yet.
type memo[V any] struct {
	mu      sync.Mutex
	commits uint64
	of      map[string]V
}

// What bounds the memory of a memo, whatever strangers ask for: how many keys it has, and how
// long they are.
const (
	mostRemembered    = 1000
	longestRemembered = 4096
)

// find returns what ask finds for a key, which it asks if it must. before are the commits of the
// database before the view was taken of it that ask reads: if there has been none since, the view
// shows them all, and no others.
func (m *memo[V]) find(db Database, before uint64, key string, ask func() (V, error)) (v V, err error) {
	now, alone := db.Commits()
	if !alone || now != before || len(key) > longestRemembered {
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

func (m *memo[V]) known(commits uint64, key string) (v V, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.commits == commits {
		v, ok = m.of[key]
	}
	return v, ok
}

func (m *memo[V]) note(commits uint64, key string, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.commits != commits || len(m.of) >= mostRemembered || m.of == nil {
		m.commits, m.of = commits, map[string]V{}
	}
	m.of[key] = v
}

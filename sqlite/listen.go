package sqlite

import (
	"slices"
	"sync"
)

// Listen registers f, which is called with the channel of each statement `NOTIFY <channel>`
// of a transaction of the writer once that is committed: once for each distinct channel of
// the transaction, on the goroutine that committed, before its Commit returns. It is never
// called for a transaction that was rolled back; a savepoint that was rolled back inside of
// one that was not does not count as such. f must not block. Calling stop removes it.
//
// As on PostgreSQL, a channel is an identifier: NOTIFY Jobs and NOTIFY jobs are the same,
// NOTIFY "Jobs" is another. A payload is refused.
//
// Other processes hear nothing of that. But if the database is [Shared], f is also called with
// the channel "", on a goroutine of the database, within about a quarter of a second of a commit
// by any process, this one included: so that it can look what the others did.
func (db *DB) Listen(f func(channel string)) (stop func()) {
	return db.engine.listeners.add(f)
}

// listeners are the functions that want to hear of commits.
type listeners struct {
	mu    sync.Mutex
	funcs []*func(string) // replaced, never changed, so that call needs no lock while calling
}

func (l *listeners) add(f func(string)) (stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.funcs = append(slices.Clone(l.funcs), &f)
	return func() { l.remove(&f) }
}

func (l *listeners) remove(f *func(string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.funcs = slices.DeleteFunc(slices.Clone(l.funcs), func(other *func(string)) bool { return other == f })
}

// callAll calls all functions with the channel "".
func (l *listeners) callAll() { l.call([]string{""}) }

func (l *listeners) call(channels []string) {
	if len(channels) == 0 {
		return
	}
	l.mu.Lock()
	funcs := l.funcs
	l.mu.Unlock()
	for _, channel := range channels {
		for _, f := range funcs {
			(*f)(channel)
		}
	}
}

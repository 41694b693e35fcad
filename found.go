package pulp

import "sync"

// A found is a file, the shelf on which a path led to it, and the guard that is asked each time.
type found struct {
	gate  *gate
	shelf *shelf
	file  *shelvedFile
}

// finds remembers what paths of content led to, for as long as nothing is committed: then what
// was found once is what would be found again. Most requests of a quiet server so ask the
// database nothing. The zero finds are empty.
type finds struct {
	mu      sync.RWMutex
	commits uint64 // for which all that is remembered is true
	paths   map[string]found
}

// mostFinds bounds the memory of finds.
const mostFinds = 4096

// at returns what was found at a path since the last commit; ok is false if nothing was.
func (f *finds) at(commits uint64, path string) (at found, ok bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.commits == commits {
		at, ok = f.paths[path]
	}
	return at, ok
}

// keep remembers what was looked for after so many commits, and found.
func (f *finds) keep(commits uint64, path string, at found) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if commits < f.commits {
		return
	}
	if commits > f.commits || f.paths == nil || len(f.paths) >= mostFinds {
		f.commits, f.paths = commits, map[string]found{}
	}
	f.paths[path] = at
}

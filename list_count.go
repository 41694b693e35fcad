package pulp

import "sync"

// counts remembers how many rows queries found, as long as nothing is committed: who reads a list
// page by page has it counted once. The zero counts remember nothing yet.
type counts struct {
	mu      sync.Mutex
	commits uint64
	of      map[string]int64
}

// mostCounts bounds the memory of counts, which lists with many filters could fill.
const mostCounts = 1000

// count returns how many rows a query has, which it counts if it must. before are the commits of
// the database before the view was taken of it in which ask counts: if there has been none since,
// the view shows them all, and no others.
func (c *counts) count(db Database, before uint64, query string, ask func() (int64, error)) (n int64, err error) {
	now, alone := db.Commits()
	if !alone || now != before {
		return ask()
	}
	if n, known := c.known(before, query); known {
		return n, nil
	}
	if n, err = ask(); err == nil {
		c.note(before, query, n)
	}
	return n, err
}

func (c *counts) known(commits uint64, query string) (n int64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.commits == commits {
		n, ok = c.of[query]
	}
	return n, ok
}

func (c *counts) note(commits uint64, query string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.commits != commits || len(c.of) >= mostCounts || c.of == nil {
		c.commits, c.of = commits, map[string]int64{}
	}
	c.of[query] = n
}

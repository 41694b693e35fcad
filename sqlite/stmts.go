package sqlite

import (
	"container/list"
	"context"
	"database/sql/driver"
)

// maxStmts is how many statements a connection keeps. A program has a few dozen hot texts;
// a kept statement costs some kilobytes.
const maxStmts = 128

// stmts keeps the prepared statements of one connection by their texts, the least recently
// used one first to go. SQLite prepares a kept statement again by itself when the schema has
// changed.
type stmts struct {
	conn   rawConn
	byText map[string]*list.Element
	recent *list.List // of *stmt, the most recently used first
}

// A stmt is a prepared statement that is lent out or waits in the cache.
type stmt struct {
	driver.StmtExecContext
	driver.StmtQueryContext
	text  string
	lent  bool
	close func() error
	entry *list.Element // nil if it is not kept
}

func newStmts(conn rawConn) *stmts {
	return &stmts{conn: conn, byText: map[string]*list.Element{}, recent: list.New()}
}

// take lends the statement for text. If the kept one is lent already, because its rows are
// still being read, it lends a fresh one that lives for this use only.
func (c *stmts) take(ctx context.Context, text string) (*stmt, error) {
	entry, known := c.byText[text]
	if known && !entry.Value.(*stmt).lent {
		c.recent.MoveToFront(entry)
		s := entry.Value.(*stmt)
		s.lent = true
		return s, nil
	}
	prepared, err := c.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s := &stmt{
		StmtExecContext:  prepared.(driver.StmtExecContext),
		StmtQueryContext: prepared.(driver.StmtQueryContext),
		text:             text, lent: true, close: prepared.Close,
	}
	if !known {
		c.keep(s)
	}
	return s, nil
}

// keep adds s to the cache and throws out the statement that was unused for longest.
func (c *stmts) keep(s *stmt) {
	s.entry = c.recent.PushFront(s)
	c.byText[s.text] = s.entry
	if c.recent.Len() <= maxStmts {
		return
	}
	for e := c.recent.Back(); e != nil; e = e.Prev() {
		if old := e.Value.(*stmt); !old.lent {
			c.recent.Remove(e)
			delete(c.byText, old.text)
			old.close()
			return
		}
	}
}

// put takes a statement back.
func (c *stmts) put(s *stmt) {
	s.lent = false
	if s.entry == nil {
		s.close()
	}
}

func (c *stmts) close() {
	for e := c.recent.Front(); e != nil; e = e.Next() {
		e.Value.(*stmt).close()
	}
	c.recent.Init()
	clear(c.byText)
}

package pulp

import (
	"context"
	"net/url"
	"slices"
	"sync"

	"github.com/uptrace/bun"
)

// The units of a version are listed by walking over its membership, from where a page before this
// one ended: reading a version from its first page to its last costs each page the same, though
// clients say only "offset". Their number was counted when the version was made.

const (
	membersCountSQL = `SELECT coalesce(sum(count), 0), coalesce(sum(CASE WHEN ?2 IN (0, pulp_type) THEN count END), 0)
FROM version_count WHERE version_id = ?1 AND what = 'P'`
	membersPageSQL = `SELECT m.content_id FROM repository_content m WHERE m.repository_id = ?1 AND m.added <= ?2 AND (m.removed IS NULL OR m.removed > ?2)
AND m.content_id < ?3 ORDER BY m.content_id DESC LIMIT ?4 OFFSET ?5`
	// The same for one of several types of content.
	typedMembersPageSQL = `SELECT m.content_id FROM repository_content m CROSS JOIN content c ON c.id = m.content_id AND c.pulp_type = ?6
WHERE m.repository_id = ?1 AND m.added <= ?2 AND (m.removed IS NULL OR m.removed > ?2) AND m.content_id < ?3 ORDER BY m.content_id DESC LIMIT ?4 OFFSET ?5`
)

// listsMembers says whether a list is that of the units of a version, and of nothing less.
func (v *view[M]) listsMembers(visible sight, query url.Values) bool {
	if v.end.kind.name != contentKind || visible.sql != "" || query.Get("repository_version") == "" || len(list(query, "ordering")) > 0 {
		return false
	}
	for name := range query {
		if name != "repository_version" && !slices.Contains(always, name) {
			return false
		}
	}
	return true
}

// members is the finder of the units of a version.
func (v *view[M]) members(ctx context.Context, r *Request, page *Page) (finder[M], error) {
	values := r.Query["repository_version"]
	of, err := v.app.memberRange(ctx, values[len(values)-1])
	if err != nil {
		return nil, filterError("repository_version", err)
	}
	return func(ctx context.Context, db bun.IDB) ([]*M, error) {
		ids, err := v.memberIDs(ctx, raw(db), of, page)
		if err != nil || len(ids) == 0 {
			return nil, err
		}
		var recs []*M
		err = v.scope(db.NewSelect().Model(&recs)).Where("?TablePKs IN (?)", bun.List(ids)).OrderExpr("?TablePKs DESC").Scan(ctx)
		return recs, err
	}, nil
}

func (v *view[M]) memberIDs(ctx context.Context, db querier, of memberRange, page *Page) ([]int64, error) {
	var all int64
	if err := db.QueryRowContext(ctx, membersCountSQL, of.version, v.end.typ).Scan(&all, &page.Count); err != nil {
		return nil, err
	}
	if page.Offset >= page.Count {
		return nil, nil
	}
	key := listKey{of.version, v.end.typ}
	from := v.app.pageEnds.before(key, page.Offset)
	query, args := membersPageSQL, []any{of.repository, of.number, from.unit, page.Limit, page.Offset - from.offset}
	if page.Count < all {
		query, args = typedMembersPageSQL, append(args, v.end.typ)
	}
	ids, err := scanIDs(db.QueryContext(ctx, query, args...))
	if err == nil && len(ids) > 0 {
		v.app.pageEnds.note(key, pageEnd{page.Offset + int64(len(ids)), ids[len(ids)-1]})
	}
	return ids, err
}

// A pageEnd says that so many units of a version have a higher id than a unit, or the same.
type pageEnd struct{ offset, unit int64 }

// A listKey is a version, and the type of content that is listed; 0 for all types.
type listKey struct{ version, typ int64 }

// pageEnds remembers where pages of versions ended. Versions never change, so that what is
// remembered stays true. The zero pageEnds are empty.
type pageEnds struct {
	mu    sync.Mutex
	count int
	of    map[listKey][]pageEnd // in order
}

// mostPageEnds bounds the memory of pageEnds, to about a megabyte.
const mostPageEnds = 1 << 16

func (m pageEnd) compare(offset int64) int { return int(min(1, max(-1, m.offset-offset))) }

// before is the last end that is not behind an offset; the beginning if there is none.
func (s *pageEnds) before(k listKey, offset int64) pageEnd {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, found := slices.BinarySearchFunc(s.of[k], offset, pageEnd.compare)
	switch {
	case found:
		return s.of[k][at]
	case at > 0:
		return s.of[k][at-1]
	}
	return pageEnd{0, 1 << 62}
}

func (s *pageEnds) note(k listKey, m pageEnd) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil || s.count >= mostPageEnds {
		s.count, s.of = 0, map[listKey][]pageEnd{}
	}
	if at, found := slices.BinarySearchFunc(s.of[k], m.offset, pageEnd.compare); !found {
		s.of[k] = slices.Insert(s.of[k], at, m)
		s.count++
	}
}

package pulp

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// pinnedSQL tells when what is pinned was made: a publication, or a version that is served as it is.
const pinnedSQL = `SELECT d.id, coalesce(p.pulp_created, CASE WHEN d.pulp_type NOT IN (SELECT value FROM json_each(?2)) THEN v.pulp_created END, 0)
FROM json_each(?1) AS one CROSS JOIN distribution d ON d.id = one.value
LEFT JOIN publication p ON p.id = d.publication_id LEFT JOIN repository_version v ON v.id = d.version_id`

func pinnedSince[D any](ctx context.Context, db bun.IDB, ms []*Distribution[D]) ([]any, error) {
	ids := idsOf(ms, func(m *Distribution[D]) int64 { return m.ID })
	rows, err := raw(db).QueryContext(ctx, pinnedSQL, jsonIDs(ids), FromContext(ctx).publishedTypes())
	if err != nil {
		return nil, fmt.Errorf("read what is pinned: %w", err)
	}
	defer rows.Close()
	since := map[int64]any{}
	for rows.Next() {
		var id, made int64
		if err := rows.Scan(&id, &made); err != nil {
			return nil, fmt.Errorf("read what is pinned: %w", err)
		}
		if made != 0 {
			since[id] = Time(made).String()
		}
	}
	out := make([]any, len(ms))
	for i, id := range ids {
		out[i] = since[id]
	}
	return out, rows.Err()
}

// publishedTypes are the types of distributions that serve publications, as a JSON list.
func (r *registry) publishedTypes() string {
	ids := []int64{}
	for typ, is := range r.fromPublication {
		if is {
			ids = append(ids, typ)
		}
	}
	return jsonIDs(ids)
}

package pulp

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/blob"
)

// saving is a batch of units on its way into the database.
type saving struct {
	rows   []*contentRow
	files  [][]Remotely // of each row
	labels []Labels     // of each row; nil for none at all
	remote int64        // where the files come from; 0 for nowhere
}

const (
	saveContentSQL = `INSERT INTO content (pulp_id, domain_id, created_by, pulp_created, pulp_last_updated, pulp_type, pulp_labels, key, slot, touched, detail)
SELECT unhex(u.value->>'id'), ?2, ?3, ?4, ?4, u.value->>'type', u.value->'labels', unhex(u.value->>'key'), unhex(u.value->>'slot'), ?4, u.value->'detail'
FROM json_each(?1) AS u WHERE true
ON CONFLICT (domain_id, key) DO UPDATE SET touched = excluded.touched
RETURNING id, lower(hex(key))`
	// A file that is known stays; one that was not here may be now.
	saveFilesSQL = `INSERT INTO content_artifact (content_id, artifact_id, relative_path)
SELECT f.value->>'content', (SELECT id FROM artifact WHERE domain_id = ?2 AND sha256 = f.value->>'sha256'), f.value->>'path'
FROM json_each(?1) AS f WHERE true
ON CONFLICT (content_id, relative_path) DO UPDATE SET artifact_id = coalesce(artifact_id, excluded.artifact_id)
WHERE artifact_id IS NULL AND excluded.artifact_id IS NOT NULL`
	saveSourcesSQL = `INSERT INTO remote_artifact (content_artifact_id, remote_id, url, size, sha256)
SELECT ca.id, ?2, f.value->>'url', nullif(f.value->>'size', -1), nullif(f.value->>'sha256', '')
FROM json_each(?1) AS f
CROSS JOIN content_artifact ca ON ca.content_id = f.value->>'content' AND ca.relative_path = f.value->>'path'
WHERE f.value->>'url' <> ''
ON CONFLICT (content_artifact_id, remote_id) DO UPDATE SET url = excluded.url, size = excluded.size, sha256 = excluded.sha256, failed_at = NULL
WHERE url <> excluded.url OR size IS NOT excluded.size OR sha256 IS NOT excluded.sha256`
)

type unitRow struct {
	ID     string          `json:"id"`
	Type   int64           `json:"type"`
	Key    string          `json:"key"`
	Slot   string          `json:"slot"`
	Labels Labels          `json:"labels"`
	Detail json.RawMessage `json:"detail"`
}

type fileRow struct {
	Content int64  `json:"content"`
	Path    string `json:"path"`
	URL     string `json:"url"`
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"`
}

// save writes what is not there yet of a batch of units, their files and the files' sources,
// and returns the ids of the units. Whatever was there is used again.
func (a *App) save(ctx context.Context, tx bun.Tx, s *saving) ([]int64, error) {
	if err := a.saveBlobs(ctx, tx, s); err != nil {
		return nil, err
	}
	byKey, err := a.saveContent(ctx, tx, s)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(s.rows))
	files := []fileRow{} // not nil, which in JSON is one row
	for i, row := range s.rows {
		ids[i] = byKey[hex.EncodeToString(row.key[:])]
		for _, f := range s.files[i] {
			files = append(files, fileRow{ids[i], f.Path, f.URL, f.SHA256, f.Size})
		}
	}
	text, err := json.Marshal(files)
	if err != nil {
		return nil, err
	}
	if _, err := tx.Tx.ExecContext(ctx, saveFilesSQL, string(text), a.domain.ID); err != nil {
		return nil, fmt.Errorf("save files of units: %w", err)
	}
	if s.remote != 0 {
		if _, err := tx.Tx.ExecContext(ctx, saveSourcesSQL, string(text), s.remote); err != nil {
			return nil, fmt.Errorf("save sources of files: %w", err)
		}
	}
	return ids, nil
}

// saveBlobs writes the rows of the files that came with the units, and notes their digests.
func (a *App) saveBlobs(ctx context.Context, tx bun.Tx, s *saving) error {
	var sums []blob.Sums
	for _, files := range s.files {
		for i := range files {
			if f := &files[i]; f.Bytes != nil {
				f.SHA256, f.Size = f.Bytes.SHA256, f.Bytes.Size
				sums = append(sums, f.Bytes.Sums)
			}
		}
	}
	if len(sums) == 0 {
		return nil
	}
	_, err := a.saveArtifacts(ctx, tx, sums...)
	return err
}

func (a *App) saveContent(ctx context.Context, tx bun.Tx, s *saving) (map[string]int64, error) {
	units := make([]unitRow, len(s.rows))
	for i, row := range s.rows {
		id := NewID()
		units[i] = unitRow{hex.EncodeToString(id[:]), row.face.typ, hex.EncodeToString(row.key[:]), hex.EncodeToString(row.slot[:]), Labels{}, row.detail}
		if s.labels != nil && s.labels[i] != nil {
			units[i].Labels = s.labels[i]
		}
	}
	text, err := json.Marshal(units)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Tx.QueryContext(ctx, saveContentSQL, string(text), a.domain.ID, CallerOf(ctx).AccountID, int64(a.now()))
	if err != nil {
		return nil, fmt.Errorf("save content: %w", err)
	}
	defer rows.Close()
	out := make(map[string]int64, len(units))
	for rows.Next() {
		var id int64
		var key string
		if err := rows.Scan(&id, &key); err != nil {
			return nil, fmt.Errorf("save content: %w", err)
		}
		out[strings.Clone(key)] = id
	}
	return out, rows.Err()
}

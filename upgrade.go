package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/uptrace/bun"
)

// An Upgrade is a step that changes what is stored of the fields of a type's own, by their JSON names, from
// how one release of a plugin wrote it to how the next one does: [Renamed], [Dropped], [Added], or a function
// of the plugin's own. Of a secret field it sees what is sealed, which it may move but not read.
//
// A type's list of steps only grows: Open counts how many its rows have had, and has them take the
// others, in one transaction for each type, before anything is served.
type Upgrade func(detail map[string]json.RawMessage) error

// Renamed is an Upgrade for a field that has another JSON name now. A value that is stored under the new
// one already stays.
func Renamed(old, new string) Upgrade {
	return func(detail map[string]json.RawMessage) error {
		value, had := detail[old]
		if _, has := detail[new]; had && !has {
			detail[new] = value
		}
		delete(detail, old)
		return nil
	}
}

// Dropped is an Upgrade for a field that is no more.
func Dropped(name string) Upgrade {
	return func(detail map[string]json.RawMessage) error {
		delete(detail, name)
		return nil
	}
}

// Added is an Upgrade for a new field, which rows of before have with a value. Filters by it then find them.
// Where the value depends on the row, it is a function of the plugin's own.
func Added(name string, value any) Upgrade {
	return func(detail map[string]json.RawMessage) error {
		if _, has := detail[name]; has {
			return nil
		}
		text, err := json.Marshal(value)
		detail[name] = text
		return err
	}
}

// An outdated is a type whose rows may have been written by an older program.
type outdated struct {
	typ          int64
	table, label string
	steps        []Upgrade
}

const (
	detailVersionSQL    = `SELECT detail_version FROM type WHERE id = ?`
	setDetailVersionSQL = `UPDATE type SET detail_version = ? WHERE id = ?`
	// anyOfTypeSQL and nextOfTypeSQL are of a table.
	anyOfTypeSQL  = `SELECT EXISTS (SELECT 1 FROM %s WHERE pulp_type = ?)`
	nextOfTypeSQL = `SELECT id, pulp_id, detail FROM %s WHERE pulp_type = ? AND id > ? ORDER BY id LIMIT 500`
	setDetailSQL  = `UPDATE %s SET detail = ?2 WHERE id = ?1`
	// A unit is known by its key, and takes the place of others by its slot.
	setIdentitySQL = `UPDATE content SET key = ?2, slot = ?3 WHERE id = ?1 AND (key <> ?2 OR slot <> ?3)`
	setSlotsSQL    = `UPDATE repository_content SET slot = ?2 WHERE content_id = ?1`
)

// upgrade has the rows of all types take the steps that they have not had.
func (a *App) upgrade(ctx context.Context) error {
	copied := false
	for _, o := range a.outdated {
		had, rows, err := a.had(ctx, o)
		if err != nil {
			return fmt.Errorf("upgrade %s: %w", o.label, err)
		}
		if had == len(o.steps) {
			continue
		}
		if rows && !copied { // one copy is that of all types
			if err := a.copyBefore(ctx, o); err != nil {
				return fmt.Errorf("upgrade %s: copy the database: %w", o.label, err)
			}
			copied = true
		}
		if err := a.upgradeType(ctx, o); err != nil {
			return fmt.Errorf("upgrade %s: %w", o.label, err)
		}
	}
	return nil
}

// had says how many steps the rows of a type have had, and whether there are rows.
func (a *App) had(ctx context.Context, o outdated) (had int, rows bool, err error) {
	db := a.db.Reader().DB
	if err := db.QueryRowContext(ctx, detailVersionSQL, o.typ).Scan(&had); err != nil {
		return 0, false, err
	}
	if had > len(o.steps) {
		return 0, false, fmt.Errorf("%w: its rows have had %d steps, this program knows %d; use the newer program", ErrNewerData, had, len(o.steps))
	}
	err = db.QueryRowContext(ctx, fmt.Sprintf(anyOfTypeSQL, o.table), o.typ).Scan(&rows)
	return had, rows, err
}

// copyBefore keeps the database as it is, for whoever must go back. A copy of an attempt that failed is replaced.
func (a *App) copyBefore(ctx context.Context, o outdated) error {
	file := filepath.Join(a.db.Dir(), fmt.Sprintf("pulp.db.before-%s-%s-%d", o.table, o.label, len(o.steps)))
	draft := file + ".part"
	if err := os.RemoveAll(draft); err != nil {
		return err
	}
	if err := a.db.Backup(ctx, draft); err != nil {
		return err
	}
	return os.Rename(draft, file)
}

func (a *App) upgradeType(ctx context.Context, o outdated) error {
	begun, n := time.Now(), 0
	err := a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		var had int // another process may have been quicker
		if err := tx.Tx.QueryRowContext(ctx, detailVersionSQL, o.typ).Scan(&had); err != nil || had >= len(o.steps) {
			return err
		}
		for last := int64(0); ; {
			rows, err := a.nextOf(ctx, tx, o, last)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				break
			}
			for _, row := range rows {
				if err := a.upgradeRow(ctx, tx, o, row, o.steps[had:]); err != nil {
					return fmt.Errorf("%s: %w", row.pulpID, err)
				}
			}
			last, n = rows[len(rows)-1].id, n+len(rows)
		}
		_, err := tx.Tx.ExecContext(ctx, setDetailVersionSQL, len(o.steps), o.typ)
		return err
	})
	if err == nil && n > 0 {
		a.log.InfoContext(ctx, "upgraded", "type", o.label, "kind", o.table, "rows", n, "took", time.Since(begun))
	}
	return err
}

// A detailRow is a row with what is stored of the fields of its type's own.
type detailRow struct {
	id     int64
	pulpID ID
	detail []byte
}

func (a *App) nextOf(ctx context.Context, tx bun.Tx, o outdated, last int64) (out []detailRow, err error) {
	rows, err := tx.Tx.QueryContext(ctx, fmt.Sprintf(nextOfTypeSQL, o.table), o.typ, last)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r detailRow
		if err := rows.Scan(&r.id, &r.pulpID, &r.detail); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// upgradeRow writes a row anew, and what a unit is known by.
func (a *App) upgradeRow(ctx context.Context, tx bun.Tx, o outdated, r detailRow, steps []Upgrade) error {
	detail := map[string]json.RawMessage{}
	if err := json.Unmarshal(r.detail, &detail); err != nil {
		return err
	}
	for _, step := range steps {
		if err := step(detail); err != nil {
			return err
		}
	}
	text, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	if _, err := tx.Tx.ExecContext(ctx, fmt.Sprintf(setDetailSQL, o.table), r.id, string(text)); err != nil {
		return err
	}
	face := a.contents[o.typ]
	if face == nil {
		return nil
	}
	key, slot, err := face.identity(text)
	if err != nil {
		return err
	}
	n, err := changed(tx.Tx.ExecContext(ctx, setIdentitySQL, r.id, key[:], slot[:]))
	if err == nil && n > 0 {
		_, err = tx.Tx.ExecContext(ctx, setSlotsSQL, r.id, slot[:])
	}
	if isUniqueViolation(err) {
		return fmt.Errorf("the unit would be the same as another one, or take its place in a version: %w", ErrConflict)
	}
	return err
}

package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

// Put saves units with the bytes that came with them, and adds them to the version; see
// [App.SaveUnits]. A unit replaces the one that has its slot. It returns the units' ids.
func (v *NewVersion) Put(ctx context.Context, units ...*Unit) (ids []int64, err error) {
	return v.j.app.putUnits(ctx, v.j.Tx, v.AddIn, units)
}

// SaveUnits makes units of content of their declarations and files, in transactions of the task
// whose handler ctx belongs to, if it does to one. They are in no repository; [NewVersion.Add]
// adds them to one, [NewVersion.Put] does both. It returns their ids: those of the units that are
// there already, where their natural keys are.
//
// A file's bytes must have come with it, or be an artifact already: an error names the one whose
// bytes are not here. Bytes are on the disk before the first row is written.
func (a *App) SaveUnits(ctx context.Context, units ...*Unit) (ids []int64, err error) {
	tx := a.Tx
	if j := JobFrom(ctx); j != nil && j.app == a {
		tx = j.Tx
	}
	return a.putUnits(ctx, tx, nil, units)
}

// putUnits saves units, batch by batch, and does with each batch what then says.
func (a *App) putUnits(ctx context.Context, inTx func(context.Context, func(context.Context, bun.Tx) error) error,
	then func(context.Context, bun.Tx, []int64) error, units []*Unit) (ids []int64, err error) {
	for len(units) > 0 {
		n := min(storeBatch, len(units))
		part, err := a.unitsToSave(ctx, units[:n])
		if err != nil {
			return nil, fmt.Errorf("save units: %w", err)
		}
		var some []int64
		err = inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
			if some, err = a.save(ctx, tx, part); err == nil && then != nil {
				err = then(ctx, tx, some)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		ids, units = append(ids, some...), units[n:]
	}
	return ids, nil
}

// unitsToSave prepares units, and keeps their bytes.
func (a *App) unitsToSave(ctx context.Context, units []*Unit) (*saving, error) {
	out := &saving{}
	var bytes []*Incoming
	paths := map[string]string{} // by digest, of files without bytes
	for _, u := range units {
		row, err := a.row(u)
		if err != nil {
			return nil, err
		}
		out.rows, out.files = append(out.rows, row), append(out.files, u.files)
		for i := range u.files {
			f := &u.files[i]
			if f.Bytes != nil {
				bytes = append(bytes, f.Bytes)
				continue
			}
			f.SHA256 = strings.ToLower(f.SHA256)
			paths[f.SHA256] = f.Path
		}
	}
	for _, f := range bytes {
		delete(paths, f.SHA256)
	}
	if err := a.mustHave(ctx, paths); err != nil {
		return nil, err
	}
	return out, a.keep(ctx, bytes...)
}

// mustHave refuses files, by their digests, that are no artifacts.
func (a *App) mustHave(ctx context.Context, paths map[string]string) error {
	text, err := json.Marshal(slices.Sorted(maps.Keys(paths)))
	if err != nil {
		return err
	}
	err = a.eachRow(ctx, knownArtifactsSQL, []any{string(text), a.domain.ID}, func(scan func(...any) error) error {
		var sum string
		err := scan(&sum, new(int64))
		delete(paths, sum)
		return err
	})
	for sum, path := range paths {
		if err == nil {
			err = fmt.Errorf("file %q with sha256 %q: its bytes are not here: %w", path, sum, ErrNotFound)
		}
	}
	return err
}

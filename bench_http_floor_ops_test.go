package pulp_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/gopulp/pulp"
)

// The operations of the handler that the API is measured against.

type floorPage struct {
	Count    int64              `json:"count"`
	Next     *string            `json:"next"`
	Previous *string            `json:"previous"`
	Results  []*floorRepository `json:"results"`
}

func (f *floor) list(r *http.Request, _ int64) (int, any, error) {
	limit, err := strconv.ParseInt(r.URL.Query().Get("limit"), 10, 64)
	if err != nil {
		limit = 100
	}
	page := floorPage{Results: make([]*floorRepository, 0, limit)}
	if err := f.reads["count"].QueryRowContext(r.Context(), f.typ).Scan(&page.Count); err != nil {
		return 0, nil, err
	}
	rows, err := f.reads["page"].QueryContext(r.Context(), f.typ, limit, 0)
	if err != nil {
		return 0, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		o, err := f.scan(rows)
		if err != nil {
			return 0, nil, err
		}
		page.Results = append(page.Results, o)
	}
	if err := rows.Err(); err != nil {
		return 0, nil, err
	}
	if page.Count > limit {
		next := "http://" + r.Host + r.URL.Path + "?limit=" + strconv.FormatInt(limit, 10) + "&offset=" + strconv.FormatInt(limit, 10)
		page.Next = &next
	}
	return http.StatusOK, &page, f.link(r.Context(), page.Results...)
}

func (f *floor) read(r *http.Request, _ int64) (int, any, error) {
	id, err := pulp.ParseID(r.PathValue("pk"))
	if err != nil {
		return 0, nil, err
	}
	o, err := f.scan(f.reads["one"].QueryRowContext(r.Context(), f.typ, id))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, o, f.link(r.Context(), o)
}

// tx runs do in a transaction, with the prepared writes.
func (f *floor) tx(ctx context.Context, do func(stmt func(string) *sql.Stmt) error) error {
	tx, err := f.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := do(func(name string) *sql.Stmt { return tx.StmtContext(ctx, f.writes[name]) }); err != nil {
		return err
	}
	return tx.Commit()
}

func (f *floor) create(r *http.Request, account int64) (int, any, error) {
	var in struct {
		Name        string             `json:"name"`
		Description *string            `json:"description"`
		Labels      map[string]*string `json:"pulp_labels"`
	}
	if err := decodeFloor(r, &in); err != nil {
		return 0, nil, err
	}
	labels, err := json.Marshal(in.Labels)
	if err != nil {
		return 0, nil, err
	}
	id, ctx, now := pulp.NewID(), r.Context(), floorNow()
	err = f.tx(ctx, func(stmt func(string) *sql.Stmt) error {
		var row int64
		if err := stmt("repository").QueryRowContext(ctx, id, account, now, f.typ, in.Name, string(labels), in.Description).Scan(&row); err != nil {
			return err
		}
		if _, err := stmt("role").ExecContext(ctx, pulp.NewID(), account, now, row); err != nil {
			return err
		}
		_, err := stmt("version").ExecContext(ctx, pulp.NewID(), account, now, row)
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	o, manifest := floorRepository{Name: in.Name, Description: in.Description, Labels: in.Labels, LastSync: json.RawMessage("{}")}, "PULP_MANIFEST"
	o.Href, o.PRN, o.Manifest = benchPath+id.String()+"/", "prn:file.filerepository:"+id.String(), &manifest
	o.Created, o.Updated, o.Versions, o.Latest = pulp.Time(now), pulp.Time(now), o.Href+"versions/", o.Href+"versions/0/"
	return http.StatusCreated, &o, nil
}

// patch changes a repository as the App does: in a task that reserves it, begins and ends at once.
func (f *floor) patch(r *http.Request, account int64) (int, any, error) {
	var in struct {
		Description *string `json:"description"`
	}
	if err := decodeFloor(r, &in); err != nil {
		return 0, nil, err
	}
	id, err := pulp.ParseID(r.PathValue("pk"))
	if err != nil {
		return 0, nil, err
	}
	ctx, task, now := r.Context(), pulp.NewID(), floorNow()
	o, err := f.scan(f.reads["one"].QueryRowContext(ctx, f.typ, id))
	if err != nil {
		return 0, nil, err
	}
	args, err := json.Marshal(map[string]any{"id": o.id, "data": in})
	if err != nil {
		return 0, nil, err
	}
	err = f.tx(ctx, func(stmt func(string) *sql.Stmt) error {
		var taken bool
		if err := stmt("reserved").QueryRowContext(ctx, o.PRN).Scan(&taken); err != nil || taken {
			return err
		}
		if _, err := stmt("task").ExecContext(ctx, task, account, now, uuid.NewString(), `["`+o.PRN+`"]`, args); err != nil {
			return err
		}
		if _, err := f.scan(stmt("one").QueryRowContext(ctx, f.typ, id)); err != nil {
			return err
		}
		_, err := stmt("update").ExecContext(ctx, in.Description, now, o.id)
		return err
	})
	return http.StatusAccepted, map[string]string{"task": shopAPI + "tasks/" + task.String() + "/"}, err
}

func decodeFloor(r *http.Request, in any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	return d.Decode(in)
}

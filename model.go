package pulp

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"

	"github.com/uptrace/bun"
)

// A Model is the typed handle of a table: of a kind of this package, or of any bun struct of
// the host with one primary key. Its methods take a database or a transaction; they add
// nothing to the rows but what [Base] says.
type Model[M any] struct{}

// NewModel returns the handle of M's table.
func NewModel[M any]() *Model[M] { return &Model[M]{} }

// A Where narrows a query.
type Where func(q *bun.SelectQuery) *bun.SelectQuery

// One returns the row with a key: an [ID] for models that embed [Base], else a value of the
// primary key's type. It returns ErrNotFound if there is none.
func (m *Model[M]) One(ctx context.Context, db bun.IDB, key any) (*M, error) {
	column := "?TablePKs"
	if _, ok := key.(ID); ok {
		column = "?TableAlias.pulp_id"
	}
	return m.First(ctx, db, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where(column+" = ?", key)
	})
}

// First returns the first row that where leaves. It returns ErrNotFound if there is none.
func (*Model[M]) First(ctx context.Context, db bun.IDB, where ...Where) (*M, error) {
	rec := new(M)
	q := db.NewSelect().Model(rec)
	for _, w := range where {
		q = w(q)
	}
	err := q.Limit(1).Scan(ctx)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, fmt.Errorf("%s: %w", typeName[M](), ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", typeName[M](), err)
	}
	return rec, nil
}

// given stands in a condition for the argument of firstBy.
var given = bun.Safe("?1")

// firstBy is First for the row that a value leads to. bun writes values into a statement's text;
// here the value stays outside, so that a text that is the same for all rows is prepared once.
func (m *Model[M]) firstBy(ctx context.Context, db bun.IDB, value any, where ...Where) (*M, error) {
	rec := new(M)
	q := db.NewSelect().Model(rec)
	for _, w := range where {
		q = w(q)
	}
	text, err := q.Limit(1).AppendQuery(q.DB().QueryGen(), nil)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", typeName[M](), err)
	}
	rows, err := raw(db).QueryContext(ctx, string(text), value)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", typeName[M](), err)
	}
	defer rows.Close()
	switch {
	case rows.Next():
		err = q.DB().ScanRow(ctx, rows, rec)
	case rows.Err() == nil:
		return nil, fmt.Errorf("%s: %w", typeName[M](), ErrNotFound)
	}
	if err = errors.Join(err, rows.Err()); err != nil {
		return nil, fmt.Errorf("read %s: %w", typeName[M](), err)
	}
	return rec, nil
}

// bindable says whether firstBy can find rows by a value: one that a driver takes, and a model
// that does not want to know of bun's queries.
func (*Model[M]) bindable(value any) bool {
	_, before := any((*M)(nil)).(bun.BeforeSelectHook)
	_, after := any((*M)(nil)).(bun.AfterSelectHook)
	_, valuer := value.(driver.Valuer)
	return !before && !after && (valuer || driver.IsValue(value))
}

// All yields the rows that where leaves, one at a time. An error ends it.
func (*Model[M]) All(ctx context.Context, db bun.IDB, where ...Where) iter.Seq2[*M, error] {
	return func(yield func(*M, error) bool) {
		q := db.NewSelect().Model((*M)(nil))
		for _, w := range where {
			q = w(q)
		}
		rows, err := q.Rows(ctx)
		if err != nil {
			yield(nil, fmt.Errorf("list %ss: %w", typeName[M](), err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			rec := new(M)
			err := q.DB().ScanRow(ctx, rows, rec)
			if !yield(rec, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, fmt.Errorf("list %ss: %w", typeName[M](), err))
		}
	}
}

// Insert writes new rows and their keys into recs. For models that embed [Base] it fills in
// PulpID, domain, owner and times; ctx must then carry an App.
func (m *Model[M]) Insert(ctx context.Context, db bun.IDB, recs ...*M) error {
	const chunk = 500 // keeps statements short
	for ; len(recs) > 0; recs = recs[min(chunk, len(recs)):] {
		part := recs[:min(chunk, len(recs))]
		for _, rec := range part {
			if err := begin(ctx, rec); err != nil {
				return err
			}
		}
		var err error
		if len(part) == 1 {
			err = m.insertOne(ctx, db, part[0])
		} else {
			_, err = db.NewInsert().Model(&part).Exec(ctx)
		}
		if err != nil {
			return fmt.Errorf("insert %s: %w", typeName[M](), err)
		}
	}
	return nil
}

// Update writes all columns of rec, or those named. It returns ErrNotFound if the row is gone.
func (m *Model[M]) Update(ctx context.Context, db bun.IDB, rec *M, columns ...string) error {
	if r, ok := any(rec).(record); ok {
		if a := FromContext(ctx); a != nil {
			r.base().Updated = a.now()
			if len(columns) > 0 {
				columns = append(columns, "pulp_last_updated")
			}
		}
	}
	res, err := m.updateOne(ctx, db, rec, columns)
	return touched(res, err, "update "+typeName[M]())
}

// Delete deletes the row of rec. It returns ErrNotFound if it is gone.
func (*Model[M]) Delete(ctx context.Context, db bun.IDB, rec *M) error {
	res, err := db.NewDelete().Model(rec).WherePK().Exec(ctx)
	return touched(res, err, "delete "+typeName[M]())
}

// affected is how many rows a statement changed.
func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func touched(res sql.Result, err error, verb string) error {
	if err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	if n, err := res.RowsAffected(); err == nil && n == 0 {
		return fmt.Errorf("%s: %w", verb, ErrNotFound)
	}
	return nil
}

// begin fills in the Base of a new record.
func begin(ctx context.Context, rec any) error {
	r, ok := rec.(record)
	if !ok {
		return nil
	}
	a := FromContext(ctx)
	if a == nil {
		return ErrNoApp
	}
	b := r.base()
	if b.PulpID == (ID{}) {
		b.PulpID = NewID()
	}
	b.DomainID = a.domain.ID
	if b.CreatedBy == nil {
		b.CreatedBy = CallerOf(ctx).AccountID
	}
	if b.Created == 0 {
		b.Created = a.now()
	}
	b.Updated = b.Created
	return nil
}

// typeName is the struct's name without package and type arguments: "Repository".
func typeName[M any]() string { return structName(reflect.TypeFor[M]()) }

func structName(t reflect.Type) string {
	name, _, _ := strings.Cut(t.Name(), "[")
	return name
}

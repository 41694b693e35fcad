package sqlite

import (
	"database/sql/driver"
	"errors"
	"io"
	"reflect"
)

// bufferedRows are rows that were read to the end while their statement had the turn.
type bufferedRows struct {
	columns []column
	names   []string
	values  []driver.Value // of all rows, one after another
}

// A column is what database/sql may ask about one.
type column struct {
	declared string
	scan     reflect.Type
}

// readAll reads and closes rows.
func readAll(open rawRows) (rows *bufferedRows, err error) {
	defer func() { err = errors.Join(err, open.Close()) }()
	rows = &bufferedRows{names: open.Columns()}
	width := len(rows.names)
	rows.columns = make([]column, width)
	for i := range rows.columns {
		rows.columns[i] = column{open.ColumnTypeDatabaseTypeName(i), open.ColumnTypeScanType(i)}
	}
	for {
		n := len(rows.values)
		rows.values = append(rows.values, make([]driver.Value, width)...)
		switch err := open.Next(rows.values[n:]); err {
		case nil:
		case io.EOF:
			rows.values = rows.values[:n]
			return rows, nil
		default:
			return nil, err
		}
	}
}

func (r *bufferedRows) Columns() []string                          { return r.names }
func (r *bufferedRows) ColumnTypeDatabaseTypeName(i int) string    { return r.columns[i].declared }
func (r *bufferedRows) ColumnTypeScanType(i int) reflect.Type      { return r.columns[i].scan }
func (r *bufferedRows) ColumnTypeNullable(int) (nullable, ok bool) { return true, true }
func (r *bufferedRows) Close() error                               { return nil }

// Next copies one row.
func (r *bufferedRows) Next(dest []driver.Value) error {
	if len(r.values) == 0 {
		return io.EOF
	}
	r.values = r.values[copy(dest, r.values):]
	return nil
}

package pulp

import (
	"context"
	"database/sql"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// bun writes values into the text of a statement, so that no two texts are the same and each is parsed and
// planned anew. What writes one row is run with its values outside of the text instead, which is then
// prepared once.

// bound takes the values out of a statement that bun wrote: strings, blobs, numbers, TRUE, FALSE and NULL.
// What it does not know stays in the text, where it is right, too.
func bound(text []byte) (query string, args []any) {
	var out strings.Builder
	out.Grow(len(text))
	for len(text) > 0 {
		n, arg, is := literal(text)
		if is {
			args = append(args, arg)
			out.WriteByte('?')
		} else {
			out.Write(text[:n])
		}
		text = text[n:]
	}
	return out.String(), args
}

// literal reads the first word of SQL, and its value if it is a literal.
func literal(text []byte) (length int, value any, is bool) {
	switch c := text[0]; {
	case c == '"':
		n, _ := quoted(text)
		return n, nil, false
	case c == '\'':
		n, whole := quoted(text)
		if !whole {
			return n, nil, false
		}
		return n, strings.ReplaceAll(string(text[1:n-1]), "''", "'"), true
	case (c == 'X' || c == 'x') && len(text) > 1 && text[1] == '\'':
		n, whole := quoted(text[1:])
		if !whole {
			return n + 1, nil, false
		}
		blob, err := hex.DecodeString(string(text[2:n]))
		return n + 1, blob, err == nil
	case c == '-' && len(text) > 1 && isDigit(text[1]):
		n := 1 + word(text[1:])
		value, is := numeral(text[:n])
		return n, value, is
	case isDigit(c):
		n := word(text)
		value, is := numeral(text[:n])
		return n, value, is
	case isWord(c):
		n := word(text)
		value, is := constants[string(text[:n])]
		return n, value, is
	}
	return 1, nil, false
}

// constants are the words that are values.
var constants = map[string]any{"NULL": nil, "TRUE": int64(1), "FALSE": int64(0)}

// quoted is the length of a quoted string or name, in which a quote is doubled, and whether it ends.
func quoted(text []byte) (n int, whole bool) {
	for i := 1; i < len(text); i++ {
		if text[i] != text[0] {
			continue
		}
		if i+1 == len(text) || text[i+1] != text[0] {
			return i + 1, true
		}
		i++
	}
	return len(text), false
}

// word is the length of a name or a number; a number's exponent may have a sign.
func word(text []byte) (n int) {
	for n < len(text) && (isWord(text[n]) || n > 0 && isDigit(text[0]) && (text[n] == '-' || text[n] == '+') && (text[n-1] == 'e' || text[n-1] == 'E')) {
		n++
	}
	return n
}

func numeral(text []byte) (value any, is bool) {
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(string(text), 64)
	return f, err == nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWord(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '.' || c >= 0x80
}

// hooked says whether a model wants to know of bun's queries, or of the rows that they return.
func hooked(m any) bool {
	switch m.(type) {
	case bun.BeforeAppendModelHook, bun.BeforeInsertHook, bun.AfterInsertHook, bun.BeforeUpdateHook, bun.AfterUpdateHook,
		bun.BeforeScanRowHook, bun.AfterScanRowHook:
		return true
	}
	return false
}

// insertOne is Insert for one row.
func (*Model[M]) insertOne(ctx context.Context, db bun.IDB, rec *M) error {
	q := db.NewInsert().Model(rec)
	if hooked(rec) {
		_, err := q.Exec(ctx)
		return err
	}
	query, args, err := boundText(q, q.DB())
	if err != nil {
		return err
	}
	if !strings.Contains(query, ` RETURNING "`) {
		_, err := raw(db).ExecContext(ctx, query, args...)
		return err
	}
	rows, err := raw(db).QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if rows.Next() {
		if err := q.DB().ScanRow(ctx, rows, rec); err != nil {
			return err
		}
	}
	return rows.Err()
}

// updateOne is bun's update of one row.
func (*Model[M]) updateOne(ctx context.Context, db bun.IDB, rec *M, columns []string) (sql.Result, error) {
	q := db.NewUpdate().Model(rec).Column(columns...).WherePK()
	if hooked(rec) {
		return q.Exec(ctx)
	}
	query, args, err := boundText(q, q.DB())
	if err != nil {
		return nil, err
	}
	return raw(db).ExecContext(ctx, query, args...)
}

func boundText(q schema.QueryAppender, db *bun.DB) (query string, args []any, err error) {
	text, err := q.AppendQuery(db.QueryGen(), nil)
	if err != nil {
		return "", nil, err
	}
	query, args = bound(text)
	return query, args, nil
}

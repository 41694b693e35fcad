package pulp

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/uptrace/bun"
)

// A kind is a table whose rows have hrefs. The rows of a typed kind belong to the types that
// plugins declare; each type has an endpoint of its own.
type kind struct {
	name  string // "remote", also the table's name
	typed bool
	ends  map[int64]*endpoint // by type id; 0 for a kind without types
	links string              // the SQL that yields id, type, key for a list of ids
}

// An endpoint is the place of a kind's or type's objects in the API.
type endpoint struct {
	kind   *kind
	typ    int64  // the type's id; 0 for none
	label  string // "<plugin>.<type>"; empty for none
	path   string // "remotes/acme/acme"; for nested ones "repositories/acme/acme/{}/versions"
	prn    string // "acme.acmeremote"
	number bool   // the key is a number, not an ID
}

// linkSQL yields what the href of each row of a list of ids is made of.
func linkSQL(table, typ, key string) string {
	return "SELECT id, " + typ + ", " + key + ", NULL FROM " + table + " WHERE id IN (SELECT value FROM json_each(?))"
}

// versionLinkSQL is linkSQL for repository versions: the key of the repository, and the number.
const versionLinkSQL = `SELECT v.id, r.pulp_type, r.pulp_id, v.number
FROM repository_version v JOIN repository r ON r.id = v.repository_id
WHERE v.complete AND v.id IN (SELECT value FROM json_each(?))`

// A link is where an object is found.
type link struct{ href, prn string }

// links finds the hrefs of objects; those that do not exist (any more) are left out.
func (a *App) links(ctx context.Context, db bun.IDB, kindName string, ids []int64) (map[int64]string, error) {
	k := a.kinds[kindName]
	if k == nil {
		return nil, fmt.Errorf("no kind %q", kindName)
	}
	rows, err := raw(db).QueryContext(ctx, k.links, jsonIDs(ids))
	if err != nil {
		return nil, fmt.Errorf("find %ss: %w", kindName, err)
	}
	defer rows.Close()
	out := make(map[int64]string, len(ids))
	for rows.Next() {
		var id, typ int64
		var key any
		var number *int64
		if err := rows.Scan(&id, &typ, &key, &number); err != nil {
			return nil, fmt.Errorf("find %ss: %w", kindName, err)
		}
		if e := k.ends[typ]; e != nil {
			out[id] = a.href(ctx, e, keyText(key), number)
		}
	}
	return out, rows.Err()
}

// href is the link to the object with a key; number is that of a nested object.
func (a *App) href(ctx context.Context, e *endpoint, key string, number *int64) string {
	path := e.path + "/" + key + "/"
	if number != nil {
		path = strings.Replace(e.path, "{}", key, 1) + "/" + strconv.FormatInt(*number, 10) + "/"
	}
	return prefixOf(ctx) + a.APIPath() + path
}

func keyText(key any) string {
	switch k := key.(type) {
	case []byte:
		var id ID
		copy(id[:], k)
		return id.String()
	case int64:
		return strconv.FormatInt(k, 10)
	}
	return fmt.Sprint(key)
}

// jsonIDs is a list of ids as one parameter, so that a statement's text does not depend on
// how many there are.
func jsonIDs(ids []int64) string {
	b := []byte{'['}
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return string(append(b, ']'))
}

// A target is an object as an href or a PRN names it.
type target struct {
	end    *endpoint
	key    string // its own key, or that of its parent
	nested bool   // key is the parent's and number its own
	number int64
}

// parseTarget reads an href, an absolute URL of which only the path counts, or a PRN.
func (a *App) parseTarget(ctx context.Context, text string) (target, bool) {
	if rest, ok := strings.CutPrefix(text, "prn:"); ok {
		label, key, _ := strings.Cut(rest, ":")
		e := a.byPRN[label]
		return target{end: e, key: strings.ToLower(key)}, e != nil && key != ""
	}
	u, err := url.Parse(text)
	if err != nil {
		return target{}, false
	}
	path := strings.TrimPrefix(u.Path, prefixOf(ctx))
	path, ok := strings.CutPrefix(path, a.APIPath())
	if !ok || !strings.HasSuffix(path, "/") {
		return target{}, false
	}
	return a.matchPath(strings.Split(strings.TrimSuffix(path, "/"), "/"))
}

// matchPath finds the endpoint of ".../<key>" or "<endpoint>/<key>/<nested>/<number>".
func (a *App) matchPath(parts []string) (target, bool) {
	n := len(parts)
	if n < 2 {
		return target{}, false
	}
	if e := a.byPath[strings.Join(parts[:n-1], "/")]; e != nil {
		return target{end: e, key: strings.ToLower(parts[n-1])}, true
	}
	if n < 4 {
		return target{}, false
	}
	e := a.byPath[strings.Join(parts[:n-3], "/")+"/{}/"+parts[n-2]]
	number, err := strconv.ParseInt(parts[n-1], 10, 64)
	return target{end: e, key: strings.ToLower(parts[n-3]), nested: true, number: number}, e != nil && err == nil
}

// find returns the id of the object that an href or a PRN names, which must be of a kind. Its
// errors are sentences for the client.
func (a *App) find(ctx context.Context, db bun.IDB, kindName, text string) (int64, error) {
	t, ok := a.parseTarget(ctx, text)
	switch {
	case !ok:
		return 0, Refuse("Invalid hyperlink - No URL match.")
	case t.end.kind.name != kindName:
		return 0, Refuse("Invalid hyperlink - Incorrect URL match.")
	}
	ids, err := a.findTargets(ctx, db, []target{t})
	if err != nil {
		return 0, err
	}
	if ids[0] == 0 {
		return 0, Refuse("Invalid hyperlink - Object does not exist.")
	}
	return ids[0], nil
}

const (
	findVersionSQL = `SELECT v.id FROM repository_version v JOIN repository r ON r.id = v.repository_id
WHERE v.complete AND r.pulp_id = ? AND v.number = ?`
	findVersionByIDSQL = "SELECT id FROM repository_version WHERE complete AND pulp_id = ?"
)

// findTargets returns the ids of objects; 0 for those that do not exist.
func (a *App) findTargets(ctx context.Context, db bun.IDB, ts []target) ([]int64, error) {
	ids := make([]int64, len(ts))
	for i, t := range ts {
		query, args := "", []any(nil)
		id, err := ParseID(t.key)
		switch {
		case t.end.number:
			query, args = "SELECT id FROM "+t.end.kind.name+" WHERE id = ?", []any{t.key}
		case err != nil:
			continue
		case t.nested:
			query, args = findVersionSQL, []any{id, t.number}
		case t.end.kind.name == versionKind:
			query, args = findVersionByIDSQL, []any{id}
		case t.end.typ != 0:
			query, args = "SELECT id FROM "+t.end.kind.name+" WHERE pulp_id = ? AND pulp_type = ?", []any{id, t.end.typ}
		default:
			query, args = "SELECT id FROM "+t.end.kind.name+" WHERE pulp_id = ?", []any{id}
		}
		if err := scanOne(ctx, db, query, args, &ids[i]); err != nil {
			return nil, fmt.Errorf("find %s: %w", t.end.kind.name, err)
		}
	}
	return ids, nil
}

// scanOne reads the first column of the first row, if there is a row.
func scanOne(ctx context.Context, db bun.IDB, query string, args []any, dst any) error {
	rows, err := raw(db).QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if rows.Next() {
		if err := rows.Scan(dst); err != nil {
			return err
		}
	}
	return rows.Err()
}

// sorted returns the endpoints of a kind in the order of their labels.
func (k *kind) sorted() []*endpoint {
	return slices.SortedFunc(maps.Values(k.ends), func(x, y *endpoint) int { return strings.Compare(x.label, y.label) })
}

// typeOf is the number of a declared type.
func (a *App) typeOf(kindName string, decl Part) (int64, error) {
	for typ, e := range a.kinds[kindName].ends {
		if a.declared[e] == decl {
			return typ, nil
		}
	}
	return 0, fmt.Errorf("the %s type is not declared by a plugin of this App: %w", kindName, ErrNotFound)
}

func jsonTexts(texts []string) string {
	b := []byte{'['}
	for i, s := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return string(append(b, ']'))
}

// prns finds the PRNs of objects; those that do not exist (any more) are left out.
func (a *App) prns(ctx context.Context, db bun.IDB, kindName string, ids []int64) (map[int64]string, error) {
	k := a.kinds[kindName]
	query := "SELECT id, 0, pulp_id FROM " + k.name + " WHERE id IN (SELECT value FROM json_each(?))"
	if k.typed {
		query = "SELECT id, pulp_type, pulp_id FROM " + k.name + " WHERE id IN (SELECT value FROM json_each(?))"
	}
	rows, err := raw(db).QueryContext(ctx, query, jsonIDs(ids))
	if err != nil {
		return nil, fmt.Errorf("name %ss: %w", kindName, err)
	}
	defer rows.Close()
	out := make(map[int64]string, len(ids))
	for rows.Next() {
		var id, typ int64
		var key ID
		if err := rows.Scan(&id, &typ, &key); err != nil {
			return nil, fmt.Errorf("name %ss: %w", kindName, err)
		}
		if e := k.anyEnd(typ); e != nil {
			out[id] = "prn:" + e.prn + ":" + key.String()
		}
	}
	return out, rows.Err()
}

// anyEnd is the endpoint of a type; for kinds without types, all of whose endpoints have the same
// PRN, any.
func (k *kind) anyEnd(typ int64) *endpoint {
	if e := k.ends[typ]; e != nil || k.typed {
		return e
	}
	for _, e := range k.ends {
		return e
	}
	return nil
}

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
	name  string // "remote"; for a host's model hostPrefix and its path
	key   tableKey
	typed bool
	ends  map[int64]*endpoint // by type id; 0 for a kind without types
	links string              // the SQL that yields id, type, key for a list of ids
	where string              // what holds for the rows that clients see; empty for all
}

// An endpoint is the place of a kind's or type's objects in the API.
type endpoint struct {
	kind  *kind
	typ   int64  // the type's id; 0 for none
	under int64  // for versions: the type of their repositories
	label string // "<plugin>.<type>"; empty for none
	path  string // "remotes/acme/acme"; for nested ones "repositories/acme/acme/{}/versions"
	prn   string // "acme.acmeremote"; empty where rows have no IDs

	stem   string // of the permissions on its objects: "acme.acmeremote"
	policy string // the name of its access policy
}

// linkSQL yields what the href of each row of a list of ids is made of.
func linkSQL(table, typ, key string) string {
	return "SELECT id, " + typ + ", " + key + ", NULL FROM " + table + " WHERE id IN (SELECT value FROM json_each(?))"
}

// versionLinkSQL is linkSQL for repository versions: the key of the repository, and the number.
const versionLinkSQL = `SELECT v.id, r.pulp_type, r.pulp_id, v.number
FROM repository_version v JOIN repository r ON r.id = v.repository_id
WHERE v.complete AND v.id IN (SELECT value FROM json_each(?))`

// links finds the hrefs of objects; those that do not exist (any more) are left out.
func (a *App) links(ctx context.Context, db bun.IDB, kindName string, ids []int64) (map[int64]string, error) {
	k := a.kind(kindName)
	if k == nil {
		return nil, fmt.Errorf("no kind %q", kindName)
	}
	if len(ids) == 0 {
		return nil, nil
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
	if !e.kind.key.named {
		key = url.PathEscape(key)
	}
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
	k := a.kind(kindName)
	if k == nil || len(ids) == 0 {
		return nil, nil
	}
	typ := "0"
	if k.typed {
		typ = "pulp_type"
	}
	query := fmt.Sprintf(`SELECT "%s", %s, "%s" FROM "%s" WHERE "%s" IN (SELECT value FROM json_each(?))`, k.key.primary, typ, k.key.column, k.key.table, k.key.primary)
	rows, err := raw(db).QueryContext(ctx, query, jsonIDs(ids))
	if err != nil {
		return nil, fmt.Errorf("name %ss: %w", kindName, err)
	}
	defer rows.Close()
	out := make(map[int64]string, len(ids))
	for rows.Next() {
		var id, typ int64
		var key any
		if err := rows.Scan(&id, &typ, &key); err != nil {
			return nil, fmt.Errorf("name %ss: %w", kindName, err)
		}
		if e := k.anyEnd(typ); e != nil && e.prn != "" {
			out[id] = "prn:" + e.prn + ":" + keyText(key)
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

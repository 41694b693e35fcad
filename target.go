package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/uptrace/bun"
)

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
		return target{end: e, key: key}, e != nil && key != ""
	}
	path, ok := a.localPath(ctx, text)
	if !ok {
		return target{}, false
	}
	return a.matchPath(strings.Split(path, "/"))
}

// localPath is the path of an href below the API's root, without the slash at its end.
func (a *App) localPath(ctx context.Context, text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil {
		return "", false
	}
	path, ok := strings.CutPrefix(strings.TrimPrefix(u.Path, prefixOf(ctx)), a.APIPath())
	if !ok {
		return "", false
	}
	return strings.CutSuffix(path, "/")
}

// matchPath finds the endpoint of ".../<key>" or "<endpoint>/<key>/<nested>/<number>".
func (a *App) matchPath(parts []string) (target, bool) {
	n := len(parts)
	if n < 2 {
		return target{}, false
	}
	if e := a.byPath[strings.Join(parts[:n-1], "/")]; e != nil {
		return target{end: e, key: parts[n-1]}, true
	}
	if n < 4 {
		return target{}, false
	}
	e := a.byPath[strings.Join(parts[:n-3], "/")+"/{}/"+parts[n-2]]
	if e != nil && e.kind.name != versionKind {
		return target{end: e, key: parts[n-1]}, true
	}
	number, err := strconv.ParseInt(parts[n-1], 10, 64)
	return target{end: e, key: parts[n-3], nested: true, number: number}, e != nil && err == nil
}

// find returns the id of the object that an href or a PRN names, which must be of a kind, and one
// that ctx's caller may see. Its
// errors are sentences for the client; those of a parameter stand alone.
func (a *App) find(ctx context.Context, db bun.IDB, kindName, text string) (int64, error) {
	t, ok := a.parseTarget(ctx, text)
	switch {
	case !ok:
		return 0, badLink("No URL match.")
	case t.end.kind != a.kind(kindName):
		return 0, badLink("Incorrect URL match.")
	}
	ids, err := a.findTargets(ctx, db, []target{t})
	if err != nil {
		return 0, err
	}
	hidden, err := a.unseen(ctx, db, t.end.kind, ids)
	if err != nil {
		return 0, err
	}
	if ids[0] == 0 || hidden[ids[0]] {
		return 0, badLink("Object does not exist.")
	}
	return ids[0], nil
}

// badLink is the error of an href or a PRN that leads nowhere.
func badLink(why string) error {
	return &InputError{Messages: []string{"Invalid hyperlink - " + why}, bare: true}
}

const (
	findByIDSQL   = `SELECT want.key, t."%s" FROM json_each(?1) AS want CROSS JOIN "%s" t ON t.pulp_id = unhex(want.value) WHERE true`
	findNestedSQL = `SELECT want.key, v.id FROM json_each(?1) AS want CROSS JOIN repository r ON r.pulp_id = unhex(want.value->>0)
CROSS JOIN repository_version v ON v.repository_id = r.id AND v.number = want.value->>1 WHERE v.complete AND r.pulp_type = ?2`
)

// findTargets returns the ids of objects; 0 for those that do not exist. It asks once for all
// objects of an endpoint.
func (a *App) findTargets(ctx context.Context, db bun.IDB, ts []target) ([]int64, error) {
	type group struct {
		end    *endpoint
		nested bool
	}
	groups := map[group][]int{}
	for i, t := range ts {
		g := group{t.end, t.nested}
		groups[g] = append(groups[g], i)
	}
	ids := make([]int64, len(ts))
	for g, at := range groups {
		find := a.findByID
		if !g.end.kind.key.named {
			find = a.findByKey
		}
		if err := find(ctx, db, g.end, ts, at, ids); err != nil {
			return nil, fmt.Errorf("find %s: %w", g.end.kind.name, err)
		}
	}
	return ids, nil
}

// findByID finds those of ts that stand at some places, which are all of one endpoint and have
// IDs, and sets their ids.
func (a *App) findByID(ctx context.Context, db bun.IDB, e *endpoint, ts []target, at []int, ids []int64) error {
	var want []any
	var places []int
	query, args := fmt.Sprintf(findByIDSQL, e.kind.key.primary, e.kind.key.table)+e.kind.where, []any{nil}
	for _, i := range at {
		id, err := ParseID(strings.ToLower(ts[i].key))
		switch {
		case err != nil:
			continue
		case ts[i].nested:
			want = append(want, []any{fmt.Sprintf("%x", id[:]), ts[i].number})
			query, args = findNestedSQL, []any{nil, e.under}
		default:
			want = append(want, fmt.Sprintf("%x", id[:]))
		}
		places = append(places, i)
	}
	if e.typ != 0 {
		query, args = query+" AND t.pulp_type = ?2", append(args, e.typ)
	}
	list, err := json.Marshal(want)
	if err != nil || want == nil {
		return err
	}
	args[0] = string(list)
	rows, err := raw(db).QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var n int
		var id int64
		if err := rows.Scan(&n, &id); err != nil {
			return err
		}
		ids[places[n]] = id
	}
	return rows.Err()
}

// findByKey is findByID for a host's rows that have no IDs.
func (a *App) findByKey(ctx context.Context, db bun.IDB, e *endpoint, ts []target, at []int, ids []int64) error {
	k := e.kind.key
	for _, i := range at {
		key, err := k.parse(ts[i].key)
		if err != nil {
			continue
		}
		query := fmt.Sprintf(`SELECT "%s" FROM "%s" WHERE "%s" = ?`, k.primary, k.table, k.column)
		if err := scanOne(ctx, db, query, []any{key}, &ids[i]); err != nil {
			return err
		}
	}
	return nil
}

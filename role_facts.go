package pulp

import (
	"context"
	"encoding/json"

	"github.com/uptrace/bun"
)

// assignedFacts are what a page of assignments tells: its roles, and the names of the objects.
type assignedFacts struct {
	roles       map[int64]roleFacts
	hrefs, prns map[subject]string
	domain      string
}

type roleFacts struct {
	name        string
	description *string
	permissions json.RawMessage
}

// of is the name of an assignment's object; nil for none.
func (k *assignedFacts) of(names map[subject]string, m *grantedRole) any {
	if m.Kind == "" {
		return nil
	}
	if name, ok := names[subject{m.Kind, m.Object}]; ok {
		return name
	}
	return unavailable
}

const roleFactsSQL = "SELECT id, name, description, permissions FROM role WHERE id IN (SELECT value FROM json_each(?))"

// factsOf reads the facts of a page once for all its fields.
func factsOf[M any](ctx context.Context, db bun.IDB, ms []*M) (*assignedFacts, error) {
	page, _ := ctx.Value(pageKey).(*pageMemo)
	if page != nil && page.assigned != nil {
		return page.assigned, nil
	}
	a := FromContext(ctx)
	k := &assignedFacts{roles: map[int64]roleFacts{}, hrefs: map[subject]string{}, prns: map[subject]string{}, domain: a.domainHref(ctx)}
	var roles []int64
	objects := map[string][]int64{}
	for _, m := range ms {
		f := any(m).(assigned).fields()
		roles = append(roles, f.Role)
		if f.Kind != "" {
			objects[f.Kind] = append(objects[f.Kind], f.Object)
		}
	}
	err := eachOf(ctx, db, roleFactsSQL, []any{jsonIDs(roles)}, func(scan func(...any) error) error {
		var id int64
		var f roleFacts
		var permissions string
		err := scan(&id, &f.name, &f.description, &permissions)
		f.permissions = json.RawMessage(permissions)
		k.roles[id] = f
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := a.nameObjects(ctx, db, objects, k); err != nil {
		return nil, err
	}
	if page != nil {
		page.assigned = k
	}
	return k, nil
}

// nameObjects finds the hrefs and PRNs of objects, with one query of each for each kind.
func (a *App) nameObjects(ctx context.Context, db bun.IDB, objects map[string][]int64, k *assignedFacts) error {
	for kind, ids := range objects {
		if a.kinds[kind] == nil {
			continue // its plugin is not there
		}
		hrefs, err := a.links(ctx, db, kind, ids)
		if err != nil {
			return err
		}
		prns, err := a.prns(ctx, db, kind, ids)
		if err != nil {
			return err
		}
		for id, href := range hrefs {
			k.hrefs[subject{kind, id}] = href
		}
		for id, prn := range prns {
			k.prns[subject{kind, id}] = prn
		}
	}
	return nil
}

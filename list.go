package pulp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// defaultLimit is how many objects a page has if the client does not say.
const defaultLimit = 100

// always are the query parameters that every list takes beside its filters.
var always = []string{"fields", "exclude_fields", "limit", "offset", "page_size", "ordering", "minimal", "format"}

// list answers GET on the collection: one query for the count, one for the page, and one for
// each kind of object that the page refers to.
func (v *view[M]) list(ctx context.Context, r *Request) (*Answer, error) {
	if err := v.allow(ctx, List, nil); err != nil {
		return nil, err
	}
	page := &Page{Limit: number(r.Query.Get("limit"), defaultLimit), Offset: number(r.Query.Get("offset"), 0)}
	visible, err := v.sight(ctx)
	if err != nil {
		return nil, err
	}
	find, err := v.finder(ctx, visible, r, page)
	if err != nil {
		return nil, err
	}
	only, without := v.pruned(r.Query)
	err = v.app.snapshot(ctx, func(ctx context.Context, db bun.IDB) error {
		recs, err := find(ctx, db)
		if err != nil {
			return fmt.Errorf("list %ss: %w", v.Name, err)
		}
		page.Results, err = v.codec.encode(ctx, db, recs, only, append(without, v.codec.details()...))
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Answer{Kind: OK, Page: page}, nil
}

// A finder finds the objects of a page, and counts them all.
type finder[M any] func(ctx context.Context, db bun.IDB) ([]*M, error)

// finder reads what the client asks for.
func (v *view[M]) finder(ctx context.Context, visible sight, r *Request, page *Page) (finder[M], error) {
	if v.listsMembers(visible, r.Query) {
		return v.members(ctx, r, page)
	}
	var recs []*M
	q, err := v.rows(ctx, visible, r, &recs)
	if err != nil {
		return nil, err
	}
	all, err := q.AppendQuery(q.DB().QueryGen(), nil)
	if err != nil {
		return nil, fmt.Errorf("list %ss: %w", v.Name, err)
	}
	return func(ctx context.Context, db bun.IDB) ([]*M, error) {
		before, _ := v.app.db.Commits()
		err := q.Conn(db).Limit(page.Limit).Offset(page.Offset).Scan(ctx)
		if err == nil {
			page.Count, err = v.app.counts.find(v.app.db, before, string(all), func() (int64, error) { return q.Count(ctx) })
		}
		return recs, err
	}, nil
}

// rows is the query for the objects of a list.
func (v *view[M]) rows(ctx context.Context, visible sight, r *Request, recs *[]*M) (*bun.SelectQuery, error) {
	db := v.app.db.Reader()
	q := visible.where(v.scope(db.NewSelect().Model(recs)))
	if v.nest != nil || v.parent != "" {
		above, err := v.parentOf(ctx, db, r.Vars["pk"])
		if err != nil {
			return nil, err
		}
		if v.nest != nil {
			q = q.Where("?TableAlias.? = ?", bun.Ident(v.nest.column), above)
		}
	}
	if v.parent != "" {
		q = q.Where("?TableAlias.repository_id = (SELECT id FROM repository WHERE pulp_id = ? AND pulp_type = ?)", idOrNil(r.Vars["pk"]), v.end.under)
	}
	q, err := v.filter(ctx, q, r.Query)
	if err != nil {
		return nil, err
	}
	return v.order(q, list(r.Query, "ordering"))
}

// parentOf finds the object below which the collection lies. Whether the caller may see it has been
// looked at before, see question.look.
func (v *view[M]) parentOf(ctx context.Context, db bun.IDB, key string) (int64, error) {
	if v.nest != nil {
		ids, err := v.app.findTargets(ctx, db, []target{{end: v.app.byPath[v.nest.parent], key: key}})
		if err == nil && ids[0] == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return 0, err
		}
		return ids[0], nil
	}
	var id int64
	if err := scanOne(ctx, db, "SELECT id FROM repository WHERE pulp_id = ? AND pulp_type = ?", []any{idOrNil(key), v.end.under}, &id); err != nil {
		return 0, err
	}
	if id == 0 {
		return 0, ErrNotFound
	}
	return id, nil
}

// filter applies the query's filters and refuses what it does not know.
func (v *view[M]) filter(ctx context.Context, q *bun.SelectQuery, query url.Values) (*bun.SelectQuery, error) {
	if slices.ContainsFunc(v.seeks, func(name string) bool { return query.Get(name) != "" }) {
		ctx = context.WithValue(ctx, foundKey, true)
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if slices.Contains(always, name) {
			continue
		}
		f, ok := v.filters[name]
		if !ok {
			return nil, &InputError{Field: "errors", Messages: []string{fmt.Sprintf("Invalid Filter: '%s'", name)}}
		}
		value := query[name][len(query[name])-1]
		if f.Value.Type == schema.Array {
			value = strings.Join(query[name], ",")
		}
		where, err := v.lookup(ctx, f, value)
		if err != nil {
			return nil, filterError(name, err)
		}
		q = where(q)
	}
	return q, nil
}

// lookup is what a filter makes of a value. An empty one is as if it were not there.
func (v *view[M]) lookup(ctx context.Context, f Filter, value string) (Where, error) {
	switch {
	case value == "" && !f.empty:
		return func(q *bun.SelectQuery) *bun.SelectQuery { return q }, nil
	case strings.ContainsRune(value, 0): // in a statement, it would end it
		return nil, Refuse("Null characters are not allowed.")
	}
	return f.Where(ctx, value)
}

func filterError(name string, err error) error {
	var in *InputError
	if errors.As(err, &in) && in.Field == "" && !in.bare {
		return &InputError{Field: name, Messages: in.Messages}
	}
	return err
}

// order sorts by what the client wants, and by age, newest first, within that.
func (v *view[M]) order(q *bun.SelectQuery, names []string) (*bun.SelectQuery, error) {
	seen := map[string]bool{} // a column counts where it is named first
	for _, name := range names {
		column, ok := v.orders[strings.TrimPrefix(name, "-")]
		if ok && seen[column] {
			continue
		}
		seen[column] = true
		if !ok {
			return nil, &InputError{Field: "ordering", Messages: []string{fmt.Sprintf("Select a valid choice. %s is not one of the available choices.", name)}}
		}
		if strings.HasPrefix(name, "-") {
			column += " DESC"
		}
		q = q.OrderExpr(column)
	}
	if slices.Contains(names, "pk") || slices.Contains(names, "-pk") {
		return q, nil
	}
	return q.OrderExpr("?TablePKs DESC"), nil
}

// pruned are the names of the fields that a client asks for and does not want; nil means all
// and none.
func (v *view[M]) pruned(query url.Values) (only, without []string) {
	only, without = list(query, "fields"), list(query, "exclude_fields")
	if minimal, _ := readBool(query.Get("minimal")); minimal != true || v.minimal == nil {
		return only, without
	}
	if len(only) == 0 {
		return v.minimal, without
	}
	return append(slices.DeleteFunc(only, func(name string) bool { return !slices.Contains(v.minimal, name) }), ""), without
}

// list reads a parameter that may be repeated, with commas in it.
func list(query url.Values, name string) (out []string) {
	for _, value := range query[name] {
		for part := range strings.SplitSeq(value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

// number reads a page's bound; what is no number, or too small, is the default.
func number(text string, otherwise int64) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n == 0 && otherwise > 0 {
		return otherwise
	}
	return n
}

// parameters are what a list's query may hold.
func (v *view[M]) parameters() []schema.Parameter {
	var out []schema.Parameter
	for _, name := range v.names {
		f := v.filters[name]
		f.enumerate()
		out = append(out, schema.Parameter{Name: name, Value: f.Value, Doc: f.Doc})
	}
	orders := schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.String}}
	for _, name := range slices.Sorted(maps.Keys(v.orders)) {
		orders.Items.Enum = append(orders.Items.Enum, "-"+name, name)
	}
	out = append(out,
		schema.Parameter{Name: "limit", Value: schema.Value{Type: schema.Integer}, Doc: "Number of results to return per page."},
		schema.Parameter{Name: "offset", Value: schema.Value{Type: schema.Integer}, Doc: "The initial index from which to return the results."},
		schema.Parameter{Name: "ordering", Value: orders, Doc: "Ordering"})
	return append(out, pruning()...)
}

package pulp

import (
	"context"
	"regexp"
	"strings"

	"github.com/uptrace/bun"
)

// An expression is what the parameter q of a list holds: filters of the list, joined by NOT, AND
// and OR, which bind in this order, and parentheses.
//
//	q=name__contains=a AND NOT (pulp_label_select="env=prod" OR retain_repo_versions__isnull=true)

// The limits of an expression, so that no one asks for more than the database can bear.
const (
	maxComplexity = 8
	maxExpression = 10_000 // bytes
)

// expressionFilter is the parameter q.
func (v *view[M]) expressionFilter() Filter {
	return Filter{Name: "q", Doc: "Filter results by using NOT, AND and OR operations on other filters", Value: Text(),
		Where: func(ctx context.Context, value string) (Where, error) {
			p := &expressionParser[M]{ctx: ctx, view: v, rest: value}
			w, complexity, err := p.any()
			switch {
			case err != nil:
				return nil, err
			case p.token() != "" || len(value) > maxExpression:
				return nil, Refuse("Syntax error in expression.")
			case complexity > maxComplexity:
				return nil, Refuse("Filter expression exceeds allowed complexity.")
			}
			return w, nil
		}}
}

// An expressionParser reads an expression from left to right.
type expressionParser[M any] struct {
	ctx   context.Context
	view  *view[M]
	rest  string
	depth int
}

var (
	expressionWord = regexp.MustCompile(`^(?:\(|\)|(?:NOT|AND|OR)\b)`)
	expressionAtom = regexp.MustCompile(`^(\w+)=(?:"([^"]*)"|'([^']*)'|([\pL\pN.,_*-]+))`)
)

// token is the word or parenthesis that comes next; for a filter it is "=", at the end "".
func (p *expressionParser[M]) token() string {
	p.rest = strings.TrimLeft(p.rest, " \t\n")
	if p.rest == "" {
		return ""
	}
	if word := expressionWord.FindString(p.rest); word != "" {
		return word
	}
	return "="
}

func (p *expressionParser[M]) take(token string) bool {
	if p.token() != token {
		return false
	}
	p.rest = p.rest[len(token):]
	return true
}

// any reads alternatives.
func (p *expressionParser[M]) any() (Where, int, error) {
	all, complexity, err := p.group("OR", p.all)
	if len(all) < 2 || err != nil {
		return first(all), complexity, err
	}
	return func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
			for _, w := range all {
				q = q.WhereGroup(" OR ", w)
			}
			return q
		})
	}, complexity + 1, nil
}

// all reads what must hold together.
func (p *expressionParser[M]) all() (Where, int, error) {
	all, complexity, err := p.group("AND", p.one)
	if len(all) < 2 || err != nil {
		return first(all), complexity, err
	}
	return func(q *bun.SelectQuery) *bun.SelectQuery {
		for _, w := range all {
			q = w(q)
		}
		return q
	}, complexity + 1, nil
}

func first(all []Where) Where {
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

// group reads members that a word separates.
func (p *expressionParser[M]) group(word string, member func() (Where, int, error)) (all []Where, complexity int, err error) {
	for {
		w, n, err := member()
		if err != nil {
			return nil, 0, err
		}
		all, complexity = append(all, w), complexity+n
		if !p.take(word) {
			return all, complexity, nil
		}
	}
}

// one reads a negation, a group in parentheses or a filter.
func (p *expressionParser[M]) one() (Where, int, error) {
	if p.depth++; p.depth > 100 {
		return nil, 0, Refuse("Filter expression exceeds allowed complexity.")
	}
	defer func() { p.depth-- }()
	switch {
	case p.take("NOT"):
		w, n, err := p.one()
		if err != nil {
			return nil, 0, err
		}
		return p.view.among("NOT IN", w), n + 1, nil
	case p.take("("):
		w, n, err := p.any()
		if err == nil && !p.take(")") {
			err = Refuse("Syntax error in expression.")
		}
		return w, n, err
	}
	return p.filter()
}

func (p *expressionParser[M]) filter() (Where, int, error) {
	m := expressionAtom.FindStringSubmatch(p.rest)
	if m == nil {
		return nil, 0, Refuse("Syntax error in expression.")
	}
	p.rest = p.rest[len(m[0]):]
	f, ok := p.view.filters[m[1]]
	if !ok || m[1] == "q" {
		return nil, 0, Refuse("Filter '%s' does not exist.", m[1])
	}
	w, err := p.view.lookup(p.ctx, f, m[2]+m[3]+m[4])
	if err != nil {
		return nil, 0, err
	}
	return p.view.among("IN", w), 1, nil
}

// among holds for the rows that are, or are not, among those for which w holds: rows for which
// nobody can say are not.
func (v *view[M]) among(in string, w Where) Where {
	return func(q *bun.SelectQuery) *bun.SelectQuery {
		primary := bun.Ident(v.key.primary)
		found := w(v.app.db.Reader().NewSelect().Model((*M)(nil)).ColumnExpr("?TableAlias.?", primary))
		return q.Where("?TableAlias.? "+in+" (?)", primary, found)
	}
}

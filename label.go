package pulp

import (
	"context"
	"regexp"
	"strings"

	"github.com/uptrace/bun"
)

var labelKey = regexp.MustCompile(`^[\w .-]+$`)

// check says what is wrong with labels.
func (l Labels) check() error {
	for key, value := range l {
		if err := checkLabel(key, value); err != nil {
			return err
		}
	}
	return nil
}

func checkLabel(key string, value *string) error {
	if !labelKey.MatchString(key) {
		return sentence("Invalid label name '" + key + "'. Label names may only contain word characters, dashes, spaces and periods.")
	}
	if value != nil && strings.ContainsAny(*value, "()") {
		return sentence("Invalid label value. Label values may not contain parentheses.")
	}
	return nil
}

// A LabelPair is the body and the answer of the action that sets a label.
type LabelPair struct {
	Key   string  `json:"key" validate:"required"`
	Value *string `json:"value" pulp:"blank" validate:"required"`
}

// A LabelName is the body of the action that removes a label.
type LabelName struct {
	Key string `json:"key" validate:"required"`
}

// A labelGone is the answer of the action that removes a label.
type labelGone struct {
	Key   string  `json:"key" validate:"required"`
	Value *string `json:"value" pulp:"readonly"`
}

type labeled interface{ named() *Named }

func setLabel[M any](v *view[M]) Action[M] {
	return Action[M]{Name: "set_label", Summary: "Set a label", bind: bind(func(ctx context.Context, m *M, in LabelPair) (*LabelPair, error) {
		if err := checkLabel(in.Key, in.Value); err != nil {
			return nil, FieldErrors{"key": {err.Error()}}
		}
		return &in, v.relabel(ctx, m, func(l Labels) error {
			l[in.Key] = in.Value
			return nil
		})
	}), code: Created, bodyName: "SetLabel"}
}

func unsetLabel[M any](v *view[M]) Action[M] {
	return Action[M]{Name: "unset_label", Summary: "Unset a label", bind: bind(func(ctx context.Context, m *M, in LabelName) (*labelGone, error) {
		out := &labelGone{Key: in.Key}
		return out, v.relabel(ctx, m, func(l Labels) error {
			value, ok := l[in.Key]
			if !ok {
				return FieldErrors{"key": {"Label '" + in.Key + "' is not set on the object."}}
			}
			out.Value = value
			delete(l, in.Key)
			return nil
		})
	}), code: Created, bodyName: "UnsetLabel"}
}

// relabel changes the labels of a row in one transaction.
func (v *view[M]) relabel(ctx context.Context, m *M, change func(Labels) error) error {
	return v.app.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, err := v.model.First(ctx, tx, func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("?TablePKs = ?", v.primary(m)) })
		if err != nil {
			return err
		}
		n := any(row).(labeled).named()
		if n.Labels == nil {
			n.Labels = Labels{}
		}
		if err := change(n.Labels); err != nil {
			return err
		}
		return v.model.Update(ctx, tx, row, "pulp_labels")
	})
}

// labelFilter selects by labels: terms separated by commas, all of which must hold.
func labelFilter() Filter {
	return Filter{Name: "pulp_label_select", Doc: "Filter labels by search string", Value: Text(),
		Where: func(_ context.Context, value string) (Where, error) {
			var wheres []Where
			terms := splitEscaped(value)
			if len(terms) > maxLabelTerms {
				return nil, Refuse("More than %d terms.", maxLabelTerms)
			}
			for _, term := range terms {
				w, err := labelTerm(strings.TrimSpace(term))
				if err != nil {
					return nil, err
				}
				wheres = append(wheres, w)
			}
			return func(q *bun.SelectQuery) *bun.SelectQuery {
				for _, w := range wheres {
					q = w(q)
				}
				return q
			}, nil
		}}
}

// maxLabelTerms keeps a statement within what SQLite takes.
const maxLabelTerms = 100

// splitEscaped splits at commas that no backslash precedes.
func splitEscaped(s string) []string {
	s = strings.ReplaceAll(s, `\,`, "\x00")
	parts := strings.Split(s, ",")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(p, "\x00", ",")
	}
	return parts
}

var labelTermRE = regexp.MustCompile(`^(!?)([\w .-]+?)\s*(?:(!=|=|~)(.*))?$`)

// hasLabel holds if there is a label of a key whose value fits; json_each sees keys with dots
// and blanks as they are.
const hasLabel = "EXISTS (SELECT 1 FROM json_each(?TableAlias.pulp_labels) AS label WHERE label.key = ?"

func labelTerm(term string) (Where, error) {
	m := labelTermRE.FindStringSubmatch(term)
	if m == nil || m[1] == "!" && m[3] != "" {
		return nil, Refuse("Invalid search term: '%s'.", term)
	}
	key, value := m[2], m[4]
	return func(q *bun.SelectQuery) *bun.SelectQuery {
		switch {
		case m[1] == "!":
			return q.Where("NOT "+hasLabel+")", key)
		case m[3] == "=":
			return q.Where(hasLabel+" AND label.value = ?)", key, value)
		case m[3] == "!=":
			return q.Where(hasLabel+" AND label.value IS NOT ?)", key, value)
		case m[3] == "~":
			like, _ := pattern("%", "%")(value)
			return q.Where(hasLabel+` AND label.value LIKE ? ESCAPE '\')`, key, like)
		}
		return q.Where(hasLabel+")", key)
	}, nil
}

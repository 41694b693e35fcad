package pulp

import (
	"context"
	"encoding/json"
	"slices"
)

// A listOrOne is a list of texts that may be written as one text.
type listOrOne []string

// UnmarshalJSON reads both forms.
func (l *listOrOne) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = listOrOne{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// MarshalJSON writes one text without a list.
func (l listOrOne) MarshalJSON() ([]byte, error) {
	if len(l) == 1 {
		return json.Marshal(l[0])
	}
	return json.Marshal([]string(l))
}

// A policyStatement allows or denies actions to principals under conditions, all of which must hold.
type policyStatement struct {
	Action    []string  `json:"action"`
	Principal listOrOne `json:"principal"`
	Effect    string    `json:"effect"`
	Condition []string  `json:"condition,omitempty"`
}

const (
	principalAny       = "*"
	principalKnown     = "authenticated"
	principalAnonymous = "anonymous"
	principalAdmin     = "admin"

	effectAllow = "allow"
	effectDeny  = "deny"
)

// readStatement reads a statement as clients write it.
func readStatement(in map[string]json.RawMessage) (s policyStatement, err error) {
	lists := map[string]*listOrOne{"action": (*listOrOne)(&s.Action), "principal": &s.Principal, "condition": (*listOrOne)(&s.Condition)}
	for name, raw := range in {
		switch {
		case name == "effect":
			s.Effect = unquoted(raw)
		case lists[name] == nil:
			return s, sentencef("Unknown key '%s': action, principal, effect and condition are known.", name)
		case json.Unmarshal(raw, lists[name]) != nil:
			return s, sentencef("'%s' must be a string or a list of strings.", name)
		}
	}
	return s, s.check()
}

func (s *policyStatement) check() error {
	switch {
	case len(s.Action) == 0:
		return sentence("'action' is required.")
	case len(s.Principal) == 0:
		return sentence("'principal' is required.")
	case s.Effect != effectAllow && s.Effect != effectDeny:
		return sentence("'effect' must be 'allow' or 'deny'.")
	}
	for _, p := range s.Principal {
		if !slices.Contains([]string{principalAny, principalKnown, principalAnonymous, principalAdmin}, p) {
			return sentencef("Unknown principal '%s': authenticated, anonymous, admin and * are known.", p)
		}
	}
	for _, c := range s.Condition {
		if _, err := parseCondition(c); err != nil {
			return err
		}
	}
	return nil
}

// concerns says whether the statement is about an action of a caller.
func (s *policyStatement) concerns(action string, c Caller) bool {
	if !slices.Contains(s.Action, action) && !slices.Contains(s.Action, "*") {
		return false
	}
	known := c.AccountID != nil || c.Username != ""
	return slices.ContainsFunc(s.Principal, func(p string) bool {
		return p == principalAny || p == principalKnown && known || p == principalAnonymous && !known || p == principalAdmin && c.Superuser
	})
}

// A question is whether a caller may call an operation.
type question struct {
	*access
	op      *Operation
	vars    map[string]string
	body    *Input // nil before it has been read
	subject subject
	above   foundObject // below which the path leads
	waits   bool        // a condition is about the body, which has not been read
}

// allowed says whether some statement allows what is asked, and none denies it.
func (q *question) allowed(ctx context.Context, p *policy) (bool, error) {
	for _, effect := range []string{effectAllow, effectDeny} {
		found := false
		for _, s := range p.statements {
			if s.Effect != effect || !s.concerns(q.op.action, q.caller) || found {
				continue
			}
			var err error
			if found, err = q.hold(ctx, s.Condition); err != nil {
				return false, err
			}
		}
		if found != (effect == effectAllow) {
			return false, nil
		}
	}
	return true, nil
}

// hold says whether all conditions hold.
func (q *question) hold(ctx context.Context, conditions []string) (bool, error) {
	for _, text := range conditions {
		c, err := parseCondition(text)
		if err != nil {
			return false, err
		}
		if ok, err := c.holds(ctx, q); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

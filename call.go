package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Call does from Go what a request to the API does, without HTTP: it creates repositories,
// starts syncs, lists distributions. method and path are the request's; path is an href, or
// relative to the API's root ("tasks/?state=running"). body is what encoding/json makes
// the request's body of, nil for none; what comes back is decoded into answer, unless that is nil.
//
// Where a client gets 202, the answer is {"task": href}, and a Call with GET on that href tells
// how the task is. A page of a list has no links to its neighbours. Files cannot be sent.
//
// Nobody is asked for a password: Call acts on behalf of ctx's [Caller]. Its errors are those of
// the operation: [FieldErrors] and [InputError] for a body that is refused, ErrNotFound for an
// object or a path that is not there. Inside [App.Tx], calls that write return ErrNestedTx.
func (a *App) Call(ctx context.Context, method, path string, body, answer any) error {
	ctx = a.With(ctx)
	if err := a.call(ctx, method, path, body, answer); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

func (a *App) call(ctx context.Context, method, path string, body, answer any) error {
	if a.closed.Load() {
		return ErrClosed
	}
	u, err := url.Parse(path)
	if err != nil {
		return Refuse("%q is no path: %s", path, err)
	}
	op, vars := a.route(method, strings.TrimPrefix(strings.TrimPrefix(u.Path, prefixOf(ctx)), a.APIPath()))
	if op == nil {
		return fmt.Errorf("there is no such operation: %w", ErrNotFound)
	}
	r := &Request{Vars: vars, Query: u.Query(), Body: Input{Fields: map[string]json.RawMessage{}}}
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &r.Body.Fields); err != nil {
			return Refuse("the body must be an object: %s", err)
		}
	}
	out, err := op.Do(ctx, r)
	if err != nil || answer == nil {
		return err
	}
	return out.decode(answer)
}

// decode reads the answer's JSON into v.
func (w *Answer) decode(v any) error {
	text := w.Body
	if w.Page != nil {
		var err error
		if text, err = json.Marshal(map[string]any{"count": w.Page.Count, "results": w.Page.Results}); err != nil {
			return err
		}
	}
	if len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, v)
}

// route finds the operation for a path below the API's root. Where a path fits two patterns, the
// one with words in the place of variables wins.
func (a *App) route(method, path string) (op *Operation, vars map[string]string) {
	parts := strings.Split(path, "/")
	for i := range a.operations {
		o := &a.operations[i]
		if o.Method != method {
			continue
		}
		if found, ok := matchPattern(strings.Split(o.Path, "/"), parts); ok && (op == nil || len(found) < len(vars)) {
			op, vars = o, found
		}
	}
	return op, vars
}

// matchPattern compares the segments of a path with a pattern's; "{name}" stands for any one.
func matchPattern(pattern, parts []string) (vars map[string]string, ok bool) {
	vars = map[string]string{}
	return vars, slices.EqualFunc(pattern, parts, func(p, s string) bool {
		name, variable := strings.CutPrefix(p, "{")
		if !variable {
			return p == s
		}
		vars[strings.TrimSuffix(name, "}")] = s
		return s != ""
	})
}

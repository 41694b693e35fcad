package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// An Action is a further verb on an object: POST <object>/<name>/. [Do] makes one.
type Action[M any] struct {
	// Name is the last part of its path, and of its operation id.
	Name string
	// Summary says what it does. Empty makes one of the name.
	Summary string

	bind     func(v *view[M], act Action[M]) (in, out reflect.Type, call caller)
	code     AnswerKind // of an answer that is no task; zero means OK
	bodyName string     // the name of the body in the API's description
}

// caller does an action on the object that the request's path names.
type caller func(ctx context.Context, r *Request) (*Answer, error)

// Do makes an action of a function. In is a struct whose tags describe the body as those of a
// model do (see [Serializer]); struct{} means that there is none. What f returns is the
// answer, in the same way: secrets and write-only fields stay here, and a *M looks as it does
// when it is read. For a *[Ticket] it is 202 with the task's href. The caller needs
// the permission "<app>.<name>_<model>" beside view (see [ByRole]), and [ViewSet.Allow] is asked for
// Update. f runs outside any transaction: it opens [App.Tx] around
// what it writes and dispatches.
func Do[M, In, Out any](name string, f func(ctx context.Context, m *M, in In) (Out, error)) Action[M] {
	return Action[M]{Name: name, bind: bind(f)}
}

// ticketed is a Ticket of any result.
type ticketed interface{ TaskID() ID }

func bind[M, In, Out any](f func(ctx context.Context, m *M, in In) (Out, error)) func(*view[M], Action[M]) (reflect.Type, reflect.Type, caller) {
	return func(v *view[M], act Action[M]) (reflect.Type, reflect.Type, caller) {
		inType, outType := reflect.TypeFor[In](), reflect.TypeFor[Out]()
		if outType.Kind() == reflect.Pointer {
			outType = outType.Elem()
		}
		p, err := planOf(inType)
		return inType, outType, func(ctx context.Context, r *Request) (*Answer, error) {
			if err != nil {
				return nil, err
			}
			db := v.app.db.Reader()
			m, err := v.one(ctx, db, r.Vars)
			if err != nil {
				return nil, err
			}
			if err := v.allow(ctx, Update, m); err != nil {
				return nil, err
			}
			var in In
			if err := v.app.decoder(ctx, db).decode(p, r.Body.Fields, reflect.ValueOf(&in).Elem(), creating); err != nil {
				return nil, err
			}
			out, err := f(ctx, m, in)
			if err != nil {
				return nil, err
			}
			return v.respond(ctx, out, act.code, r)
		}
	}
}

// respond makes the answer of an action.
func (v *view[M]) respond(ctx context.Context, out any, code AnswerKind, r *Request) (*Answer, error) {
	if code == 0 {
		code = OK
	}
	db := v.app.db.Reader()
	switch o := out.(type) {
	case ticketed:
		return v.app.accepted(ctx, o.TaskID()), nil
	case *Answer:
		return o, nil
	case *M:
		return v.answer(ctx, db, code, o, r)
	}
	value := reflect.Indirect(reflect.ValueOf(out))
	if value.Kind() != reflect.Struct {
		body, err := appendAny(nil, out)
		return &Answer{Kind: code, Body: body}, err
	}
	p, err := planOf(value.Type())
	if err != nil {
		return nil, err
	}
	body, err := v.app.object(ctx, db, p, value)
	return &Answer{Kind: code, Body: body}, err
}

// accepted is the answer that names a task.
func (a *App) accepted(ctx context.Context, id ID) *Answer {
	b := appendString([]byte(`{"task":`), a.href(ctx, a.kinds[taskKind].ends[0], id.String(), nil))
	return &Answer{Kind: Accepted, Body: append(b, '}')}
}

// operation is the action as the HTTP layer sees it.
func (act Action[M]) operation(v *view[M], owner Plugin) (Operation, error) {
	if act.bind == nil || !goodAction.MatchString(act.Name) {
		return Operation{}, fmt.Errorf("action %q: make it with Do, with a name of lower-case letters, digits and _", act.Name)
	}
	in, out, call := act.bind(v, act)
	p, err := planOf(in)
	if err == nil {
		err = p.check(v.app.valid)
	}
	if err != nil {
		return Operation{}, fmt.Errorf("action %q: %w", act.Name, err)
	}
	o := Operation{Method: "POST", Summary: act.Summary, Do: call, Codes: []AnswerKind{OK}}
	if o.Summary == "" {
		o.Summary = title(act.Name)
	}
	if act.code != 0 {
		o.Codes = []AnswerKind{act.code}
	}
	v.app.later = append(v.app.later, func() error { return p.checkRefs(v.app.registry) })
	if len(p.fields) > 0 {
		o.Body = p.object(act.schemaName(v, owner, in))
	}
	switch {
	case reflect.PointerTo(out).Implements(reflect.TypeFor[ticketed]()) || out == reflect.TypeFor[Answer]():
		o.Codes = []AnswerKind{Accepted}
	case out == reflect.TypeFor[M]():
		o.Answer = v.codec.object(v.schemaName(owner))
	case out.Kind() == reflect.Struct:
		answer, err := planOf(out)
		if err != nil {
			return Operation{}, fmt.Errorf("action %q: %w", act.Name, err)
		}
		v.app.later = append(v.app.later, func() error { return answer.checkRefs(v.app.registry) })
		o.Answer = answer.object(act.schemaName(v, owner, out))
	}
	return v.operation(owner, act.Name, act.Name+"/", true, o), nil
}

// schemaName is the name of a body or an answer in the API's description: "shop.ProbeArgs".
func (act Action[M]) schemaName(v *view[M], owner Plugin, t reflect.Type) string {
	switch {
	case act.bodyName != "":
		return act.bodyName
	case t.Name() == "" || v.kind != "":
		return structName(t)
	}
	app, _, _ := strings.Cut(v.prn(owner), ".")
	return app + "." + structName(t)
}

var goodAction = regexp.MustCompile(`^[a-z0-9_]+$`)

// decoder reads bodies; references are looked up in db.
func (a *App) decoder(ctx context.Context, db bun.IDB) *decoder {
	return &decoder{valid: a.valid, seal: a.sealText, lookup: func(kind, href string) (int64, error) {
		return a.find(ctx, db, kind, href)
	}}
}

func (a *App) sealText(s string) Secret { return Secret(a.box.SealString(s)) }

// Reveal opens a secret. It fails if the key in the data directory is not the one that sealed it.
func (a *App) Reveal(s Secret) (string, error) {
	if s == "" {
		return "", nil
	}
	return a.box.UnsealString(string(s))
}

// readBody reads the fields of a body into a struct that is no model.
// without names fields of the struct that this body does not have.
func readBody[T any](ctx context.Context, a *App, fields map[string]json.RawMessage, without ...string) (*T, error) {
	return readFields[T](ctx, a, fields, creating, without...)
}

func readFields[T any](ctx context.Context, a *App, fields map[string]json.RawMessage, how writing, without ...string) (*T, error) {
	p, err := planOf(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	p.drop(without...)
	in := new(T)
	return in, a.decoder(ctx, a.db.Reader()).decode(p, fields, reflect.ValueOf(in).Elem(), how)
}

// objectOf describes a struct type that is no model.
func objectOf[T any](name string) *schema.Object {
	p, err := planOf(reflect.TypeFor[T]())
	if err != nil {
		return &schema.Object{Name: name}
	}
	return p.object(name)
}

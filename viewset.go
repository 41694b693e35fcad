package pulp

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// An Op is something that a [ViewSet] offers on its model; they are combined with |.
type Op uint8

// The operations that need no code.
const (
	List   Op = 1 << iota // GET on the collection
	Read                  // GET on an object
	Create                // POST on the collection
	Update                // PUT and PATCH on an object
	Delete                // DELETE on an object

	ReadOnly = List | Read
	CRUD     = List | Read | Create | Update | Delete
)

// A ViewSet is what the API offers on a model. It is a declaration: name it in
// [Plugin.Parts] or [Config.Parts], and lists with filters, ordering and paging, reading,
// validated writing, tasks, actions and their description in the API's document are there.
type ViewSet[M any] struct {
	// Path is where the collection lies below the API's root: "shop/orders".
	Path string
	// Name is the singular that people read: "order". Names in the API's description and in PRNs
	// are made of it, so that no two view sets of a plugin have the same. Empty makes it from M's
	// name.
	Name string
	// Serializer is the outer face of M. The zero value takes it from M's tags.
	Serializer Serializer[M]
	// Ops are what is offered. Zero means all: CRUD.
	Ops Op
	// Async are those of Create, Update and Delete that a task does: the answer is 202 and
	// names the task. Zero means none.
	Async Op
	// Filters are beyond those that the tags of M ask for.
	Filters []Filter
	// Actions are further verbs on an object.
	Actions []Action[M]
	// Access says who may call its operations at all. Zero means ByRole.
	Access Access
	// Scope narrows what callers see beyond Access. Nil means that it does not.
	Scope Where
	// Allow decides whether the caller of ctx may do op on m; m is nil for List and Create. It
	// returns ErrDenied if not, or ErrNotFound to hide that there is one. It is asked after Access
	// has let the caller in. Nil allows all.
	Allow func(ctx context.Context, op Op, m *M) error
	// Reserve names what the task of an Async op needs: old is nil on create, new on delete.
	// Nil means the object itself, exclusively, and nothing on create.
	Reserve func(op Op, old, new *M) []Reservation
	// Save writes what belongs to a row that was just inserted (old is nil) or updated. It runs
	// in the same transaction; an error undoes both. Nil means nothing.
	Save func(ctx context.Context, tx bun.Tx, old, new *M) error
	// Remove is called before a row is deleted, in the same transaction. Nil means nothing.
	Remove func(ctx context.Context, tx bun.Tx, m *M) error

	// kind and typ ("<plugin>.<type>") are those of M; empty for a host's model.
	kind, typ string
	// upgrade are the steps of its rows.
	upgrade []Upgrade
	// decl is the declaration of the type.
	decl Part
	// class is the name in the API's description: "AcmeRepository".
	class string
	// parent is the path of the collection that this one is nested in, and under the type of
	// its objects: for versions.
	parent, under string
	// master says that the collection is that of all types of a kind.
	master bool
	// labels says that objects have labels.
	labels bool
	// without are fields of M that this type does not have.
	without []string
	// defaults are those of text fields, in the place of what tags say.
	defaults map[string]string
	// sorts are further orders of lists: name → SQL.
	sorts map[string]string
	// minimal are the fields that ?minimal=true leaves; nil for no such thing.
	minimal []string
	// slowDelete says that Delete may take long: it waits for a worker.
	slowDelete bool
	// removal dispatches the task that deletes; nil means the general one.
	removal func(ctx context.Context, m *M) (id ID, err error)
	// extra are operations that no other declaration says.
	extra func(v *view[M], owner Plugin) []Operation
	// rules are who may do what; nil for what CRUD and actions usually ask for. needs are further
	// conditions of an action.
	rules func(g *guard) []rule
	needs func() map[string][]string
	// creates says that an extra operation creates objects. roleless says that no roles are on them.
	creates, roleless bool
	// prepare changes the body of a request to create (old is nil) or update, outside any
	// transaction.
	prepare func(ctx context.Context, old *M, in map[string]json.RawMessage) error
	// nest says below which objects the collection lies; nil for none.
	nest *nesting
	// app is the first part of PRNs, if it is not the plugin's name.
	app string
}

// A nesting is where a collection lies whose objects lie below those of another collection.
type nesting struct {
	parent string // the path of the collection above
	column string // that names the parent of a row
	above  string // what clients call the href of the parent, and of an object
	own    string
}

// A view is a ViewSet made ready for one App.
type view[M any] struct {
	ViewSet[M]
	app     *App
	model   *Model[M]
	codec   codec[M]
	end     *endpoint
	filters map[string]Filter
	names   []string // of the filters, in order
	seeks   []string // those of the filters that an index serves
	orders  map[string]string
	plan    *plan
	key     tableKey
	guard   *guard
}

// operations are the ViewSet's, as the HTTP layer sees them.
func (v *view[M]) operations(owner Plugin) ([]Operation, error) {
	object := v.codec.object(v.schemaName(owner))
	var out []Operation
	add := func(op Op, method, verb, summary string, detail bool, o Operation) {
		if v.Ops&op == 0 {
			return
		}
		o.Method, o.Summary = method, summary
		out = append(out, v.operation(owner, verb, "", detail, o))
	}
	name := article(v.Name)
	add(List, "GET", "list", "List "+v.Name+"s", false, Operation{Answer: object, Many: true, Query: v.parameters(), Codes: []AnswerKind{OK}, Do: v.list})
	add(Create, "POST", "create", "Create "+name, false, Operation{Answer: object, Body: object, Codes: v.codes(Create, Created), Do: v.create})
	add(Read, "GET", "read", "Inspect "+name, true, Operation{Answer: v.codec.detailed(object.Name), Query: pruning(), Codes: []AnswerKind{OK}, Do: v.read})
	add(Update, "PUT", "update", "Update "+name, true, Operation{Answer: object, Body: object, Codes: v.codes(Update, OK), Do: v.update(replacing)})
	add(Update, "PATCH", "partial_update", "Update "+name, true, Operation{Answer: object, Body: object, Codes: v.codes(Update, OK), Do: v.update(patching)})
	add(Delete, "DELETE", "delete", "Delete "+name, true, Operation{Codes: v.codes(Delete, NoContent), Do: v.destroy})
	if v.labels && !v.master {
		v.Actions = slices.Concat(v.Actions, []Action[M]{setLabel(v), unsetLabel(v)})
	}
	var errs []error
	for _, act := range v.Actions {
		o, err := act.operation(v, owner)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, o)
	}
	if v.extra != nil {
		out = append(out, v.extra(v, owner)...)
	}
	if v.guard.owned {
		out = append(out, v.roleOperations(owner)...)
	}
	return out, errors.Join(errs...)
}

func (v *view[M]) codes(op Op, direct AnswerKind) []AnswerKind {
	switch {
	case v.Async&op == 0:
		return []AnswerKind{direct}
	case op == Update:
		return []AnswerKind{Accepted, OK}
	}
	return []AnswerKind{Accepted}
}

// operation fills in what follows from the path.
func (v *view[M]) operation(owner Plugin, verb, suffix string, detail bool, o Operation) Operation {
	collection := v.Path
	key := "{pk}/"
	if v.parent != "" {
		key = "{number}/"
	}
	o.ID = operationID(v.Path) + "_" + verb
	o.Tag = tagOf(v.Path)
	o.guard, o.action = v.guard, actionOf(verb)
	param := v.hrefParameter(owner)
	if detail {
		o.find = v.find
	}
	if above, _, nested := strings.Cut(collection, "/{}/"); nested {
		o.parent = v.app.byPath[above]
	}
	switch {
	case v.nest != nil:
		key, param = "{nested_pk}/", v.nest.own
		o.Path, o.Href = strings.Replace(collection, "{}", "{pk}", 1)+"/", "{"+v.nest.above+"}"+collection[strings.Index(collection, "{}/")+3:]+"/"
	case v.parent != "":
		o.Path, o.Href = strings.Replace(collection, "{}", "{pk}", 1)+"/", "{"+strings.TrimSuffix(param, "version_href")+"href}"+collection[strings.Index(collection, "{}/")+3:]+"/"
	default:
		o.Path, o.Href = collection+"/", ""
	}
	if detail {
		o.Path += key
		o.Href = "{" + param + "}"
	}
	o.Path += suffix
	if o.Href != "" {
		o.Href += suffix
	}
	return o
}

// actionOf is the name of a verb in access policies.
func actionOf(verb string) string {
	switch verb {
	case "read":
		return "retrieve"
	case "delete":
		return "destroy"
	}
	return verb
}

// pruning are the parameters of every reading operation.
func pruning() []schema.Parameter {
	names := schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.String}}
	return []schema.Parameter{
		{Name: "fields", Value: names, Doc: "A list of fields to include in the response."},
		{Name: "exclude_fields", Value: names, Doc: "A list of fields to exclude from the response."},
	}
}

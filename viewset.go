package pulp

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"

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
	// Name is the singular that people read: "order". Empty makes it from M's name.
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
	// Scope narrows what callers see. Nil means that they see everything.
	Scope Where
	// Allow decides whether the caller of ctx may do op on m; m is nil for List and Create. It
	// returns ErrDenied if not, or ErrNotFound to hide that there is one. Nil allows all.
	Allow func(ctx context.Context, op Op, m *M) error
	// Reserve names what the task of an Async op needs: old is nil on create, new on delete.
	// Nil means the object itself, exclusively, and nothing on create.
	Reserve func(op Op, old, new *M) []Reservation
	// Save writes what belongs to a row that was just inserted (old is nil) or updated. It runs
	// in the same transaction; an error undoes both. Nil means nothing.
	Save func(ctx context.Context, tx bun.Tx, old, new *M) error
	// Remove is called before a row is deleted, in the same transaction. Nil means nothing.
	Remove func(ctx context.Context, tx bun.Tx, m *M) error

	kind       string // the kind that M belongs to; empty for a host's model
	typ        string // the type in it: "<plugin>.<type>"
	class      string // the name in the API's description: "AcmeRepository"
	parent     string // the path of the collection that this one is nested in, for versions
	slowDelete bool   // Delete may take long: it waits for a worker
	// removal dispatches the task that deletes; nil means the general one.
	removal func(ctx context.Context, m *M) (id ID, err error)
	labels  bool
	master  bool                                       // the collection of all types of a kind
	under   string                                     // for versions: the type of their repositories
	decl    Part                                       // the declaration of the type
	extra   func(v *view[M], owner Plugin) []Operation // what no other declaration says
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
	orders  map[string]string
	key     string // the column of the key in a path
}

func (s *ViewSet[M]) declare(r *registry, owner Plugin) error {
	v := &view[M]{ViewSet: *s, app: r.app, model: NewModel[M]()}
	if v.Ops == 0 {
		v.Ops = CRUD
	}
	p, err := planOf(reflect.TypeFor[M]())
	if err != nil {
		return err
	}
	if err := checkPath(v.Path); err != nil {
		return fmt.Errorf("view set %s: %w", typeName[M](), err)
	}
	if v.class == "" {
		v.class = typeName[M]()
	}
	if v.Name == "" {
		v.Name = words(v.class)
	}
	if v.end, err = r.place(v.placement(owner), reflect.TypeFor[M]()); err != nil {
		return err
	}
	r.declared[v.end] = v.decl
	v.codec = codec[M]{Serializer: v.Serializer, app: r.app, plan: p, end: v.end}
	if err := v.declareFilters(r, p); err != nil {
		return err
	}
	r.views[v.Path] = v
	r.operations = append(r.operations, v.operations(owner)...)
	return nil
}

// placement says where M's objects are in the API.
func (v *view[M]) placement(owner Plugin) placement {
	p := placement{kind: v.kind, typ: v.typ, path: v.Path, prn: v.prn(owner), master: v.master, under: v.under}
	if v.kind == versionKind {
		p.prn = "core.repositoryversion"
	}
	_, p.named = any((*M)(nil)).(record)
	return p
}

func checkPath(path string) error {
	if path == "" || strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/") {
		return errors.New("the path must be like \"shop/orders\", without slashes at the ends")
	}
	return nil
}

// prn is the label of a model in resource names: "acme.acmerepository", "shop.order".
func (v *view[M]) prn(owner Plugin) string {
	app := owner.Name
	if app == "" {
		app, _, _ = strings.Cut(v.Path, "/")
	}
	return app + "." + strings.ToLower(v.class)
}

// operations are the ViewSet's, as the HTTP layer sees them.
func (v *view[M]) operations(owner Plugin) []Operation {
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
	add(Read, "GET", "read", "Inspect "+name, true, Operation{Answer: object, Query: pruning(), Codes: []AnswerKind{OK}, Do: v.read})
	add(Update, "PUT", "update", "Update "+name, true, Operation{Answer: object, Body: object, Codes: v.codes(Update, OK), Do: v.update(replacing)})
	add(Update, "PATCH", "partial_update", "Update "+name, true, Operation{Answer: object, Body: object, Codes: v.codes(Update, OK), Do: v.update(patching)})
	add(Delete, "DELETE", "delete", "Delete "+name, true, Operation{Codes: v.codes(Delete, NoContent), Do: v.destroy})
	if v.labels {
		v.Actions = append(v.Actions, setLabel[M](v), unsetLabel[M](v))
	}
	for _, act := range v.Actions {
		out = append(out, act.operation(v, owner))
	}
	if v.extra != nil {
		out = append(out, v.extra(v, owner)...)
	}
	return out
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
	param := v.hrefParameter(owner)
	switch {
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

// hrefParameter is the name that clients know for an object's href in the API's description.
func (v *view[M]) hrefParameter(owner Plugin) string {
	name := snake(v.class) + "_href"
	if owner.Name != "core" {
		name, _, _ = strings.Cut(v.prn(owner), ".")
		name += "_" + snake(v.class) + "_href"
	}
	return name
}

func (v *view[M]) schemaName(owner Plugin) string {
	if owner.Name == "core" || v.parent != "" {
		return v.class
	}
	app, _, _ := strings.Cut(v.prn(owner), ".")
	return app + "." + v.class
}

func operationID(path string) string {
	path = strings.ReplaceAll(path, "{}/", "")
	return strings.NewReplacer("/", "_", "-", "_").Replace(path)
}

// tagOf groups operations: "Repositories: File", "Tasks".
func tagOf(path string) string {
	parts := strings.Split(path, "/")
	tag := title(parts[0])
	if len(parts) > 1 {
		tag += ": " + title(parts[1])
	}
	if strings.Contains(path, "{}") {
		tag += " " + title(parts[len(parts)-1])
	}
	return tag
}

func title(s string) string {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '_' || r == '-' })
	for i, p := range parts {
		parts[i] = strings.ToUpper(p[:1]) + p[1:]
	}
	return strings.Join(parts, " ")
}

// snake splits before each capital: "RBACGuard" → "r_b_a_c_guard".
func snake(s string) string { return strings.ReplaceAll(words(s), " ", "_") }

func words(s string) string {
	var b strings.Builder
	for i, r := range s {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// pruning are the parameters of every reading operation.
func pruning() []schema.Parameter {
	names := schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.String}}
	return []schema.Parameter{
		{Name: "fields", Value: names, Doc: "A list of fields to include in the response."},
		{Name: "exclude_fields", Value: names, Doc: "A list of fields to exclude from the response."},
	}
}

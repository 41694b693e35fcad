package pulp

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/uptrace/bun"
	bunschema "github.com/uptrace/bun/schema"
)

// A tableKey is how the rows of a model are named outside: by their PulpID if they have one,
// else by their primary key.
type tableKey struct {
	table   string
	primary string       // the column of the primary key
	column  string       // the column of the key in hrefs
	typ     reflect.Type // of that key
	named   bool         // the key is a PulpID
	domain  bool         // rows belong to a domain
	integer bool         // the primary key is an int64, by which tasks and other rows name the row
}

// keyOf finds the key of a model, which must be a bun struct with one primary key.
func keyOf(db *bun.DB, t reflect.Type) (k tableKey, err error) {
	if t.Kind() != reflect.Struct {
		return k, fmt.Errorf("%s is no struct", t)
	}
	table, err := tableOf(db, t)
	if err != nil {
		return k, err
	}
	if len(table.PKs) != 1 {
		return k, fmt.Errorf(`needs one primary key, has %d: tag a field bun:",pk"`, len(table.PKs))
	}
	pk := table.PKs[0]
	k = tableKey{table: table.Name, primary: pk.Name, column: pk.Name, typ: pk.StructField.Type}
	k.integer, k.domain = k.typ.Kind() == reflect.Int64, table.FieldMap["domain_id"] != nil
	if reflect.PointerTo(t).Implements(reflect.TypeFor[record]()) {
		k.column, k.typ, k.named = "pulp_id", idType, true
	}
	return k, k.check()
}

// tableOf is what bun knows of a struct. bun panics where it cannot read one.
func tableOf(db *bun.DB, t reflect.Type) (table *bunschema.Table, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
		}
	}()
	return db.Dialect().Tables().Get(t), nil
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

func (k tableKey) check() error {
	switch {
	case reflect.PointerTo(k.typ).Implements(textUnmarshaler):
		return nil
	case k.typ.Kind() == reflect.String || k.typ.Kind() == reflect.Int64 || k.typ.Kind() == reflect.Int:
		return nil
	}
	return fmt.Errorf("the primary key is a %s; an integer, a string or an encoding.TextUnmarshaler is needed", k.typ)
}

var errKey = errors.New("this is no key")

// parse reads a key from a path as the database knows it.
func (k tableKey) parse(text string) (any, error) {
	if reflect.PointerTo(k.typ).Implements(textUnmarshaler) {
		v := reflect.New(k.typ)
		err := v.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
		return v.Elem().Interface(), err
	}
	if k.typ.Kind() == reflect.String {
		if strings.ContainsRune(text, 0) {
			return nil, errKey
		}
		return text, nil
	}
	return parseNumber(text)
}

// parseNumber reads a number from a path. "+1" and "01" are no names of 1.
func parseNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return 0, errKey
	}
	return n, nil
}

// keyString is a key as it stands in a path.
func keyString(key any) string {
	if t, ok := key.(encoding.TextMarshaler); ok {
		if b, err := t.MarshalText(); err == nil {
			return string(b)
		}
	}
	return fmt.Sprint(key)
}

// addressable says whether a path can end in a key.
func addressable(key string) bool {
	return key != "" && key != "." && key != ".." && !strings.Contains(key, "/")
}

// hostPrefix begins the names of the kinds of host's models, which no kind of the core has.
const hostPrefix = "/"

// hostKind is the kind that a host's view set at a path makes.
func hostKind(path string, k tableKey) *kind {
	return &kind{name: hostPrefix + path, key: k, ends: map[int64]*endpoint{},
		links: fmt.Sprintf(`SELECT "%s", 0, "%s", NULL FROM "%s" WHERE "%s" IN (SELECT value FROM json_each(?))`, k.primary, k.column, k.table, k.primary)}
}

// coreKey is the key of a table of the core.
func coreKey(table string) tableKey {
	return tableKey{table: table, primary: "id", column: "pulp_id", typ: idType, named: true, integer: true}
}

// kind finds a kind by the word after ref= in a tag: a kind of the core, or the path of a host's
// view set. It returns nil if there is none.
func (r *registry) kind(name string) *kind {
	if k := r.kinds[name]; k != nil {
		return k
	}
	return r.kinds[hostPrefix+name]
}

// number is the primary key of a model whose writes are tasks; declare saw that it is one.
func (v *view[M]) number(m *M) int64 {
	return reflect.ValueOf(v.primary(m)).Int()
}

func (v *view[M]) primary(m *M) any { return v.app.primaryKey(m) }

// primaryKey is the value of the primary key of a bun struct.
func (a *App) primaryKey(m any) any {
	t := a.db.Reader().Dialect().Tables().Get(reflect.TypeOf(m).Elem())
	return t.PKs[0].Value(reflect.ValueOf(m).Elem()).Interface()
}

// changed are the columns in which two rows of a table differ; none if the model changes itself
// when it is written, so that all have to be.
func (a *App) changed(old, m any) (columns []string) {
	if _, hooked := m.(bun.BeforeAppendModelHook); hooked {
		return nil
	}
	x, y := reflect.ValueOf(old).Elem(), reflect.ValueOf(m).Elem()
	for _, f := range a.db.Reader().Dialect().Tables().Get(x.Type()).DataFields {
		if !reflect.DeepEqual(f.Value(x).Interface(), f.Value(y).Interface()) {
			columns = append(columns, f.Name)
		}
	}
	return columns
}

package pulp

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/uptrace/bun"
)

// Content is a unit of content: what a plugin says of it (Detail), and files. It never
// changes, except for its labels, and belongs to any number of repositories.
type Content[D any] struct {
	bun.BaseModel `bun:"table:content,alias:c"`
	Master
	Labels  Labels `bun:"pulp_labels,type:json" json:"pulp_labels" doc:"A dictionary of arbitrary key/value pairs used to describe a specific Content instance."`
	Key     []byte `bun:"key" json:"-"`
	Slot    []byte `bun:"slot" json:"-"`
	Touched Time   `bun:"touched" json:"-"`
	Detail  D      `bun:"detail,type:json" json:"-"`
}

func (c *Content[D]) named() *Named { return &Named{Labels: c.Labels} }

// A ContentType declares a type of content whose own fields are D. The fields of D tagged key
// are its natural key: there is never a second unit with the same values. Those tagged slot are
// what a repository version holds one of: adding a unit removes the one that has the same
// values.
type ContentType[D any] struct {
	// Name is the type's short name, usually the plugin's. It is stored.
	Name string
	// Path is the last part of the collection's path: "packages". Empty means Name.
	Path string
	// Class is the name in the API's description. Empty makes "<Plugin><Name>Content".
	Class string
	// FromFile fills in what only the file tells, when a client creates a unit by uploading one.
	// Nil means that the type cannot be created by clients.
	FromFile func(ctx context.Context, d *D, f *Incoming) error
	// Validate looks at what a client wrote before a task is dispatched. Nil means nothing more
	// than the tags say.
	Validate func(d *D) error
	// FilePath is where the only file of a unit lies, relative to its repository. Nil means that a
	// unit's files name their own paths, as in [Remotely]. With it clients read the digests of the file, as far as they
	// are known: one that is a field of D ("sha256"), of any unit, the others of units whose file is here. What a
	// client writes into such a field, the file must have.
	FilePath func(d *D) string
	// Beside makes units that come into the repository with one that a client creates, after
	// FromFile has filled it in; it may clear fields that only it needs. Nil means none.
	Beside func(d *D) []*Unit
	// Ranks are fields whose values lists can be filtered by what is before and behind a value. Nil means none.
	Ranks []Rank
	// Reclaimable says that the files of a unit may be thrown away to gain space while a remote
	// has them: they are fetched again when a client asks.
	Reclaimable bool
	// Upgrade are the steps that units which older releases wrote have to take; their keys and slots are made
	// anew then. Nil means that there are none.
	Upgrade []Upgrade
}

// A contentFace is a type of content as the core sees it, without its Go type.
type contentFace struct {
	typ    int64
	label  string
	decl   Part
	plan   *plan
	single bool // one file, whose path is the only slot field

	reclaimable bool
	identity    func(detail []byte) (key, slot [16]byte, err error)
}

func (t *ContentType[D]) declaration() declaration {
	return declaration{kind: contentKind, word: "Content", plural: "content", name: t.Name, class: t.Class, segment: t.Path}
}

// contentSorts are orders by what clients do not see. No unit is known by an id of another server.
var contentSorts = map[string]string{"timestamp_of_interest": "?TableAlias.touched", "upstream_id": "0 + 0"}

func (t *ContentType[D]) declare(r *registry, owner Plugin) error {
	d := t.declaration()
	p, bad := planOf(reflect.TypeFor[D]())
	vs := &ViewSet[Content[D]]{
		Path: d.path(owner), Name: words(title(owner.Name)) + " content", class: d.className(owner), kind: contentKind, typ: d.label(owner), decl: t, upgrade: t.Upgrade,
		Ops: List | Read, labels: true, roleless: true, rules: func(g *guard) []rule { return t.rules(r, owner) },
		Serializer: Serializer[Content[D]]{Computed: fileFields[D](t.FilePath != nil, p)},
		Filters:    contentFilters(), sorts: contentSorts,
	}
	for _, rank := range t.Ranks {
		filters, err := rank.filters(p)
		if err != nil {
			return fmt.Errorf("content type %q: %w", t.Name, err)
		}
		vs.Filters = append(vs.Filters, filters...)
	}
	if t.FromFile != nil {
		vs.extra = func(v *view[Content[D]], owner Plugin) []Operation { return v.createContentOperations(owner, t) }
	}
	if err := cmp.Or(vs.declare(r, owner), bad); err != nil {
		return err
	}
	face := &contentFace{typ: r.types[typeKey{contentKind, d.label(owner)}], label: d.label(owner), decl: t, plan: p, reclaimable: t.Reclaimable}
	face.identity = func(detail []byte) (key, slot [16]byte, err error) { return identityOf[D](face, detail) }
	var keys, slots []*field
	for _, f := range p.fields {
		if f.key {
			keys = append(keys, f)
		}
		if f.slot {
			slots = append(slots, f)
		}
	}
	if len(keys) == 0 {
		return fmt.Errorf("content type %q: no field is tagged key", t.Name)
	}
	face.single = len(slots) == 1 && t.pathIs(slots[0])
	r.contents[face.typ] = face
	r.indexFilters(contentKind, face.typ, p)
	return nil
}

// pathIs says whether a unit's file lies where a field says: of one sample, since only the plugin knows.
func (t *ContentType[D]) pathIs(f *field) (is bool) {
	if t.FilePath == nil || f.typ.Kind() != reflect.String || f.pointer {
		return false
	}
	defer func() { is = recover() == nil && is }() // it may need what no unit is without
	var d D
	const sample = "some/path~of.a-file"
	reflect.ValueOf(&d).Elem().FieldByIndex(f.index).SetString(sample)
	return t.FilePath(&d) == sample
}

// A Unit is a unit of content that a sync, an upload or a task of the host's found: made by
// [ContentType.Unit], and saved by [Sync.Put], [NewVersion.Put] or [App.SaveUnits].
type Unit struct {
	decl   Part
	detail any
	files  []Remotely
}

// Remotely is a file of a unit, as a remote offers it.
type Remotely struct {
	// Path is where it lies relative to the repository. Empty is right for types with a FilePath.
	Path string
	// URL is where its bytes are. Empty means that they are nowhere but here.
	URL string
	// SHA256 is the digest of its bytes in hex. Empty means that it is not known; such a file is
	// always downloaded at once.
	SHA256 string
	// Size is its size in bytes; -1 means that it is not known.
	Size int64
	// Limit is the most bytes that are downloaded where the size is not known; zero means 4 GiB.
	Limit int64
	// Bytes are the file itself, if it has been received ([App.Receive]) and its URL does not
	// matter; SHA256 and Size are then what it says. Nil means that they are elsewhere.
	Bytes *Incoming
}

// discard removes the files that were received for the unit, unless it was saved.
func (u *Unit) discard() {
	for _, f := range u.files {
		f.Bytes.Discard()
	}
}

// ParseRemotely reads what metadata says of a file. The error says which word is wrong: a path that is
// no [ValidPath], a digest that is not of 64 hex digits, a size that is no number of bytes.
func ParseRemotely(path, sha256, size string) (Remotely, error) {
	n, err := strconv.ParseUint(size, 10, 63)
	sum, wrong := hex.DecodeString(sha256)
	switch {
	case !ValidPath(path):
		return Remotely{}, fmt.Errorf("%.200q is no path of a file below a directory", path)
	case wrong != nil || len(sum) != 32:
		return Remotely{}, fmt.Errorf("%.80q is no sha256 checksum", sha256)
	case err != nil:
		return Remotely{}, fmt.Errorf("%.40q is no size in bytes", size)
	}
	return Remotely{Path: path, SHA256: strings.ToLower(sha256), Size: int64(n)}, nil
}

// Unit makes a unit of this type.
func (t *ContentType[D]) Unit(d D, files ...Remotely) *Unit {
	if t.FilePath != nil {
		for i := range files {
			files[i].Path = t.FilePath(&d)
		}
	}
	for i := range files {
		if f := &files[i]; f.Bytes != nil {
			f.SHA256, f.Size = f.Bytes.SHA256, f.Bytes.Size
		}
	}
	return &Unit{decl: t, detail: d, files: files}
}

// Received makes a unit of a file that was received ([App.Receive]), as if a client had uploaded
// it: Validate is asked, and FromFile fills in what the file tells. It is for tasks of hosts,
// which put the unit into a version with [NewVersion.Put].
func (t *ContentType[D]) Received(ctx context.Context, d D, f *Incoming) (*Unit, error) {
	if t.Validate != nil {
		if err := t.Validate(&d); err != nil {
			return nil, err
		}
	}
	if t.FromFile != nil {
		if err := t.FromFile(ctx, &d, f); err != nil {
			return nil, err
		}
	}
	return t.Unit(d, Remotely{Bytes: f}), nil
}

// A row is a unit ready to be written.
type contentRow struct {
	face   *contentFace
	key    [16]byte
	slot   [16]byte
	detail json.RawMessage
}

// row computes the key and the slot of a unit.
func (r *registry) row(u *Unit) (*contentRow, error) {
	var face *contentFace
	for _, f := range r.contents {
		if f.decl == u.decl {
			face = f
		}
	}
	if face == nil {
		return nil, errors.New("the unit's type is not declared by a plugin of this App")
	}
	out := &contentRow{face: face}
	var err error
	if out.key, out.slot, err = face.identify(reflect.ValueOf(u.detail)); err != nil {
		return nil, err
	}
	out.detail, err = json.Marshal(u.detail)
	return out, err
}

// indexFilters makes the indexes that serve the filters of a type's own fields.
func (r *registry) indexFilters(kindName string, typ int64, p *plan) {
	for _, f := range p.fields {
		if len(f.filters) == 0 {
			continue
		}
		name := fmt.Sprintf("pulp_f_%s_%d_%s", kindName, typ, f.column)
		r.indexes[name] = fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON %s (json_extract(detail, '$.%s')) WHERE pulp_type = %d",
			name, kindName, f.column, typ)
	}
}

package pulp

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/blob"
	"github.com/gopulp/pulp/internal/schema"
)

// An Artifact is a file in the storage. Its bytes never change; two artifacts never have the
// same bytes.
type Artifact struct {
	bun.BaseModel `bun:"table:artifact,alias:a"`
	Base
	Size    int64   `bun:"size" json:"size" pulp:"immutable" doc:"The size of the file in bytes."`
	MD5     *string `bun:"md5" json:"md5" pulp:"immutable,filter" doc:"The MD5 checksum of the file if available."`
	SHA1    *string `bun:"sha1" json:"sha1" pulp:"immutable,filter" doc:"The SHA-1 checksum of the file if available."`
	SHA224  *string `bun:"sha224" json:"sha224" pulp:"immutable,filter" doc:"The SHA-224 checksum of the file if available."`
	SHA256  string  `bun:"sha256" json:"sha256" pulp:"immutable,null,filter" doc:"The SHA-256 checksum of the file if available."`
	SHA384  *string `bun:"sha384" json:"sha384" pulp:"immutable,filter" doc:"The SHA-384 checksum of the file if available."`
	SHA512  *string `bun:"sha512" json:"sha512" pulp:"immutable,filter" doc:"The SHA-512 checksum of the file if available."`
	Touched Time    `bun:"touched" json:"-"`
}

// digestNames are the digests that Artifact may have, in the order of its fields.
var digestNames = []string{"md5", "sha1", "sha224", "sha256", "sha384", "sha512"}

func artifactViews() *ViewSet[Artifact] {
	v := &ViewSet[Artifact]{
		Path: "artifacts", Name: "artifact", class: "Artifact", kind: artifactKind, Ops: List | Read | Delete, Access: AdminOnly,
		Serializer: Serializer[Artifact]{Computed: []Computed[Artifact]{{
			Name: "file", Doc: "The stored file.", Value: schema.Value{Type: schema.String}, input: true,
			Values: func(_ context.Context, _ bun.IDB, as []*Artifact) ([]any, error) {
				out := make([]any, len(as))
				for i, a := range as {
					out[i] = "artifact/" + a.SHA256[:2] + "/" + a.SHA256[2:]
				}
				return out, nil
			},
		}}},
		Filters: []Filter{orphanedFilter("a", orphanFile), membershipFilter("repository_version", artifactOf(inVersionRange))},
		Remove:  artifactInUse,
		sorts:   map[string]string{"file": "?TableAlias.sha256", "timestamp_of_interest": "?TableAlias.touched"},
	}
	for i, f := range digestNames {
		v.Filters = slices.Insert(v.Filters, i, compare(f, "Filter results where "+f+" matches value", Text(), readText, digestRule(f)))
	}
	v.extra = func(v *view[Artifact], owner Plugin) []Operation {
		object, file := v.codec.object("Artifact"), fileField(true)
		file.WriteOnly = false
		return []Operation{v.operation(owner, "create", "", false, Operation{
			Method: "POST", Summary: "Create an artifact", Form: true, Answer: object, Codes: []AnswerKind{Created},
			Body: &schema.Object{Name: "Artifact", Fields: append([]schema.Field{file}, sumFields()...)},
			Do:   v.createArtifact,
		})}
	}
	return v
}

// digestRule holds for the artifacts with a digest; the index of sha256 begins with the domain.
func digestRule(name string) string {
	if name == "sha256" {
		return "a.domain_id IN (SELECT id FROM domain) AND a.sha256 = ?"
	}
	return "a." + name + " = ?"
}

const (
	artifactThereSQL = "SELECT 1 FROM artifact WHERE domain_id = ? AND sha256 = ?"
	artifactInUseSQL = `SELECT EXISTS (SELECT 1 FROM content_artifact WHERE artifact_id = ?1) OR EXISTS (SELECT 1 FROM published_artifact WHERE artifact_id = ?1)`
)

func (v *view[M]) createArtifact(ctx context.Context, r *Request) (*Answer, error) {
	f, err := uploaded(r.Body, append([]string{"size"}, digestNames...)...)
	if err != nil {
		return nil, err
	}
	errs := FieldErrors{}
	checkSums(f.Sums, r.Body, errs)
	if err := errs.OrNil(); err != nil {
		return nil, err
	}
	var there int
	db := v.app.db.Reader()
	if err := scanOne(ctx, db, artifactThereSQL, []any{v.app.domain.ID, f.SHA256}, &there); err != nil {
		return nil, err
	}
	if there != 0 {
		return nil, FieldErrors{NonField: {fmt.Sprintf("Artifact with sha256 checksum of '%s' already exists.", f.SHA256)}}
	}
	if err := v.app.keep(ctx, f); err != nil {
		return nil, err
	}
	var id int64
	err = v.app.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		ids, err := v.app.saveArtifacts(ctx, tx, f.Sums)
		id = ids[f.SHA256]
		return err
	})
	if err != nil {
		return nil, err
	}
	m, err := v.row(ctx, db, id)
	if err != nil {
		return nil, err
	}
	return v.answer(ctx, db, Created, m, r)
}

// uploaded returns the file of a form whose only other fields are those named.
func uploaded(in Input, fields ...string) (*Incoming, error) {
	errs := FieldErrors{}
	f := in.Files["file"]
	if f == nil {
		errs.Add("file", "No file was submitted.")
	}
	for name := range in.Fields {
		if !slices.Contains(fields, name) && len(errs) == 0 {
			errs.Add(name, "Unexpected field")
		}
	}
	return f, errs.OrNil()
}

// checkSums compares what a client says of a file with what it is.
func checkSums(s blob.Sums, in Input, errs FieldErrors) {
	if raw, ok := in.Fields["size"]; ok && unquoted(raw) != fmt.Sprint(s.Size) {
		errs.Add("size", "Does not match the size of the file, %d.", s.Size)
	}
	for _, name := range digestNames {
		raw, ok := in.Fields[name]
		switch is := s.Digest(name); {
		case !ok:
		case is == "":
			errs.Add(name, "Checksum algorithm %s forbidden for this Pulp instance.", name)
		case !strings.EqualFold(unquoted(raw), is):
			errs.Add(name, "The %s checksum did not match.", name)
		}
	}
}

func artifactInUse(ctx context.Context, tx bun.Tx, a *Artifact) error {
	var used bool
	if err := tx.Tx.QueryRowContext(ctx, artifactInUseSQL, a.ID).Scan(&used); err != nil {
		return err
	}
	if used {
		return fmt.Errorf("the artifact is in use by content: %w", ErrConflict)
	}
	return nil
}

const saveArtifactsSQL = `INSERT INTO artifact (pulp_id, domain_id, created_by, pulp_created, pulp_last_updated, size, md5, sha1, sha224, sha256, sha384, sha512, touched)
SELECT unhex(f.value->>'id'), ?2, ?3, ?4, ?4, f.value->>'size', f.value->>'md5', f.value->>'sha1', f.value->>'sha224', f.value->>'sha256', f.value->>'sha384', f.value->>'sha512', ?4
FROM json_each(?1) AS f WHERE true
ON CONFLICT (domain_id, sha256) DO UPDATE SET touched = excluded.touched
RETURNING id, sha256`

type artifactRow struct {
	ID     string `json:"id"`
	Size   int64  `json:"size"`
	MD5    string `json:"md5,omitempty"`
	SHA1   string `json:"sha1,omitempty"`
	SHA224 string `json:"sha224,omitempty"`
	SHA256 string `json:"sha256"`
	SHA384 string `json:"sha384,omitempty"`
	SHA512 string `json:"sha512,omitempty"`
}

// saveArtifacts writes a row for each file that has none yet, and returns the ids of all by
// their sha256. The blobs must have been kept before.
func (a *App) saveArtifacts(ctx context.Context, tx bun.Tx, files ...blob.Sums) (map[string]int64, error) {
	rows := make([]artifactRow, 0, len(files))
	seen := map[string]bool{}
	for _, f := range files {
		if seen[f.SHA256] {
			continue
		}
		seen[f.SHA256] = true
		id := NewID()
		rows = append(rows, artifactRow{hex.EncodeToString(id[:]), f.Size, f.MD5, f.SHA1, f.SHA224, f.SHA256, f.SHA384, f.SHA512})
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return nil, err
	}
	out := make(map[string]int64, len(rows))
	res, err := tx.Tx.QueryContext(ctx, saveArtifactsSQL, string(text), a.domain.ID, CallerOf(ctx).AccountID, int64(a.now()))
	if err != nil {
		return nil, fmt.Errorf("save artifacts: %w", err)
	}
	defer res.Close()
	for res.Next() {
		var id int64
		var sha string
		if err := res.Scan(&id, &sha); err != nil {
			return nil, fmt.Errorf("save artifacts: %w", err)
		}
		out[sha] = id
	}
	return out, res.Err()
}

func fileField(required bool) schema.Field {
	return schema.Field{Name: "file", Value: schema.Value{Type: schema.String, Format: "binary"}, WriteOnly: true, Required: required, Doc: "The file's bytes."}
}

func sumFields() (out []schema.Field) {
	for _, name := range append([]string{"size"}, digestNames...) {
		v := schema.Value{Type: schema.String, Nullable: true}
		if name == "size" {
			v = schema.Value{Type: schema.Integer, Format: "int64"}
		}
		out = append(out, schema.Field{Name: name, Value: v})
	}
	return out
}

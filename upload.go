package pulp

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// An UploadSession is a file that comes in pieces. It becomes an artifact when it is committed,
// or a unit of content when one is created of it.
type UploadSession struct {
	bun.BaseModel `bun:"table:upload,alias:u"`
	Base
	Size int64 `bun:"size" json:"size" validate:"required,min=0" pulp:"immutable" doc:"The size of the upload in bytes."`
}

// UploadCommit is the body of the action that makes an upload an artifact.
type UploadCommit struct {
	SHA256 string `json:"sha256" validate:"required" doc:"The expected sha256 checksum for the file."`
}

type uploadChunk struct {
	Offset int64 `json:"offset" pulp:"readonly"`
	Size   int64 `json:"size" pulp:"readonly"`
}

type commitArgs struct {
	Upload int64
	SHA256 string
}

var commitUploadTask = &Task[commitArgs, struct{}]{Name: "pulpcore.app.tasks.upload.commit", Run: runCommitUpload}

func uploadViews() *ViewSet[UploadSession] {
	vs := &ViewSet[UploadSession]{
		Path: "uploads", Name: "upload", class: "Upload", kind: uploadKind, Ops: List | Read | Create | Delete,
		Filters: numberRange("size", "u.size"),
		Actions: []Action[UploadSession]{Do("commit", commitUpload)}, rules: uploadRules,
		Serializer: Serializer[UploadSession]{Computed: []Computed[UploadSession]{{
			Name: "chunks", Value: schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.Map, Object: objectOf[uploadChunk]("UploadChunk")}},
			Values: chunksOf, detail: true}},
			// Pulp describes it and never sends it.
			described: []schema.Field{{Name: "completed", ReadOnly: true, Value: schema.Value{Type: schema.String, Format: "date-time"}}}},
	}
	vs.extra = func(v *view[UploadSession], owner Plugin) []Operation {
		body := &schema.Object{Name: "UploadChunk", Fields: []schema.Field{fileField(true),
			{Name: "sha256", Value: schema.Value{Type: schema.String, Nullable: true}, WriteOnly: true, Doc: "The SHA-256 checksum of the chunk if available."}}}
		return []Operation{v.operation(owner, "update", "", true, Operation{
			Method: "PUT", Summary: "Upload a file chunk", Form: true, Body: body, Answer: v.codec.object("Upload"), Codes: []AnswerKind{OK},
			Header: []schema.Parameter{{Name: "Content-Range", Value: Text(), Doc: "The Content-Range header specifies the location of the file chunk within the file."}},
			Do:     func(ctx context.Context, r *Request) (*Answer, error) { return putChunk(ctx, v, r) },
		})}
	}
	return vs
}

var contentRange = regexp.MustCompile(`^bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)$`)

// putChunk answers PUT on an upload: it stores a piece where Content-Range says.
func putChunk(ctx context.Context, v *view[UploadSession], r *Request) (*Answer, error) {
	a := v.app
	u, err := v.one(ctx, a.db.Reader(), r.Vars)
	if err != nil {
		return nil, err
	}
	f, err := uploaded(r.Body, "sha256")
	if err != nil {
		return nil, err
	}
	start, err := checkChunk(u, f, r)
	if err != nil {
		return nil, err
	}
	if err := a.keep(ctx, f); err != nil {
		return nil, err
	}
	err = a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.Tx.ExecContext(ctx, saveChunkSQL, u.ID, start, f.Size, f.SHA256)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("save chunk: %w", err)
	}
	return v.answer(ctx, a.db.Reader(), OK, u, nil)
}

const saveChunkSQL = `INSERT INTO upload_chunk (upload_id, start, size, sha256) VALUES (?, ?, ?, ?)
ON CONFLICT (upload_id, start) DO UPDATE SET size = excluded.size, sha256 = excluded.sha256`

func checkChunk(u *UploadSession, f *Incoming, r *Request) (start int64, err error) {
	header := ""
	if r.Header != nil {
		header = r.Header("Content-Range")
	}
	m := contentRange.FindStringSubmatch(header)
	if m == nil {
		return 0, FieldErrors{"Content-Range": {"Invalid or missing content range header. Expected: bytes <first>-<last>/<total>"}}
	}
	start, _ = strconv.ParseInt(m[1], 10, 64)
	end, _ := strconv.ParseInt(m[2], 10, 64)
	switch {
	case end-start+1 != f.Size:
		return 0, FieldErrors{"Content-Range": {fmt.Sprintf("Chunk size does not match content range: %d bytes came.", f.Size)}}
	case end >= u.Size:
		return 0, FieldErrors{"Content-Range": {"End byte is greater than upload size."}}
	}
	if raw, ok := r.Body.Fields["sha256"]; ok && !strings.EqualFold(unquoted(raw), f.SHA256) {
		return 0, FieldErrors{"sha256": {"Checksum does not match chunk upload."}}
	}
	return start, nil
}

const chunksSQL = "SELECT upload_id, start, size FROM upload_chunk WHERE upload_id IN (SELECT value FROM json_each(?)) ORDER BY upload_id, start"

func chunksOf(ctx context.Context, db bun.IDB, us []*UploadSession) ([]any, error) {
	rows, err := raw(db).QueryContext(ctx, chunksSQL, jsonIDs(idsOf(us, func(u *UploadSession) int64 { return u.ID })))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	of := map[int64][]uploadChunk{}
	for rows.Next() {
		var id int64
		var c uploadChunk
		if err := rows.Scan(&id, &c.Offset, &c.Size); err != nil {
			return nil, err
		}
		of[id] = append(of[id], c)
	}
	out := make([]any, len(us))
	for i, u := range us {
		if out[i] = of[u.ID]; of[u.ID] == nil {
			out[i] = []uploadChunk{}
		}
	}
	return out, rows.Err()
}

func commitUpload(ctx context.Context, u *UploadSession, in UploadCommit) (*Ticket[struct{}], error) {
	a := FromContext(ctx)
	var ticket *Ticket[struct{}]
	err := a.Tx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		ticket, err = commitUploadTask.Dispatch(ctx, tx, commitArgs{u.ID, strings.ToLower(in.SHA256)}, Exclusive(u))
		return err
	})
	return ticket, err
}

func runCommitUpload(ctx context.Context, j *Job, args commitArgs) (struct{}, error) {
	a := j.app
	f, err := a.joinUpload(ctx, args.Upload)
	if err != nil {
		return struct{}{}, err
	}
	defer f.Discard()
	if f.SHA256 != args.SHA256 {
		return struct{}{}, &TaskError{Code: "PLP0003", Text: fmt.Sprintf("The upload has the sha256 checksum %s, not %s.", f.SHA256, args.SHA256)}
	}
	if err := a.keep(ctx, f); err != nil {
		return struct{}{}, err
	}
	j.OnFinish(func(ctx context.Context, tx bun.Tx) error {
		ids, err := a.saveArtifacts(ctx, tx, f.Sums)
		if err != nil {
			return err
		}
		j.Created(artifactKind, ids[f.SHA256])
		return dropUpload(ctx, tx, args.Upload)
	})
	return struct{}{}, nil
}

func dropUpload(ctx context.Context, tx bun.Tx, id int64) error {
	_, err := tx.Tx.ExecContext(ctx, "DELETE FROM upload WHERE id = ?", id)
	return err
}

// A piece is a chunk of an upload.
type piece struct {
	start, size int64
	sha256      string
}

// joinUpload puts the pieces of an upload together, which must cover it without gaps.
func (a *App) joinUpload(ctx context.Context, id int64) (*Incoming, error) {
	var pieces []piece
	const query = "SELECT start, size, sha256 FROM upload_chunk WHERE upload_id = ? ORDER BY start"
	err := a.eachRow(ctx, query, []any{id}, func(scan func(...any) error) error {
		var p piece
		err := scan(&p.start, &p.size, &p.sha256)
		pieces = append(pieces, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read chunks: %w", err)
	}
	u, err := NewModel[UploadSession]().First(ctx, a.db.Reader(), byKey(id))
	if err != nil {
		return nil, err
	}
	return a.spool(ctx, func(w io.Writer) error { return a.join(w, pieces, u.Size) })
}

func (a *App) join(w io.Writer, pieces []piece, size int64) error {
	at := int64(0)
	for _, p := range pieces {
		if p.start != at {
			return &TaskError{Text: fmt.Sprintf("The upload has no data for the bytes from %d to %d.", at, p.start)}
		}
		f, err := a.storage.blobs().Open(p.sha256)
		if err != nil {
			return fmt.Errorf("open chunk: %w", err)
		}
		_, err = io.Copy(w, f)
		f.Close()
		if err != nil {
			return err
		}
		at += p.size
	}
	if at != size {
		return &TaskError{Text: fmt.Sprintf("The upload has %d bytes, not %d.", at, size)}
	}
	return nil
}
